"""`bento-observe stack` where nothing runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bento_observe.cli import main


def test_status_with_nothing_running_exits_with_3(tmp_path: Path) -> None:
    """Scripts can tell "not running" from "unhealthy"."""
    result = CliRunner().invoke(main, ["stack", "status", "--data-dir", str(tmp_path)])
    assert (result.exit_code, result.output) == (3, "nothing is running\n")


def test_json_status_with_nothing_running_is_an_empty_array(tmp_path: Path) -> None:
    """The JSON form stays JSON."""
    result = CliRunner().invoke(main, ["stack", "status", "--json", "--data-dir", str(tmp_path)])
    assert result.exit_code == 3
    assert json.loads(result.output) == []


def test_down_with_nothing_running_says_so_and_succeeds(tmp_path: Path) -> None:
    """`down` is safe to repeat."""
    result = CliRunner().invoke(main, ["stack", "down", "--data-dir", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, "nothing is running\n")


def test_up_without_tools_names_each_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without Go and Maven, `up` lists them with a remedy and starts nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bento_observe.stack._tools._GO_HOME", str(tmp_path))
    result = CliRunner().invoke(
        main, ["stack", "up", "--data-dir", str(tmp_path / "data"), "--cache-dir", str(tmp_path / "cache")]
    )
    assert result.exit_code == 1
    lines = [line.strip() for line in result.output.splitlines()]
    assert any(line.startswith("Go >= ") and "https://go.dev/dl/" in line for line in lines)
    assert any(line.startswith("Maven >= ") and "apt install maven" in line for line in lines)
    assert not (tmp_path / "data" / "state.json").exists()


def test_down_for_a_directory_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """A mistyped name neither fails nor leaves a directory with a lock file behind."""
    result = CliRunner().invoke(main, ["stack", "down", "--data-dir", str(tmp_path / "typo")])
    assert (result.exit_code, result.output) == (0, "nothing is running\n")
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """Below a plain file there are no directories: no traceback, but what could not be made."""
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["stack", "up", "--data-dir", str(tmp_path / "file" / "data")])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("command", ["up", "down", "status", "prune"])
def test_without_a_home_directory_the_remedy_is_one_line(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME and no entry in the user database, as for a container's arbitrary user."""
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "BENTO_OBSERVE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    result = CliRunner().invoke(main, ["stack", command])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "no home directory" in line
    assert "XDG_" in line


def test_prune_with_nothing_running_is_one_line(tmp_path: Path) -> None:
    """What is not there is not pruned, and that is an error: a cron job should be heard."""
    result = CliRunner().invoke(main, ["stack", "prune", "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "bento-observe stack up" in line
