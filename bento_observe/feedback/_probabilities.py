"""Predictions that are probabilities, one of each class: as arrays, lists, frames, or by the classes' names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features import category
from bento_observe.feedback._prediction import MISSING, Prediction
from bento_observe.feedback._shape import Shape

__all__ = ["all_probable", "class_names", "of_fields", "of_frame", "of_list", "of_matrix", "probable"]

_MOST_CLASSES: Final = 1024  # of a list of probabilities, which is looked at on the request's thread
_NUMBERS: Final = "fiu"
_TOLERANCE: Final = 1e-3  # of a row's sum, as the statistics of probabilities have it


def class_names(columns: Iterable[Any], shape: Shape) -> list[str]:
    """The class that each of some `columns` is of, which may be in any order."""
    called = [category(column) or str(column) for column in columns]
    if len(called) == len(shape.columns):
        if sorted(called) == sorted(shape.fields):
            by_field = dict(zip(shape.fields, shape.columns, strict=True))
            return [by_field[one] for one in called]
        if called == list(map(str, range(len(called)))):  # they have no names
            return list(shape.columns)
    return called


def all_probable(matrix: npt.NDArray[Any]) -> bool:
    """Whether all rows of numbers are probabilities; there has to be one."""
    return bool(matrix.min() >= 0 and (np.abs(matrix.sum(axis=1, dtype=np.float64) - 1) <= _TOLERANCE).all())


def probable(matrix: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows of numbers are probabilities."""
    with np.errstate(invalid="ignore"):
        sums = matrix.sum(axis=1, dtype=np.float64)
        return (np.abs(sums - 1) <= _TOLERANCE) & (matrix.min(axis=1) >= 0)  # type: ignore[no-any-return]


def of_matrix(matrix: npt.NDArray[Any], shape: Shape, names: Sequence[str] = ()) -> list[Prediction] | None:
    """Of each row, if any is probabilities; `names` are those of the columns, by default the reference's."""
    width = matrix.shape[1]
    if matrix.dtype.kind not in _NUMBERS or not len(matrix):
        return None
    good = None if all_probable(matrix) else probable(matrix)
    if good is not None and not good.any() and len(shape.columns) != width:
        return None
    names = names or (shape.columns if len(shape.columns) == width else ())
    found = [
        Prediction(names[number] if names else str(number), math.nan, min(most, 1.0), width)
        for number, most in zip(matrix.argmax(axis=1).tolist(), matrix.max(axis=1).tolist(), strict=True)
    ]
    return (
        found if good is None else [one if right else MISSING for one, right in zip(found, good.tolist(), strict=True)]
    )


def of_frame(frame: Any, shape: Shape) -> list[Prediction] | None:
    """Of each row of a frame of pandas whose columns are called as the classes are, if any is probabilities."""
    if shape.classes is False or not {getattr(dtype, "kind", "O") for dtype in frame.dtypes} <= set(_NUMBERS):
        return None
    matrix = frame.to_numpy(dtype=np.float64, na_value=math.nan)
    return of_matrix(matrix, shape, class_names(frame.columns, shape))


def of_list(row: Sequence[Any], shape: Shape, names: Sequence[str] = ()) -> Prediction | None:
    """Of one row; the likeliest class is called by its position where nobody has a name for it.

    None if they are no probabilities; `MISSING` if the reference says that they had to be.
    """
    width = len(row)
    expected = len(shape.columns) == width
    if not 2 <= width <= _MOST_CLASSES:
        return None
    # One that is NaN makes the sum so.
    if all(type(cell) in (float, int) or isinstance(cell, np.floating) for cell in row) and (
        abs(sum(row) - 1) <= _TOLERANCE and min(row) >= 0
    ):
        most = max(row)
        number = list(row).index(most)
        names = names or (shape.columns if expected else ())
        return Prediction(names[number] if names else str(number), math.nan, min(float(most), 1.0), width)
    return MISSING if expected and all(cell is None or isinstance(cell, (float, int)) for cell in row) else None


def of_fields(fields: Mapping[Any, Any], shape: Shape) -> Prediction | None:
    """Of one row whose fields are called as the classes are. Whole numbers alone are counts of something else; so is
    what has other names than the reference's classes."""
    row = list(fields.values())
    if shape.classes is False or not any(isinstance(cell, (float, np.floating)) for cell in row):
        return None
    names = class_names(fields, shape)
    if shape.names and not all(name in shape.names for name in names):
        return None
    return of_list(row, shape, names)
