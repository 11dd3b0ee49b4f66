"""pandas objects. Nothing here imports pandas: a frame can only arrive where its owner has."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bento_observe.features._decode import SINGLE_FEATURE, to_floats
from bento_observe.features._text import OPAQUE, small_cells
from bento_observe.features._types import CHUNK_VALUES, Batch, Cells, FloatArray

_FEW_ROWS: Final = 4

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["few_rows", "frames", "is_frame", "is_series", "not_numeric", "series_as_frame", "taken_apart"]


def is_frame(kind: type) -> bool:
    """Whether `kind` is a DataFrame class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.DataFrame)


def is_series(kind: type) -> bool:
    """Whether `kind` is a Series class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.Series)


def series_as_frame(series: pd.Series[float], names: tuple[str, ...] | None) -> pd.DataFrame:
    """A frame of one column, named as the series is, or as the one name there is."""
    default = names[0] if names is not None and len(names) == 1 else SINGLE_FEATURE
    return series.to_frame(default if series.name is None else series.name)


def not_numeric(frame: pd.DataFrame) -> dict[int, Any]:
    """The dtypes of the columns that are neither numeric nor boolean, by position."""
    return {position: dtype for position, dtype in enumerate(frame.dtypes.tolist()) if not _is_numeric(dtype)}


def few_rows(frame: pd.DataFrame, others: Mapping[int, Any]) -> list[Batch | Cells] | None:
    """What `taken_apart` finds, quicker, in a frame of few rows with text among its columns (`others`); else None."""
    if not others or not 0 < len(frame) <= _FEW_ROWS or not frame.columns.is_unique:
        return None
    if not all(_is_text(dtype) for dtype in others.values()):
        return None
    names = list(map(str, frame.columns.tolist()))
    columns = list(zip(*(frame.iloc[row].tolist() for row in range(len(frame))), strict=True))
    numeric = [position for position in range(len(names)) if position not in others]
    batches: list[Batch | Cells] = []
    if numeric:
        numbers, _ = to_floats([cell for position in numeric for cell in columns[position]])
        batches.append(Batch(tuple(names[position] for position in numeric), numbers.reshape(len(numeric), -1)))
    text = [small_cells(columns[position]) for position in others]
    batches.append(Cells(tuple(names[position] for position in others), text))
    return batches


def taken_apart(frame: pd.DataFrame, others: Mapping[int, Any]) -> tuple[pd.DataFrame, Cells | None]:
    """A copy of the numeric and boolean columns, and the cells of the `others`.

    Nothing of the result keeps the frame or an array that it is a view of alive.
    """
    if not others:
        return _own(frame), None
    first: dict[str, int] = {}  # of two columns of one name the first one counts
    for position, name in enumerate(map(str, frame.columns)):
        first.setdefault(name, position)
    numeric = [position for position in first.values() if position not in others]
    untyped = {name: position for name, position in first.items() if position in others}
    columns = [_cells(frame.iloc[:, position]) for position in untyped.values()]
    return _own(frame.take(numeric, axis=1)), Cells(tuple(untyped), columns) if untyped else None


def _own(frame: pd.DataFrame) -> pd.DataFrame:
    own = frame.copy()
    index = sys.modules["pandas"].RangeIndex
    if type(own.index) is not index:  # labels may be text
        own.index = index(len(own))
    return own


def _cells(column: pd.Series[Any]) -> Sequence[object]:
    """The scalars of a column; what is neither text nor an object, such as times, is opaque."""
    if _is_text(column.dtype) or type(column.dtype) is sys.modules["pandas"].CategoricalDtype:
        return small_cells(column.tolist())
    return [OPAQUE if present else None for present in column.notna().tolist()]


def _is_numeric(dtype: Any) -> bool:
    return dtype.kind in "fiub" and getattr(dtype, "_is_numeric", True)


def _is_text(dtype: Any) -> bool:
    """Whether the cells of a column are Python objects or strings."""
    if isinstance(dtype, np.dtype):
        return dtype.kind == "O"
    return isinstance(dtype, sys.modules["pandas"].StringDtype)


def frames(payloads: Iterable[pd.DataFrame], _names: tuple[str, ...] | None) -> Iterator[Batch]:
    """Frames of numeric and boolean columns."""
    pandas = sys.modules["pandas"]
    same: dict[tuple[tuple[str, ...], tuple[Any, ...]], list[pd.DataFrame]] = defaultdict(list)
    for frame in payloads:
        # Joined, columns of numbers and of booleans would be columns of objects.
        same[tuple(map(str, frame.columns)), tuple(frame.dtypes.tolist())].append(frame)
    for (names, _), group in same.items():
        # One row at a time, joining the frames is several times quicker than taking each apart.
        frame = group[0] if len(group) == 1 else pandas.concat(group, ignore_index=True)
        step = max(1, CHUNK_VALUES // max(1, len(names)))
        for start in range(0, len(frame), step):
            yield from _typed(frame.iloc[start : start + step], names)


def _typed(frame: pd.DataFrame, names: tuple[str, ...]) -> Iterator[Batch]:
    columns: dict[str, FloatArray] = {}
    for name, (_, column) in zip(names, frame.items(), strict=True):
        if name not in columns:  # of two columns of one name the first one counts
            columns[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if columns:
        yield Batch(tuple(columns), np.stack(list(columns.values())))
