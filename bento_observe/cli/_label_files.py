"""Files with ids and labels, read a few rows at a time, and the note of how far one has been sent."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

__all__ = ["KINDS", "Chunk", "Noted", "chunks"]

KINDS: Final = (".parquet", ".csv", ".tsv", ".jsonl")

_ROWS: Final = 1000
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_TRUTH: Final = ("true", "false")


class Chunk(NamedTuple):
    """Some rows, and the `share` of the file that is read with them."""

    ids: list[Any]
    labels: list[Any]
    share: float


def chunks(path: Path, id_column: str, label_column: str) -> Iterator[Chunk]:
    """All rows, in order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no such columns, or is not what its name says.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path, [id_column, label_column])
        return
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        ids: list[Any] = []
        labels: list[Any] = []
        for one, label in (_json_lines if path.suffix == ".jsonl" else _table)(file, path, id_column, label_column):
            ids.append(one)
            labels.append(label)
            if len(ids) == _ROWS:
                yield Chunk(ids, labels, min(1.0, raw.tell() / size))
                ids, labels = [], []
        if ids:
            yield Chunk(ids, labels, 1.0)


def _parquet(path: Path, columns: list[str]) -> Iterator[Chunk]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install bento-observe[parquet]") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check(columns, file.schema_arrow.names)
            rows, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                done += batch.num_rows
                yield Chunk(batch[columns[0]].to_pylist(), batch[columns[1]].to_pylist(), done / rows)
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _table(file: IO[str], path: Path, id_column: str, label_column: str) -> Iterator[tuple[Any, Any]]:
    lines = iter(file.readline, "")  # not the file itself, which would not say where it is
    try:
        reader = csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
        _check([id_column, label_column], reader.fieldnames or ())
        for row in reader:
            yield row[id_column], _cell(row[label_column])
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _cell(text: str | None) -> Any:
    """A label as JSON has it: a truth value, as whatever language writes it, and a number whose text is the same again.

    Any other text stays as it is, such as the class `1.10`. Where a value was predicted, the service reads it as one.
    """
    if not text:
        return None
    if text.lower() in _TRUTH:
        return text.lower() == "true"
    if not _NUMBER.fullmatch(text):
        return text
    number = json.loads(text)
    return number if str(number) == text else text


def _json_lines(file: IO[str], path: Path, id_column: str, label_column: str) -> Iterator[tuple[Any, Any]]:
    for number, line in enumerate(iter(file.readline, ""), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no object")
        yield row.get(id_column), row.get(label_column)


def _check(wanted: Sequence[str], found: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"there is no column {missing[0]!r}; it has {', '.join(map(repr, list(found)[:20]))}")


class Noted:
    """How many rows of a file have been sent to a URL, in a file beside it; of another file, or URL, none."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path.with_name(f"{path.name}.sent")
        state = path.stat()
        self._what = {"url": url, "size": state.st_size, "mtime_ns": state.st_mtime_ns}
        self.rows = 0
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            if {key: noted[key] for key in self._what} == self._what:
                self.rows = int(noted["rows"])
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def write(self, rows: int) -> None:
        """So many have been sent by now."""
        self.rows = rows
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(json.dumps({**self._what, "rows": rows}), encoding="utf-8")
        fresh.replace(self._path)
