"""`bento-observe profile`."""

from __future__ import annotations

from pathlib import Path

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
        ((data, "-o", tmp_path / "no" / "r.json"), "No such file or directory"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        (line,) = (line for line in result.output.splitlines() if line.startswith("Error: "))
        assert message in line
        assert not output.exists()


def test_it_must_be_told_where_the_reference_goes(data: Path) -> None:
    """A usage error, before anything is read."""
    result = run(data)
    assert result.exit_code == 2
    assert "-o FILE, --model TAG, or both" in result.output
