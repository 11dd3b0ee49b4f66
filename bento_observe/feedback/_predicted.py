"""What a handler's result predicts: a class or a value a row, with a confidence where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bento_observe.features import MAX_TEXT, category
from bento_observe.features._tensors import at_hand, is_tensor, rows_and_width
from bento_observe.feedback import _probabilities
from bento_observe.feedback._class_names import same_class
from bento_observe.feedback._prediction import EMPTY, MISSING, Prediction, is_absent
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._truth import is_class_name, is_value

__all__ = ["class_of", "each", "predicted"]

_PREDICTIONS: Final = ("prediction", "predicted", "label", "class")
_SCALARS: Final = (str, int, float, np.generic)
_CONFIDENCES: Final = ("confidence", "probability", "score")
_BUILT_IN: Final = frozenset((str, int, float, bool, list, tuple, np.ndarray))
_LONE: Final = frozenset((str, int, float, bool))
_FLOATS: Final = (float, np.floating)
_NUMBERS: Final = (int, np.integer, *_FLOATS)


def predicted(output: Any, shape: Shape, most: int) -> list[Prediction] | None:
    """What `output` predicts, a row at a time; None where it is no prediction, or there are more than `most` rows.

    Of a row that has none among others that do, as of a lone number that is NaN, it says `MISSING`; of an empty text
    among others `EMPTY`.
    """
    kind = type(output)
    # The usual ones first.
    if kind is dict or kind in _LONE:
        one = _of_fields(output, shape) if kind is dict else _of_scalar(output, shape, math.nan)
        return None if one is None or one is EMPTY else [one]
    if kind not in _BUILT_IN:
        if is_tensor(kind):
            array = at_hand(output)
            if array is None:
                return _elsewhere(output, shape, most)
            output = array
        elif hasattr(output, "iloc") and hasattr(output, "columns") and len(output) <= most:
            columns = list(output.columns)
            if len(columns) > 1 and not {shape.column, *_PREDICTIONS}.intersection(columns):
                return _probabilities.of_frame(output, shape)
    if isinstance(output, np.ndarray) and output.ndim == 2 and output.shape[1] > 1:
        return _probabilities.of_matrix(output, shape) if len(output) <= most else None
    rows = _rows(output, most)
    if rows is None:
        return None
    if shape.columns and len(rows) == len(shape.columns) and _is_one_row(rows):
        rows = [list(rows)]
    found = each(rows, shape)
    return _whole(rows, found) if None in found or EMPTY in found else found  # type: ignore[return-value]


def each(rows: Sequence[Any], shape: Shape) -> list[Prediction | None]:
    """What each of some rows predicts by itself, None where it is nothing that could be a prediction."""
    return [_prediction(row, shape) for row in rows]


def _is_one_row(cells: Sequence[Any]) -> bool:
    """Whether as many cells as there are classes are probabilities. Whole numbers alone are classes of so many rows."""
    return any(isinstance(cell, _FLOATS) for cell in cells) and all(
        is_absent(cell) or (isinstance(cell, _NUMBERS) and type(cell) is not bool) for cell in cells
    )


def _whole(rows: Sequence[Any], found: list[Prediction | None]) -> list[Prediction] | None:
    """All rows, if there is one among them that predicts and the others are of its kind or not there at all.

    Numbers that are all there are no missing prediction: they are of something else, and then so are all rows.
    """
    kinds = {type(row) for row, one in zip(rows, found, strict=True) if not (one is None or one is EMPTY)}
    if not kinds:
        return None
    for row, one in zip(rows, found, strict=True):
        if one is None and not (is_absent(row) or (type(row) in kinds and not _is_other(row))):
            return None
    return [MISSING if one is None else one for one in found]


def _elsewhere(tensor: Any, shape: Shape, most: int) -> list[Prediction] | None:
    """Of a tensor that cannot be read without waiting for a device: what it looks like."""
    rows, width = rows_and_width(tensor)
    return [MISSING] * rows if rows <= most and width is not None and width in (1, len(shape.columns)) else None


def _rows(output: Any, most: int) -> Sequence[Any] | None:
    kind = type(output)
    if kind is list or kind is tuple:
        return output if len(output) <= most else None
    if isinstance(output, np.ndarray):
        if output.ndim == 0:
            return (output.item(),)
        if output.ndim > 2 or len(output) > most:
            return None
        return output.reshape(-1).tolist()
    if hasattr(output, "iloc"):  # of pandas
        if len(output) > most:
            return None
        return output.to_dict("records") if hasattr(output, "columns") else output.tolist()  # type: ignore[no-any-return]
    return (output,)


def _prediction(row: Any, shape: Shape) -> Prediction | None:
    """Of one row; None where it is nothing that could be one."""
    if type(row) is dict:  # of most results; what follows has more to ask
        return _of_fields(row, shape)
    if isinstance(row, _SCALARS):
        return _of_scalar(row, shape, math.nan)
    if type(row) is list or type(row) is tuple:
        return _probabilities.of_list(row, shape)
    if isinstance(row, np.ndarray):
        if row.ndim == 0:
            return _prediction(row.item(), shape)
        return _probabilities.of_list(row.tolist(), shape) if row.ndim == 1 else None
    fields = _fields(row)
    return _of_fields(fields, shape) if fields else None


def _fields(row: Any) -> Mapping[str, Any]:
    """Those of a mapping or an object; of all else none."""
    if isinstance(row, Mapping):
        return row
    return {} if is_absent(row) else getattr(row, "__dict__", {})


def _is_other(row: Any) -> bool:
    """Whether a row that is no prediction is one of something else: a list without gaps, or numbers with names."""
    if isinstance(row, np.ndarray):
        row = row.reshape(-1).tolist()
    if isinstance(row, (list, tuple)):
        return len(row) > 0 and not any(map(_is_gap, row))
    cells = _fields(row).values()
    return len(cells) > 1 and all(isinstance(cell, _NUMBERS) and not _is_gap(cell) for cell in cells)


def _is_gap(cell: Any) -> bool:
    return is_absent(cell) or (isinstance(cell, _FLOATS) and cell != cell)


def _of_fields(fields: Mapping[str, Any], shape: Shape) -> Prediction | None:
    if shape.column in fields:
        column = shape.column
    elif len(fields) == 1:
        (column,) = fields
    else:
        for column in _PREDICTIONS:
            if column in fields:
                break
        else:
            return _probabilities.of_fields(fields, shape)
    cell = fields[column]
    if not isinstance(cell, _SCALARS):
        return None
    if shape.scored and column == shape.column:
        decided = next((name for name in _PREDICTIONS if name in fields and name != column), "")
        if decided:
            return _of_decision(fields[decided], cell, shape)
    confidence = math.nan
    for name in _CONFIDENCES:
        if name in fields and name != column:
            given = fields[name]
            if isinstance(given, (float, np.floating)) and 0 <= given <= 1:
                confidence = float(given)
            break
    return _of_scalar(cell, shape, confidence)


def _of_scalar(cell: Any, shape: Shape, confidence: float) -> Prediction | None:
    if isinstance(cell, str):
        return Prediction(class_of(cell, shape), math.nan, confidence, len(shape.names)) if cell else EMPTY
    is_class = shape.classes
    if is_class is None:
        is_class = not isinstance(cell, (float, np.floating))
    if shape.scored and isinstance(cell, (float, np.floating)):
        return _of_score(float(cell), shape.scored)
    if is_class:
        number = category(cell)
        of = 2 if isinstance(cell, (bool, np.bool_)) else len(shape.names)
        return Prediction(number, math.nan, confidence, of) if number else MISSING
    try:
        value = float(cell)
    except (TypeError, OverflowError):  # a date, for one; a whole number that is too large
        return MISSING
    return Prediction(None, value) if is_value(value) else MISSING


def class_of(text: str, shape: Shape) -> str:
    """The class that a text is; empty of one that is written to be read, unless the reference has it for a class."""
    name = text[:MAX_TEXT]
    return name if is_class_name(text) or name in shape.names else ""


def _of_score(score: float, classes: tuple[str, ...]) -> Prediction:
    """The likelier one of two classes, of which `score` is the second one's probability."""
    if not 0 <= score <= 1:
        return MISSING
    second = score > 0.5
    return Prediction(classes[second], math.nan, score if second else 1 - score, 2)


def _of_decision(cell: Any, score: Any, shape: Shape) -> Prediction | None:
    """A class that was decided by a rule of the service's own, and the `score` beside it."""
    if not isinstance(cell, _SCALARS):
        return None
    if isinstance(cell, str) and not cell:
        return EMPTY
    name = class_of(cell, shape) if isinstance(cell, str) else category(cell)
    if name is None:
        return None
    confidence = math.nan
    if isinstance(score, (float, np.floating)) and 0 <= score <= 1:
        for one, given in zip(shape.scored, (1 - float(score), float(score)), strict=True):
            confidence = given if same_class(one, name) else confidence
    return Prediction(name, math.nan, confidence, 2)
