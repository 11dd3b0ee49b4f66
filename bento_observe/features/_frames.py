"""pandas objects. Nothing here imports pandas: a frame can only arrive where its owner has."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bento_observe.features._decode import SINGLE_FEATURE, to_floats
from bento_observe.features._types import CHUNK_VALUES, Batch, FloatArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["copies_are_lazy", "frames", "is_frame", "is_series", "series_as_frame"]


def is_frame(kind: type) -> bool:
    """Whether `kind` is a DataFrame class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.DataFrame)


def is_series(kind: type) -> bool:
    """Whether `kind` is a Series class."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and issubclass(kind, pandas.Series)


def copies_are_lazy() -> bool:
    """Whether a shallow copy stays as it is when the original changes (copy-on-write: pandas 3, an option before)."""
    pandas = sys.modules["pandas"]
    if int(pandas.__version__.partition(".")[0]) >= 3:
        return True
    return pandas.get_option("mode.copy_on_write") is True


def series_as_frame(series: pd.Series[float], names: tuple[str, ...] | None) -> pd.DataFrame:
    """A frame of one column, named as the series is, or as the one name there is."""
    default = names[0] if names is not None and len(names) == 1 else SINGLE_FEATURE
    return series.to_frame(default if series.name is None else series.name)


def frames(payloads: Iterable[pd.DataFrame], _names: tuple[str, ...] | None) -> Iterator[Batch]:
    """Numeric and boolean columns, and what numbers there are in columns of objects."""
    pandas = sys.modules["pandas"]
    same: dict[tuple[str, ...], list[pd.DataFrame]] = defaultdict(list)
    for frame in payloads:
        same[tuple(map(str, frame.columns))].append(frame)
    for names, group in same.items():
        # One row at a time, joining the frames is several times quicker than taking each apart.
        frame = group[0] if len(group) == 1 else pandas.concat(group, ignore_index=True)
        step = max(1, CHUNK_VALUES // max(1, len(names)))
        for start in range(0, len(frame), step):
            yield from _typed_and_untyped(frame.iloc[start : start + step], names)


def _typed_and_untyped(frame: pd.DataFrame, names: tuple[str, ...]) -> Iterator[Batch]:
    typed: dict[str, FloatArray] = {}
    untyped: dict[str, tuple[FloatArray, int]] = {}
    for name, (_, column) in zip(names, frame.items(), strict=True):
        if name in typed or name in untyped:
            continue  # two columns of one name: the first one counts
        dtype = column.dtype
        if dtype.kind in "fiub" and getattr(dtype, "_is_numeric", True):
            typed[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif dtype.kind == "O" and isinstance(dtype, np.dtype):
            untyped[name] = to_floats(column.tolist())
        else:
            untyped[name] = np.full(len(column), np.nan), int(column.notna().sum())
    if typed:
        yield Batch(tuple(typed), np.stack(list(typed.values())))
    if untyped:
        invalid = np.array([count for _, count in untyped.values()], dtype=np.int64)
        yield Batch(tuple(untyped), np.stack([floats for floats, _ in untyped.values()]), invalid)
