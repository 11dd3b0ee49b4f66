"""Predictions of any number of rows, as a handler gives them to `prediction_ids`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features import category
from bento_observe.features._tensors import at_hand, is_tensor, rows_and_width
from bento_observe.feedback._predicted import class_of, each
from bento_observe.feedback._prediction import EMPTY, MISSING, Prediction, is_absent
from bento_observe.feedback._probabilities import all_probable, class_names, frame_numbers, probable
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._token import Predictions
from bento_observe.feedback._truth import LARGEST

__all__ = ["given_predictions"]

_TEXT: Final = "US"
_ROWS: Final = (list, tuple, np.ndarray)
_FLOATS: Final = (float, np.floating)
_NUMBERS: Final = (int, np.integer, *_FLOATS, Decimal, Fraction)


def given_predictions(predictions: Any, confidence: Any, shape: Shape) -> Predictions:
    """Classes or values of the rows, each with its `confidence` where that is not None; or probabilities, rows x
    classes. Rows whose prediction cannot be read are `missing`; so are all of a tensor on a device, and what is no
    number where the reference has numbers.

    Raises:
        TypeError, ValueError: they are no predictions.
    """
    if isinstance(predictions, (list, tuple)) and _is_uneven(predictions):
        return _of_rows(each(predictions, shape))
    table = _array(predictions)
    if table is None:
        return _all_missing(rows_and_width(predictions)[0])
    if table.ndim == 1 and table.dtype.kind == "O" and _has_rows(table):  # a column of lists, for one
        return _of_rows(each(table.tolist(), shape))
    if table.ndim == 2 and table.shape[1] > 1 and confidence is None:
        if shape.classes is False:
            raise ValueError(f"{table.shape[1]} values a row, where the reference has one")
        names = class_names(predictions.columns, shape) if hasattr(predictions, "columns") else ()
        return _of_probabilities(table, names or (shape.columns if len(shape.columns) == table.shape[1] else ()))
    table = _numbers(table.reshape(-1), shape)
    sure = _confidence(confidence, len(table))
    if shape.scored and table.dtype.kind == "f" and confidence is None:
        return _of_scores(table.astype(float), shape.scored)
    if shape.classes or (shape.classes is None and table.dtype.kind != "f"):
        of = 2 if table.dtype.kind == "b" else len(shape.names)
        return _of_classes(table.tolist(), sure, shape, of, typed=table.dtype.kind != "O")
    values = table.astype(float)
    return Predictions(values=values.tolist(), confidence=sure, missing=_where(~(np.abs(values) <= LARGEST)))


def _is_uneven(rows: Sequence[Any]) -> bool:
    """Whether rows have to be looked at one by one: some have fields, or some are lists and not all of one length."""
    if not _has_rows(rows):
        return False
    if not all(isinstance(one, _ROWS) for one in rows):
        return True
    return len({one.size if isinstance(one, np.ndarray) else len(one) for one in rows}) > 1


def _has_rows(cells: Iterable[Any]) -> bool:
    return any(issubclass(kind, (*_ROWS, Mapping)) for kind in set(map(type, cells)))


def _array(data: Any) -> npt.NDArray[Any] | None:
    """None of a tensor that cannot be read without waiting for a device."""
    if is_tensor(type(data)):
        return at_hand(data)
    if hasattr(data, "iloc") and hasattr(data, "columns") and len(data.columns) > 1:
        matrix = frame_numbers(data)
        if matrix is not None:
            return matrix
    array = np.asarray(data)
    if array.dtype.kind in _TEXT and isinstance(data, (list, tuple)) and not all(isinstance(one, str) for one in data):
        array = np.array(data, dtype=object)  # else what is none would be the text of it
    return array


def _numbers(column: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """Cells as numbers, NaN where one is missing, if that is all that they are, and not all of them are whole.

    Where the reference says that values are predicted they are numbers whatever they are, NaN where one is not.
    """
    if column.dtype.kind in "fiu" or not (column.dtype.kind == "O" or shape.classes is False):
        return column
    cells = column.tolist()
    if shape.classes is False or (
        any(isinstance(cell, _FLOATS) for cell in cells) and all(_is_number(cell) or is_absent(cell) for cell in cells)
    ):
        return np.array(list(map(_number, cells)))
    return column


def _is_number(cell: Any) -> bool:
    return isinstance(cell, _NUMBERS) and type(cell) is not bool


def _number(cell: Any) -> float:
    """NaN of what is no number, truth values included, or is too large for one."""
    try:
        return float(cell) if _is_number(cell) else math.nan
    except (OverflowError, ValueError):  # the latter of a decimal that is a signalling NaN
        return math.nan


def _confidence(given: Any, rows: int) -> list[float]:
    """Of each row, NaN where it is no probability; none where nobody said.

    Raises:
        ValueError: there are not as many as rows.
    """
    if given is None:
        return []
    array = _array(given)
    if array is None:
        return []
    found = np.asarray(array, dtype=float).reshape(-1).tolist()
    if len(found) != rows:
        raise ValueError(f"{rows} predictions have {len(found)} confidences")
    return [one if 0 <= one <= 1 else math.nan for one in found]


def _of_probabilities(table: npt.NDArray[Any], names: Sequence[str]) -> Predictions:
    matrix = table if table.dtype.kind in "fiu" else np.where(_gaps(table), math.nan, table).astype(float)
    missing = [] if not len(matrix) or all_probable(matrix) else _where(~probable(matrix))
    called = [names[one] if names else str(one) for one in matrix.argmax(axis=1).tolist()]
    sure = np.minimum(matrix.max(axis=1), 1.0).astype(float).tolist()
    return Predictions(classes=called, confidence=sure, of=matrix.shape[1], missing=missing)


def _of_scores(scores: npt.NDArray[np.float64], classes: Sequence[str]) -> Predictions:
    """Of scores, the probability of the second one of two classes."""
    second = scores > 0.5
    names = [classes[one] for one in second.tolist()]
    sure = np.where(second, scores, 1 - scores).tolist()
    return Predictions(classes=names, confidence=sure, of=2, missing=_where(~((scores >= 0) & (scores <= 1))))


def _of_classes(rows: list[Any], sure: list[float], shape: Shape, of: int, *, typed: bool) -> Predictions:
    """Of cells that are all of one type if they are `typed`."""
    # Else with their types, for 1 and True are equal.
    keys = rows if typed else list(zip(map(type, rows), rows, strict=True))
    known = {key: _class(key if typed else key[1], shape) for key in set(keys)}
    names = [known[key] for key in keys]
    if None not in known.values():
        return Predictions(names, (), sure, of)  # type: ignore[arg-type]
    missing = [number for number, name in enumerate(names) if name is None]
    empty = sum(isinstance(rows[number], str) and not rows[number] for number in missing)
    return Predictions([name or "" for name in names], (), sure, of, missing, empty)


def _class(cell: Any, shape: Shape) -> str | None:
    """The class that a cell is, empty where it is a text that is none; None where there is nothing."""
    if isinstance(cell, str):
        return class_of(cell, shape) if cell else None
    return category(cell) or None


def _of_rows(found: Sequence[Prediction | None]) -> Predictions:
    """Of what each row says by itself.

    Raises:
        ValueError: they are no predictions, or classes and values at once.
    """
    if not any(found):
        raise ValueError("there are no predictions in these rows")
    rows = [one or MISSING for one in found]
    missing = [number for number, one in enumerate(rows) if one is MISSING or one is EMPTY]
    empty = sum(rows[number] is EMPTY for number in missing)
    kinds = {one.name is None for one in rows if not (one is MISSING or one is EMPTY)}
    if len(kinds) > 1:
        raise ValueError("some predictions are classes, and some are values")
    if kinds == {True}:
        return Predictions(values=[one.value for one in rows], missing=missing, empty=empty)
    sure = [one.confidence for one in rows]
    of = max(0, *(one.of for one in rows))
    return Predictions([one.name or "" for one in rows], (), sure, of, missing, empty)


def _all_missing(rows: int) -> Predictions:
    return Predictions(values=[math.nan] * rows, missing=range(rows))


def _gaps(table: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which cells stand for none."""
    found = np.fromiter(map(is_absent, table.reshape(-1).tolist()), np.bool_, table.size)
    return found.reshape(table.shape)


def _where(flags: npt.NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(flags).tolist()
    return found
