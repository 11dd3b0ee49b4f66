"""Predictions that are probabilities, one of each class: as arrays, lists, frames, or by the classes' names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features import category
from bento_observe.feedback._prediction import MISSING, Prediction, is_absent
from bento_observe.feedback._shape import Shape

__all__ = [
    "all_probable", "class_names", "frame_numbers", "of_fields", "of_frame", "of_list", "of_matrix", "probable",
]  # fmt: skip

_MOST_CLASSES: Final = 1024  # of a list of probabilities, which is looked at on the request's thread
_NUMBERS: Final = "fiu"
_CELLS: Final = (float, int, np.floating, np.integer)
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
    """Of each row; `names` are those of the columns, by default the reference's.

    None where the reference has no columns of that width, and not all rows without NaN are probabilities.
    """
    width = matrix.shape[1]
    if shape.classes is False or matrix.dtype.kind not in _NUMBERS or not len(matrix):
        return None
    good = None if all_probable(matrix) else probable(matrix)
    if (
        good is not None
        and len(shape.columns) != width
        and not (good.any() and (good | np.isnan(matrix).any(axis=1)).all())
    ):
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
    """Of each row of a frame of pandas whose columns are called as the classes are, as `of_matrix` has it."""
    names = class_names(frame.columns, shape)
    matrix = None if shape.classes is False or _are_others(names, shape) else frame_numbers(frame)
    return None if matrix is None else of_matrix(matrix, shape, names)


def frame_numbers(frame: Any) -> npt.NDArray[np.float64] | None:
    """Rows x columns of a frame of pandas, NaN where one is missing; None unless all columns are of numbers."""
    if not {getattr(dtype, "kind", "O") for dtype in frame.dtypes} <= set(_NUMBERS):
        return None
    matrix: npt.NDArray[np.float64] = frame.to_numpy(dtype=np.float64, na_value=math.nan)
    return matrix


def of_list(row: Sequence[Any], shape: Shape, names: Sequence[str] = ()) -> Prediction | None:
    """Of one row; the likeliest class is called by its position where nobody has a name for it.

    None if they are no probabilities; `MISSING` if the reference says that they had to be.
    """
    width = len(row)
    expected = len(shape.columns) == width
    if shape.classes is False or not 2 <= width <= _MOST_CLASSES:
        return None
    if all(type(cell) in (float, int) or isinstance(cell, (np.floating, np.integer)) for cell in row) and _adds_up(row):
        most = max(row)
        number = list(row).index(most)
        names = names or (shape.columns if expected else ())
        return Prediction(names[number] if names else str(number), math.nan, min(float(most), 1.0), width)
    return MISSING if expected and all(is_absent(cell) or isinstance(cell, _CELLS) for cell in row) else None


def _adds_up(row: Sequence[Any]) -> bool:
    """Whether some numbers are probabilities; one that is NaN makes the sum so."""
    try:
        return bool(abs(sum(row) - 1) <= _TOLERANCE and min(row) >= 0)
    except OverflowError:  # of a whole number that is too large for a decimal one
        return False


def of_fields(fields: Mapping[Any, Any], shape: Shape) -> Prediction | None:
    """Of one row whose fields are called as the classes are. Whole numbers alone are counts of something else; so is
    what has other names than the reference's classes."""
    row = list(fields.values())
    if not any(isinstance(cell, (float, np.floating)) for cell in row):
        return None
    names = class_names(fields, shape)
    return None if _are_others(names, shape) else of_list(row, shape, names)


def _are_others(names: Sequence[str], shape: Shape) -> bool:
    """Whether some names are not all of the reference's classes."""
    return bool(shape.names) and not all(name in shape.names for name in names)
