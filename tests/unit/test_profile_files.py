"""A file gives the reference that its data gives in memory, however it is read."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from bento_observe import Reference
from bento_observe.features.reference import _files
from bento_observe.features.reference._files import UnreadableDataError

SEED = 20240611
CHUNKS = (1, 7, 100, 1000, 65_536)


def _mixed(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "spread": rng.lognormal(sigma=3, size=rows),
            "few": rng.integers(0, 4, rows) * 0.5,
            "whole": rng.integers(-1000, 1000, rows),
            "text": rng.choice(["red", "white", "rosé"], rows),
            "flag": rng.random(rows) < 0.2,
            "identifier": [f"id{i}" for i in range(rows)],
            "country": rng.choice(["DE", "FR", "IT"], rows, p=[0.6, 0.3, 0.1]),
            "label": rng.integers(0, 3, rows),
        }
    )
    frame.loc[rng.random(rows) < 0.1, ["x", "text"]] = np.nan
    frame.loc[rng.random(rows) < 0.01, "x"] = np.inf
    frame[["p0", "p1"]] = rng.dirichlet([2, 1], rows)
    return frame


def _bytes(reference: Reference, path: Path) -> bytes:
    reference.save(path)
    return path.read_bytes()


def _read_whole(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    precision: Any = {} if pd.__version__ >= "3.1" else {"float_precision": "round_trip"}
    return pd.read_csv(path, sep="\t" if ".tsv" in path.name else ",", low_memory=False, **precision)


def _write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize("name", ["d.parquet", "d.csv", "d.csv.gz", "d.tsv"])
@pytest.mark.parametrize("chunk_rows", CHUNKS)
def test_chunks_of_any_size_give_the_bytes_of_the_frame(tmp_path: Path, name: str, chunk_rows: int) -> None:
    """All kinds of columns, missing values, slices, labels and probabilities."""
    path = _write(_mixed(23 if chunk_rows == 1 else 1500), tmp_path / name)
    whole = _read_whole(path)
    roles: dict[str, Any] = {"prediction": ["p0", "p1"], "label": ["label"], "slices": ["country", "flag"]}
    expected = _bytes(Reference.from_frame(whole, **roles), tmp_path / "expected.json")
    found = Reference.from_file(path, chunk_rows=chunk_rows, **roles)
    assert _bytes(found, tmp_path / "found.json") == expected
    assert found.signals["prediction"].classes == ("p0", "p1")


@pytest.mark.parametrize("chunk_rows", [9_973, 65_536, 1_000_000])
def test_a_file_beyond_the_sample_and_the_block_is_the_same_too(tmp_path: Path, chunk_rows: int) -> None:
    """200,000 rows: edges from the same 100,000 of them, moments from the same blocks."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame({"x": rng.standard_cauchy(200_000), "c": rng.choice(list("abcd"), 200_000)})
    path = _write(frame, tmp_path / "d.parquet")
    expected = _bytes(Reference.from_frame(frame, slices=["c"]), tmp_path / "expected.json")
    found = Reference.from_file(path, slices=["c"], chunk_rows=chunk_rows)
    assert _bytes(found, tmp_path / "found.json") == expected


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 10])
@pytest.mark.parametrize(
    "cells",
    [
        ["01", "2", "x", "4", "05", ""],
        ["x", "y", "1.50", "2", "3", "4"],
        ["", "", "", "a", "b", "a"],
        ["1", "0", "True", "False", "1", "0"],
        ["True", "False", "", "", "True", "x"],
        ["True", "", "", "", "False", "True"],
        ["1", "2", "3", "", "", "1.0"],
        ["1", "2.5", "", "inf", "-inf", "1e400"],
    ],
)
def test_a_column_of_csv_is_one_kind_from_end_to_end(tmp_path: Path, cells: list[str], chunk_rows: int) -> None:
    """Text anywhere makes all of it text, as it was written."""
    path = tmp_path / "d.csv"
    path.write_text("n,c\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    expected = Reference.from_frame(_read_whole(path), slices=["c"], label="c")
    found = Reference.from_file(path, slices=["c"], label=["c"], chunk_rows=chunk_rows)
    assert _bytes(found, tmp_path / "found.json") == _bytes(expected, tmp_path / "expected.json")
    assert _bytes(Reference.from_file(path, chunk_rows=chunk_rows), tmp_path / "f.json") == _bytes(
        Reference.from_frame(_read_whole(path)), tmp_path / "e.json"
    )


def test_text_further_down_is_found(tmp_path: Path) -> None:
    """The first chunk looks like numbers; leading zeros are kept."""
    path = tmp_path / "d.csv"
    path.write_text("c\n" + "007\n" * 10 + "bond\n")
    feature = Reference.from_file(path, chunk_rows=4).features["c"]
    assert dict(feature.categories) == {"007": 10, "bond": 1}  # type: ignore[union-attr]


def test_no_more_than_two_chunks_are_alive_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by chunks, not by the file: those before the last one are gone when the next is read."""
    alive: list[weakref.ref[pd.DataFrame]] = []
    most = 0
    read_chunks = _files._separated

    def watched(*arguments: Any) -> Any:
        nonlocal most
        for frame, done in read_chunks(*arguments):
            assert len(frame) <= 500
            alive.append(weakref.ref(frame))
            item = frame, done
            del frame
            yield item
            del item
            most = max(most, sum(one() is not None for one in alive))

    path = _write(_mixed(20_000), tmp_path / "d.csv")
    monkeypatch.setattr(_files, "_separated", watched)
    Reference.from_file(path, chunk_rows=500, slices=["country"], label=["label"])
    assert len(alive) == 2 * 40
    assert most <= 2


def test_parquet_is_not_read_ahead(tmp_path: Path) -> None:
    """Of a row group of 24 MB, and of a file of several such, a part is in memory at a time."""
    pyarrow = pytest.importorskip("pyarrow")
    values = np.random.default_rng(SEED).normal(size=(300_000, 10))
    path = tmp_path / "d.parquet"
    most = 0

    def look(number: int, done: float) -> None:
        nonlocal most
        most = max(most, pyarrow.total_allocated_bytes() - before)

    for row_group_size in (values.shape[0], 50_000):
        frame = pd.DataFrame(values, columns=list("abcdefghij"))
        frame.to_parquet(path, row_group_size=row_group_size, use_dictionary=False, data_page_size=2**16)
        before = pyarrow.total_allocated_bytes()
        assert Reference.from_file(path, chunk_rows=10_000, progress=look).rows == values.shape[0]
    assert path.stat().st_size > values.nbytes / 2
    assert most < values.nbytes / 3


def test_numbers_in_text_are_the_nearest_floats(tmp_path: Path) -> None:
    """As those of JSON are in requests."""
    values = np.random.default_rng(SEED).lognormal(sigma=50, size=3000)
    (tmp_path / "d.csv").write_text("x\n" + "\n".join(map(repr, values.tolist())))
    assert Reference.from_file(tmp_path / "d.csv") == Reference.from_frame(pd.DataFrame({"x": values}))


def test_progress_is_told_for_each_pass(tmp_path: Path) -> None:
    """Two passes, each from the start to the whole."""
    path = _write(_mixed(1000), tmp_path / "d.parquet")
    told: list[tuple[int, float]] = []
    Reference.from_file(path, chunk_rows=250, progress=lambda number, done: told.append((number, done)))
    assert told == [(number, share) for number in (1, 2) for share in (0.25, 0.5, 0.75, 1.0)]


def test_an_index_kept_in_parquet_is_no_feature(tmp_path: Path) -> None:
    """As for the frame that pandas reads."""
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="key"))
    path = _write(frame, tmp_path / "d.parquet")
    assert_frame_equal(pd.read_parquet(path), frame)
    assert list(Reference.from_file(path).features) == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.xlsx", b"", "d.xlsx: the name must end in .parquet, .csv or .tsv"),
        ("d.csv", b"", "d.csv cannot be read: No columns to parse from file"),
        ("d.csv", b"a,b\n", "d.csv: there are no rows to profile"),
        ("d.csv", b"a,b\n1,2\n1,2,3\n", "d.csv cannot be read: line 3 has 3 fields, lines before it 2"),
        ("d.csv", b"a\n\xff\xfe\n", "d.csv cannot be read: 'utf-8' codec can't decode"),
        ("d.csv.gz", b"no gzip", "d.csv.gz cannot be read: Not a gzipped file"),
        ("d.csv.gz", b"\x1f\x8b\x08\x00\x00", "d.csv.gz cannot be read: "),
        ("d.parquet", b"PAR1", "d.parquet cannot be read: "),
        ("d.parquet", b"", "d.parquet cannot be read: "),
        ("absent.csv", None, "absent.csv cannot be read: No such file or directory"),
        ("absent.parquet", None, "absent.parquet cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """With its name and the reason."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is looked at below
        Reference.from_file(tmp_path / name)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
@pytest.mark.parametrize("first", [0, 20])
def test_a_separator_at_the_end_of_rows_shifts_nothing(tmp_path: Path, first: int, chunk_rows: int) -> None:
    """The first column is no index, not even where it looks like one."""
    rows = range(first, first + 5)
    (tmp_path / "good.csv").write_text("age,income,who\n" + "".join(f"{i},{1000 + i},w{i % 2}\n" for i in rows))
    (tmp_path / "odd.csv").write_text("age,income,who\n" + "".join(f"{i},{1000 + i},w{i % 2},\n" for i in rows))
    expected = Reference.from_file(tmp_path / "good.csv")
    found = Reference.from_file(tmp_path / "odd.csv", chunk_rows=chunk_rows)
    assert found == expected
    assert found.features["age"].max == first + 4  # type: ignore[union-attr]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "rows have more fields than the header"),
        ("a,b\n0,2,3\n1,5,6\n", "rows have more fields than the header"),
        ("a,b\n1,2,3\n4,5\n6,7\n", "rows have more fields than the header"),
        ("a,b\n1,2,\n4,5,\n6,7,x\n", "rows have more fields than the header"),
        ("a,b\n1,2,3,4\n4,5,6,7\n", "rows have more fields than the header"),
        ("a,b\n1,2\n4,5\n6,7\n6,7,8\n", "line 5 has 3 fields, lines before it 2"),
    ],
)
def test_no_field_is_cut_off(tmp_path: Path, content: str, message: str, chunk_rows: int) -> None:
    """Rows with more fields than names are an error wherever they are."""
    path = tmp_path / "d.csv"
    path.write_text(content)
    with pytest.raises(UnreadableDataError) as raised:
        Reference.from_file(path, chunk_rows=chunk_rows)
    assert str(raised.value) == f"{path} cannot be read: {message}"


def test_one_name_need_not_be_in_a_list(tmp_path: Path) -> None:
    """A string is one column, not its letters."""
    frame = _mixed(300)
    path = _write(frame, tmp_path / "d.parquet")
    roles: dict[str, Any] = {"prediction": "p0", "label": "label", "slices": "flag", "drop": "x"}
    assert Reference.from_file(path, **roles) == Reference.from_frame(frame, **roles)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Parquet needs it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnreadableDataError, match=r"install bento-observe\[parquet\]"):
        Reference.from_file(tmp_path / "d.parquet")
