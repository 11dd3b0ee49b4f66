"""Predictions of any number of rows, as a handler gives them to `prediction_ids`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features import category
from bento_observe.features._tensors import at_hand, is_tensor, rows_and_width
from bento_observe.feedback._predicted import class_of, is_absent, predicted
from bento_observe.feedback._prediction import MISSING, Prediction
from bento_observe.feedback._probabilities import all_probable, class_names, probable
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._token import Predictions
from bento_observe.feedback._truth import LARGEST

__all__ = ["given_predictions"]

_TEXT: Final = "US"


def given_predictions(predictions: Any, confidence: Any, shape: Shape) -> Predictions:
    """Classes or values of the rows, each with its `confidence` where that is not None; or probabilities, rows x
    classes. Rows whose prediction cannot be read are `missing`; so are all of a tensor on a device.

    Raises:
        TypeError, ValueError: they are no predictions.
    """
    if isinstance(predictions, (list, tuple)) and predictions and isinstance(predictions[0], Mapping):
        return _of_rows(predicted(list(predictions), shape, len(predictions)))
    table = _array(predictions)
    if table is None:
        return _all_missing(rows_and_width(predictions)[0])
    if table.ndim == 2 and table.shape[1] > 1 and confidence is None:
        names = class_names(predictions.columns, shape) if hasattr(predictions, "columns") else ()
        return _of_probabilities(table, names or (shape.columns if len(shape.columns) == table.shape[1] else ()))
    table = _numbers(table.reshape(-1))
    sure = _confidence(confidence, len(table))
    if shape.scored and table.dtype.kind == "f" and confidence is None:
        return _of_scores(table.astype(float), shape.scored)
    is_class = shape.classes if table.dtype.kind == "f" else True
    if table.dtype.kind in "iu" and shape.classes is False:
        is_class = False
    if is_class:
        of = 2 if table.dtype.kind == "b" else len(shape.names)
        return _of_classes(table.tolist(), sure, shape, of, typed=table.dtype.kind != "O")
    values = table.astype(float)
    return Predictions(values=values.tolist(), confidence=sure, missing=_where(~(np.abs(values) <= LARGEST)))


def _array(data: Any) -> npt.NDArray[Any] | None:
    """None of a tensor that cannot be read without waiting for a device."""
    if is_tensor(type(data)):
        return at_hand(data)
    array = np.asarray(data)
    if array.dtype.kind in _TEXT and isinstance(data, (list, tuple)) and not all(isinstance(one, str) for one in data):
        array = np.array(data, dtype=object)  # else what is none would be the text of it
    return array


def _numbers(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Objects as numbers, NaN where one is missing, if that is all that they are."""
    if column.dtype.kind == "O":
        cells = column.tolist()
        if all(isinstance(cell, (float, np.floating)) or is_absent(cell) for cell in cells):
            return np.array([math.nan if is_absent(cell) else cell for cell in cells], dtype=float)
    return column


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
    matrix = table if table.dtype.kind in "fiu" else table.astype(float)
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
    missing = [number for number, name in enumerate(names) if name is None] if None in known.values() else []
    return Predictions([name or "" for name in names] if missing else names, (), sure, of, missing)  # type: ignore[arg-type]


def _class(cell: Any, shape: Shape) -> str | None:
    """The class that a cell is, empty where it is a text that is none; None where there is nothing."""
    if isinstance(cell, str):
        return class_of(cell, shape) if cell else None
    return category(cell) or None


def _of_rows(rows: list[Prediction] | None) -> Predictions:
    """Of what each row says by itself.

    Raises:
        ValueError: they are no predictions, or classes and values at once.
    """
    if rows is None:
        raise ValueError("there are no predictions in these fields")
    missing = [number for number, one in enumerate(rows) if one is MISSING]
    kinds = {one.name is None for one in rows if one is not MISSING}
    if len(kinds) > 1:
        raise ValueError("some predictions are classes, and some are values")
    if kinds == {True}:
        return Predictions(values=[one.value for one in rows], missing=missing)
    sure = [one.confidence for one in rows]
    return Predictions([one.name or "" for one in rows], (), sure, max((one.of for one in rows), default=0), missing)


def _all_missing(rows: int) -> Predictions:
    return Predictions(values=[math.nan] * rows, missing=range(rows))


def _where(flags: npt.NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(flags).tolist()
    return found
