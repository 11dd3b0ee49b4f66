"""pandas objects. Nothing here imports pandas: a frame can only arrive where its owner has."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from bento_observe.features._decode import SINGLE_FEATURE, arrays, joined
from bento_observe.features._text import OPAQUE, small_columns, small_names
from bento_observe.features._types import Batch, Cells

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Blocks", "Taken", "blocks_of", "frames", "is_frame", "is_series", "numeric_columns", "public_blocks",
    "series_blocks", "taken",
]  # fmt: skip

Blocks: TypeAlias = "list[tuple[list[int], Any]]"
"""Columns of one dtype each time: their positions, and a numpy array of columns x rows or, for one column, any array
of pandas."""

_NUMERIC: Final = "fiub"  # kinds of dtypes


class Taken(NamedTuple):
    """What is kept of a frame: copies of its numbers, float64, row by row, and of its other cells, column by column."""

    numeric: tuple[str, ...]
    raw: bytes
    others: tuple[str, ...]
    cells: Sequence[Sequence[object]]


def is_frame(kind: type) -> bool:
    """Whether `kind` is a DataFrame class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.DataFrame)


def is_series(kind: type) -> bool:
    """Whether `kind` is a Series class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.Series)


def series_blocks(series: pd.Series[Any], names: tuple[str, ...] | None) -> tuple[Sequence[object], Blocks]:
    """The label and the values of a series, which without a name is called as the one name there is."""
    default = names[0] if names is not None and len(names) == 1 else SINGLE_FEATURE
    return [default if series.name is None else series.name], [([0], series.values)]


def blocks_of(frame: pd.DataFrame) -> tuple[Sequence[object], Blocks]:
    """The labels of the columns of `frame`, and its arrays, none of them copied.

    pandas keeps columns of one dtype as one array but has no public way to it; column by column takes thirty times as
    long. Where these insides are not as we know them, we do it that way.
    """
    columns = frame.columns
    dtype = columns.dtype
    text = isinstance(dtype, sys.modules["pandas"].StringDtype)
    labels = _texts(columns.array, dtype) if text else columns.tolist()
    try:
        found = [(block.mgr_locs.as_array.tolist(), block.values) for block in frame._mgr.blocks]
        if sum([len(positions) for positions, _ in found]) == len(labels):
            return labels, found
    except AttributeError:
        pass
    return labels, public_blocks(frame)


def public_blocks(frame: pd.DataFrame) -> Blocks:
    """The arrays of `frame`, each of one column, by what pandas documents."""
    return [([position], column.values) for position, (_, column) in enumerate(frame.items())]


def numeric_columns(blocks: Blocks) -> int:
    """How many columns are numbers or booleans."""
    return sum(len(positions) for positions, values in blocks if _is_numeric(values.dtype))


def taken(labels: Sequence[object], blocks: Blocks, stride: int) -> Taken:
    """Copies of every `stride`th row. Of two columns of one name the first counts."""
    places: list[int] = []
    numbers: list[Any] = []
    other_places: list[int] = []
    cells: list[Sequence[object]] = []
    text = sys.modules["pandas"].StringDtype
    for positions, whole in blocks:
        values = whole if stride == 1 else whole[..., ::stride]
        dtype = values.dtype
        if isinstance(dtype, text):
            cells.append(_texts(values, dtype))
            other_places += positions
        elif not _is_numeric(dtype):
            cells += _cells(values, dtype)
            other_places += positions
        else:
            if not isinstance(values, np.ndarray):
                values = values.to_numpy(dtype=np.float64, na_value=np.nan)
            numbers.append(values if values.ndim == 2 else values[None])
            places += positions

    names, cells = small_names(labels), small_columns(cells)
    repeated = _repeated(names)
    raw = b""
    if numbers:
        matrix = np.concatenate(numbers, dtype=np.float64, casting="unsafe") if len(numbers) > 1 else numbers[0]
        if (order := _order(places, repeated)) is not None:
            matrix, places = matrix[order], [places[i] for i in order]
        raw = matrix.astype(np.float64, copy=False).tobytes(order="F")
    if (order := _order(other_places, repeated)) is not None:
        cells, other_places = [cells[i] for i in order], [other_places[i] for i in order]
    return Taken(tuple([names[i] for i in places]), raw, tuple([names[i] for i in other_places]), cells)


def _repeated(names: Sequence[str]) -> set[int]:
    """The positions of names that came before."""
    if len(set(names)) == len(names):
        return set()
    first: dict[str, int] = {}
    return {position for position, name in enumerate(names) if first.setdefault(name, position) != position}


def _order(places: list[int], repeated: set[int]) -> list[int] | None:
    """What of `places` to take for the columns to be in the frame's order and each there once; None for all as is."""
    in_order = sorted(places)
    if in_order == places and not repeated:
        return None
    return [places.index(place) for place in in_order if place not in repeated]


def _cells(values: Any, dtype: Any) -> list[Sequence[object]]:
    """The scalars of an array, column by column; those that are neither text nor objects, such as times, are opaque."""
    pandas = sys.modules["pandas"]
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return list(values.tolist()) if values.ndim == 2 else [values.tolist()]
    if isinstance(dtype, (pandas.CategoricalDtype, pandas.ArrowDtype)):
        return [values.tolist()]
    missing = np.atleast_2d(np.asarray(pandas.isna(values), dtype=np.bool_))
    return [[None if nothing else OPAQUE for nothing in column] for column in missing.tolist()]


def _texts(values: Any, dtype: Any) -> list[object]:
    """The cells of an array of strings; from pyarrow's by its own protocol, ten times as quick as from pandas."""
    if dtype.storage == "pyarrow":
        whole = values.__arrow_array__()
        cells: list[object] = (whole.chunk(0) if whole.num_chunks == 1 else whole).to_pylist()
        return cells
    return list(values.tolist())


def _is_numeric(dtype: Any) -> bool:
    return dtype.kind in _NUMERIC and getattr(dtype, "_is_numeric", True)


def frames(payloads: Iterable[Taken], _names: tuple[str, ...] | None) -> Iterator[Batch | Cells]:
    """What was taken of frames; those of one layout are joined."""
    numbers: dict[tuple[str, ...], list[bytes]] = defaultdict(list)
    others: dict[tuple[str, ...], list[Sequence[Sequence[object]]]] = defaultdict(list)
    for payload in payloads:
        if payload.raw:
            numbers[payload.numeric].append(payload.raw)
        if payload.cells:
            others[payload.others].append(payload.cells)
    for names, chunks in numbers.items():
        yield from arrays(chunks, names)
    for names, tables in others.items():
        yield from joined(tables, names)
