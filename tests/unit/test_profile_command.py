"""`bento-observe profile`."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bento_observe import Reference
from bento_observe.cli import main


def run(*arguments: object) -> Result:
    result = CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(main, ["profile", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "alcohol": rng.normal(11, 1, 400),
            "color": rng.choice(["red", "white"], 400),
            "time": pd.date_range("2020-01-01", periods=400),
            "row": np.arange(400),
            "predicted": rng.normal(size=400),
            "quality": rng.integers(3, 9, 400),
        }
    )
    frame.loc[:99, "alcohol"] = np.nan
    frame.to_parquet(tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


def test_it_writes_what_the_library_makes_and_shows_it(data: Path, tmp_path: Path) -> None:
    """One row a feature, and what was left out."""
    output = tmp_path / "reference.json"
    result = run(
        data, "-o", output, "--prediction", "predicted", "--label", "quality", "--slice", "color", "--drop", "row"
    )
    assert result.exit_code == 0, result.output
    expected = Reference.from_frame(
        pd.read_parquet(data), prediction="predicted", label="quality", slices=["color"], drop=["row"]
    )
    assert Reference.load(output) == expected
    lines = {tuple(line.split()[:2]): line.split() for line in result.output.splitlines() if line.strip()}
    low, high = (f"{getattr(expected.features['alcohol'], name):.6g}" for name in ("min", "max"))
    buckets = str(expected.edges["alcohol"].size - 1)
    assert lines["input", "alcohol"][2:] == ["numeric", "25.0%", "many", buckets, low, "..", high]
    assert lines["input", "color"][2] == "categorical"
    assert lines["label", "quality"][2:4] == ["categorical", "6"]
    assert lines["prediction", "predicted"][2] == "numeric"
    assert "left out time: holds datetime64" in result.output
    assert f"400 rows, reference {expected.id}" in result.output
    assert f"Written to {output}." in result.output


def test_text_of_the_data_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Escape sequences and rich's markup are shown as text."""
    frame = pd.DataFrame({"[red]x[/red]": ["\x1b[31mred", "[bold]b"] * 2, "\x1b[2J": 1.0})
    frame.to_csv(tmp_path / "d.csv", index=False)
    result = run(tmp_path / "d.csv", "-o", tmp_path / "r.json")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert "[red]x[/red]" in result.output
    assert "[bold]b" in result.output


def test_errors_are_one_line(data: Path, tmp_path: Path) -> None:
    """Exit status 1, and nothing is written."""
    output = tmp_path / "r.json"
    for arguments, message in (
        ((tmp_path / "absent.csv", "-o", output), "absent.csv cannot be read: No such file or directory"),
        ((data, "-o", output, "--label", "grade"), "there is no column 'grade'; there are alcohol, color, time"),
        ((tmp_path / "d.txt", "-o", output), "the name must end in .parquet, .csv or .tsv"),
        ((data, "-o", tmp_path / "no" / "r.json"), f"no/r.json: there is no directory {tmp_path / 'no'}"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        (line,) = (line for line in result.output.splitlines() if line.startswith("Error: "))
        assert message in line
        assert not output.exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no/r.json", "no/r.json: there is no directory {0}/no"),
        ("link.json", "link.json: there is no directory {0}/no"),
        ("pipe", "pipe: is not a regular file"),
        ("train.parquet", "train.parquet: is the training data"),
        ("shut/r.json", "shut/r.json: the directory {0}/shut cannot be written to"),
        (None, "of model absent:latest: there is no such model in BentoML's model store"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str | None, message: str
) -> None:
    """The data may take hours."""

    def read(*_: object, **__: object) -> Reference:
        raise AssertionError("the data was read")

    def allowed(path: str | os.PathLike[str], mode: int, **options: Any) -> bool:
        return not os.fspath(path).endswith("shut") and access(path, mode, **options)

    access = os.access
    (tmp_path / "shut").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "no" / "r.json")
    os.mkfifo(tmp_path / "pipe")
    before = data.read_bytes()
    monkeypatch.setattr(Reference, "from_file", read)
    monkeypatch.setattr(os, "access", allowed)
    result = run(data, *(("--model", "absent:latest") if output is None else ("-o", tmp_path / output)))
    assert result.exit_code == 1
    assert message.format(tmp_path) in result.output
    assert data.read_bytes() == before


def test_a_full_disk_is_told_of_the_file_that_was_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of the one beside it, which is gone."""

    def write(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write)
    result = run(data, "-o", tmp_path / "r.json")
    assert result.exit_code == 1
    assert f"Error: {tmp_path / 'r.json'}: No space left on device\n" in result.output
    assert os.listdir(tmp_path) == [data.name]


def test_no_rows_are_told_of_the_file(tmp_path: Path) -> None:
    """Which may be one of many."""
    (tmp_path / "d.csv").write_text("a,b\n")
    result = run(tmp_path / "d.csv", "-o", tmp_path / "r.json")
    assert f"Error: {tmp_path / 'd.csv'}: there are no rows to profile" in result.output


def test_what_reads_the_table_gets_names_whole(tmp_path: Path) -> None:
    """A line a feature, however narrow the terminal is that is not written to."""
    names = ["f" * 200, "größe in metern"]
    pd.DataFrame({name: ["rot", "weiß"] * 9 for name in names}).to_csv(tmp_path / "d.csv", index=False)
    arguments = ["profile", str(tmp_path / "d.csv"), "-o", str(tmp_path / "r.json")]
    result = CliRunner(env={"COLUMNS": "40", "TERM": "dumb"}).invoke(main, arguments)
    assert result.exit_code == 0, result.output
    for name in names:
        (line,) = (line for line in result.output.splitlines() if name in line)
        assert "rot, weiß" in line


def test_a_console_without_the_letters_shows_others(tmp_path: Path) -> None:
    """And the reference is the same."""
    pd.DataFrame({"größe": ["rot", "weiß"] * 9}).to_csv(tmp_path / "d.csv", index=False)
    output = tmp_path / "ö.json"
    result = CliRunner(charset="ascii").invoke(main, ["profile", str(tmp_path / "d.csv"), "-o", str(output)])
    assert result.exit_code == 0, result.exception
    assert "gr??e" in result.output
    assert "Written to " in result.output
    assert list(Reference.load(output).features) == ["größe"]


def test_the_reference_is_kept_when_nobody_reads_the_table(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written before."""

    def broken(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("bento_observe.cli.profile._show", broken)
    result = run(data, "-o", tmp_path / "r.json")
    assert result.exit_code == 1
    assert Reference.load(tmp_path / "r.json").rows == 400


def test_it_must_be_told_where_the_reference_goes(data: Path) -> None:
    """A usage error, before anything is read."""
    result = run(data)
    assert result.exit_code == 2
    assert "-o FILE, --model TAG, or both" in result.output
