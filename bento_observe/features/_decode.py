"""From what a request carried to columns of float64. Runs at flush, never on the request path."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from bento_observe.features._text import NUMBERS, PLAIN, is_missing
from bento_observe.features._types import CHUNK_CELLS, CHUNK_VALUES, Batch, Cells, FloatArray

__all__ = [
    "SINGLE_FEATURE", "WrongColumnsError", "array_names", "arrays", "columns", "joined", "matrices", "records", "rows",
    "tables", "to_floats", "values",
]  # fmt: skip

_CHUNKS_AT_ONCE = 4  # of rows, to be counted some columns at a time

SINGLE_FEATURE = "value"
"""The name of the one feature in data that has no names."""


class WrongColumnsError(ValueError):
    """So many `rows` had not as many values as there are names."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows with the wrong number of columns")
        self.rows = rows


def to_floats(cells: Sequence[object]) -> tuple[FloatArray, int]:
    """`cells` as float64, with NaN for what is missing or no number, and how many were no numbers."""
    if PLAIN.issuperset(map(type, cells)):
        try:
            return np.array(cells, dtype=np.float64), 0
        except OverflowError:
            pass
    floats = [_to_float(cell) for cell in cells]
    invalid = floats.count(None)
    return np.array(floats, dtype=np.float64), invalid


def _to_float(cell: object) -> float | None:
    """NaN where the cell is missing, None where it is no number."""
    if isinstance(cell, NUMBERS):
        try:
            return float(cell)
        except OverflowError:
            return math.inf
        except Exception:  # noqa: BLE001 - a signalling NaN of Decimal, or whatever a subclass of float does
            return None
    return math.nan if is_missing(cell) else None


def _row_batches(names: tuple[str, ...], table: Sequence[Sequence[object]]) -> Iterator[Batch | Cells]:
    """`table`, a sequence of rows as long as `names`, in batches of one step's size."""
    step = max(1, CHUNK_CELLS // len(names))
    for start in range(0, len(table), step):
        yield _batch(names, table[start : start + step])


def _batch(names: tuple[str, ...], table: Sequence[Sequence[object]]) -> Batch | Cells:
    if PLAIN.issuperset(map(type, chain.from_iterable(table))):
        try:
            matrix = np.array(table, dtype=np.float64)
            return Batch(names, matrix.T, typed=False, table=table)
        except OverflowError:
            pass
    return Cells(names, list(zip(*table, strict=True)))


def array_names(shape: tuple[int, ...], names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The features in an array of at most two dimensions, None where it has not as many columns as `names`.

    One dimension is one row where there are several names, else the values of one feature. Without names, columns are
    called by their position, "0" the first.
    """
    if len(shape) == 2:
        if names is None:
            return tuple(map(str, range(shape[1])))
        return names if shape[1] == len(names) else None
    if names is None or len(names) == 1:
        return names or (SINGLE_FEATURE,)
    return names if shape == (len(names),) else None


def arrays(payloads: Iterable[bytes], names: tuple[str, ...]) -> Iterator[Batch]:
    """Raw float64 rows, in C order, as wide as `names`."""
    for matrix in matrices(payloads, len(names), _CHUNKS_AT_ONCE):
        yield Batch(names, matrix.T)


def matrices(payloads: Iterable[bytes], width: int, chunks: int = 1) -> Iterator[FloatArray]:
    """Raw float64 rows, in C order, as read-only matrices of so many columns and of so many steps' size."""
    for chunk in _chunks(payloads, max(1, chunks * CHUNK_VALUES // width) * width * 8):
        yield np.frombuffer(chunk, dtype=np.float64).reshape(-1, width)


def _chunks(payloads: Iterable[bytes], size: int) -> Iterator[bytes | memoryview]:
    """The payloads joined where they are small and cut where they are large, into pieces of up to about `size`."""
    waiting: list[bytes] = []
    waiting_size = 0
    for payload in payloads:
        if len(payload) > size:
            view = memoryview(payload)
            for start in range(0, len(payload), size):
                yield view[start : start + size]
            continue
        waiting.append(payload)
        waiting_size += len(payload)
        if waiting_size >= size:
            yield b"".join(waiting)
            waiting, waiting_size = [], 0
    if waiting:
        yield b"".join(waiting)


def values(payloads: Iterable[Sequence[object]], names: tuple[str, ...] | None) -> Iterator[Batch | Cells]:
    """One-dimensional sequences of scalars: one row each where there are several names, else values of one feature."""
    if names is not None and len(names) > 1:
        yield from rows([[payload] for payload in payloads], names)
        return
    flat = [cell for payload in payloads for cell in payload]
    yield from _row_batches(names or (SINGLE_FEATURE,), [(cell,) for cell in flat])


def rows(payloads: Iterable[Sequence[Sequence[object]]], names: tuple[str, ...] | None) -> Iterator[Batch | Cells]:
    """Sequences of rows.

    Raises:
        WrongColumnsError: after the good rows, if there were others.
    """
    tables: dict[int, list[Sequence[object]]] = defaultdict(list)
    for payload in payloads:
        for row in payload:
            tables[len(row)].append(row)
    wrong = 0
    for width, table in tables.items():
        if names is not None and width != len(names):
            wrong += len(table)
        elif width:
            yield from _row_batches(names or tuple(map(str, range(width))), table)
    if wrong:
        raise WrongColumnsError(wrong)


def records(
    payloads: Iterable[Sequence[Mapping[Any, object]]], _names: tuple[str, ...] | None
) -> Iterator[Batch | Cells]:
    """Sequences of mappings from name to scalar. A key that a mapping does not have is not counted for it."""
    tables: dict[tuple[Any, ...], list[tuple[object, ...]]] = defaultdict(list)
    for payload in payloads:
        for record in payload:
            tables[tuple(record)].append(tuple(record.values()))
    for keys, table in tables.items():
        if keys:
            yield from _row_batches(tuple(map(str, keys)), table)


def columns(
    payloads: Iterable[Mapping[Any, Sequence[object]]], _names: tuple[str, ...] | None
) -> Iterator[Batch | Cells]:
    """Mappings from name to a column of scalars; the columns need not have one length."""
    for payload in payloads:
        for key, cells in payload.items():
            yield from _row_batches((str(key),), [(cell,) for cell in cells])


def tables(payloads: Iterable[Sequence[Sequence[object]]], names: tuple[str, ...] | None) -> Iterator[Cells]:
    """Sequences of columns of one length.

    Raises:
        WrongColumnsError: after the good tables, if there were others.
    """
    found: dict[int, list[Sequence[Sequence[object]]]] = defaultdict(list)
    for payload in payloads:
        found[len(payload)].append(payload)
    wrong = 0
    for width, group in found.items():
        if names is not None and width != len(names):
            wrong += sum(len(table[0]) for table in group)
        else:
            yield from joined(group, names or tuple(map(str, range(width))))
    if wrong:
        raise WrongColumnsError(wrong)


def joined(tables: Iterable[Sequence[Sequence[object]]], names: tuple[str, ...]) -> Iterator[Cells]:
    """Tables, each a column for each of `names`, joined where they are short and cut where they are long."""
    step = max(1, CHUNK_CELLS // len(names))
    waiting: list[Sequence[Sequence[object]]] = []
    rows = 0
    for table in tables:
        length = len(table[0])
        if length > step:
            for start in range(0, length, step):
                yield Cells(names, [column[start : start + step] for column in table])
            continue
        waiting.append(table)
        rows += length
        if rows >= step:
            yield Cells(names, [list(chain.from_iterable(columns)) for columns in zip(*waiting, strict=True)])
            waiting, rows = [], 0
    if waiting:
        yield Cells(names, [list(chain.from_iterable(columns)) for columns in zip(*waiting, strict=True)])
