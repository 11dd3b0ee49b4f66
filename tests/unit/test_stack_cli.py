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
