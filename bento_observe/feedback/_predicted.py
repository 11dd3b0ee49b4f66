"""What a handler's result predicts: a class or a value a row, with a confidence where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from bento_observe.features import MAX_TEXT, category
from bento_observe.features.reference import CategoricalReference, SignalReference
from bento_observe.feedback._truth import is_class_name, is_value, same_class

__all__ = ["Prediction", "Shape", "class_of", "predicted", "shape_of"]

_MOST_CLASSES: Final = 1024  # of a list of probabilities, which is looked at on the request's thread
_TOLERANCE: Final = 1e-3  # of a row's sum, as the statistics of probabilities have it
_PREDICTIONS: Final = ("prediction", "predicted", "label", "class")
_SCALARS: Final = (str, int, float, np.generic)
_CONFIDENCES: Final = ("confidence", "probability", "score")


class Prediction(NamedTuple):
    """Of one row: `name` is the class, None where a `value` was predicted, empty where it was a text, which is neither.

    `confidence` is NaN where nobody said. `of` is how many classes there are, 0 where that is not known.
    """

    name: str | None
    value: float = math.nan
    confidence: float = math.nan
    of: int = 0


@dataclass(frozen=True)
class Shape:
    """What a reference says of predictions.

    Attributes:
        column: the name of the predicted column, empty where there is not just one.
        classes: True if it has classes, False if values, None where nobody knows.
        names: all classes, those that telemetry tells apart first; none where nobody knows.
        columns: of predictions that are probabilities, the class that each is of.
        centre: the mean of the labels, 0 where they have none.
        scored: where a prediction is one number, the probability of the second of two classes: these two.
    """

    column: str = ""
    classes: bool | None = None
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    centre: float = 0.0
    scored: tuple[str, ...] = ()


def shape_of(predictions: object, labels: object) -> Shape:
    """What the two signals of a reference say."""
    columns: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()
    if isinstance(predictions, SignalReference) and predictions.calibration and not predictions.classes:
        scored = predictions.calibration.labels
    if isinstance(predictions, SignalReference) and predictions.classes:
        # The labels' own names for them, where they are known: `yes` rather than `p_yes`.
        columns = predictions.calibration.labels if predictions.calibration else tuple(map(str, predictions.classes))
    names = dict.fromkeys((*columns, *scored))
    column, classes, centre = "", True if names else None, 0.0
    for signal in (labels, predictions):
        if not isinstance(signal, SignalReference) or len(signal.features) != 1:
            continue
        ((column, feature),) = signal.features.items()
        if isinstance(feature, CategoricalReference):
            classes = True
            if feature.kind != "high_cardinality":
                names.update(dict.fromkeys(feature.categories))
        elif feature.kind == "boolean":
            classes = True
            names.update({"false": None, "true": None})
        elif feature.kind == "numeric" and not classes:
            classes = False
            centre = centre or feature.mean
    return Shape(column, classes, tuple(names), columns, centre, scored)


def predicted(output: Any, shape: Shape, most: int) -> list[Prediction] | None:
    """What `output` predicts, a row at a time; None where that cannot be told, or there are more than `most` rows."""
    if isinstance(output, np.ndarray) and output.ndim == 2 and output.shape[1] > 1:
        return _of_matrix(output, shape) if len(output) <= most else None
    rows = _rows(output, shape, most)
    if rows is None:
        return None
    if shape.columns and len(rows) == len(shape.columns) and all(type(row) is float for row in rows):
        rows = [list(rows)]  # the probabilities of one row
    found = []
    for row in rows:
        one = _prediction(row, shape)
        if one is None:
            return None
        found.append(one)
    return found


def _rows(output: Any, shape: Shape, most: int) -> Sequence[Any] | None:
    kind = type(output)
    if kind in (str, int, float, bool, dict):
        return (output,)
    if kind is list or kind is tuple:
        return output if len(output) <= most else None
    if isinstance(output, np.ndarray):
        if output.ndim == 0:
            return (output.item(),)
        if output.ndim > 2 or len(output) > most:
            return None
        return output.reshape(-1).tolist()
    if hasattr(output, "iloc"):  # of pandas
        columns = getattr(output, "columns", ("",))
        if len(output) > most or not (len(columns) == 1 or {shape.column, *_PREDICTIONS}.intersection(columns)):
            return None
        return output.to_dict("records") if hasattr(output, "columns") else output.tolist()  # type: ignore[no-any-return]
    return (output,)


def _prediction(row: Any, shape: Shape) -> Prediction | None:
    if type(row) is dict:  # of most results; what follows has more to ask
        return _of_fields(row, shape)
    if isinstance(row, _SCALARS):
        return _of_scalar(row, shape, math.nan)
    if type(row) is list:
        return _of_probabilities(row, shape)
    fields = row if isinstance(row, Mapping) else getattr(row, "__dict__", None)
    return _of_fields(fields, shape) if fields else None


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
            return None
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
        name = class_of(cell, shape)
        return Prediction(name, math.nan, confidence, len(shape.names)) if cell else None
    is_class = shape.classes
    if is_class is None:
        is_class = not isinstance(cell, (float, np.floating))
    if shape.scored and isinstance(cell, (float, np.floating)):
        return _of_score(float(cell), shape.scored)
    if is_class:
        number = category(cell)
        of = 2 if isinstance(cell, (bool, np.bool_)) else len(shape.names)
        return Prediction(number, math.nan, confidence, of) if number else None
    value = float(cell)
    return Prediction(None, value) if is_value(value) else None


def class_of(text: str, shape: Shape) -> str:
    """The class that a text is; empty of one that is written to be read, unless the reference has it for a class."""
    name = text[:MAX_TEXT]
    return name if is_class_name(text) or name in shape.names else ""


def _of_score(score: float, classes: tuple[str, ...]) -> Prediction | None:
    """The likelier one of two classes, of which `score` is the second one's probability."""
    if not 0 <= score <= 1:
        return None
    second = score > 0.5
    return Prediction(classes[second], math.nan, score if second else 1 - score, 2)


def _of_decision(cell: Any, score: Any, shape: Shape) -> Prediction | None:
    """A class that was decided by a rule of the service's own, and the `score` beside it."""
    if not isinstance(cell, _SCALARS) or cell == "":
        return None
    name = class_of(cell, shape) if isinstance(cell, str) else category(cell)
    if name is None:
        return None
    confidence = math.nan
    if isinstance(score, (float, np.floating)) and 0 <= score <= 1:
        for one, given in zip(shape.scored, (1 - float(score), float(score)), strict=True):
            confidence = given if same_class(one, name) else confidence
    return Prediction(name, math.nan, confidence, 2)


def _of_matrix(matrix: np.ndarray[Any, Any], shape: Shape) -> list[Prediction] | None:
    """Of each row, if all are probabilities."""
    if matrix.dtype.kind not in "fiu" or not len(matrix):
        return None
    sums = matrix.sum(axis=1, dtype=np.float64)
    if not (np.abs(sums - 1) <= _TOLERANCE).all() or matrix.min() < 0:
        return None
    columns = shape.columns if len(shape.columns) == matrix.shape[1] else None
    return [
        Prediction(str(number) if columns is None else columns[number], math.nan, min(most, 1.0), matrix.shape[1])
        for number, most in zip(matrix.argmax(axis=1).tolist(), matrix.max(axis=1).tolist(), strict=True)
    ]


def _of_probabilities(row: list[Any], shape: Shape) -> Prediction | None:
    """A row of them; the likeliest class is called by its position where the reference has no name for it."""
    if not 2 <= len(row) <= _MOST_CLASSES or not all(type(cell) in (float, int) and cell >= 0 for cell in row):
        return None
    if abs(sum(row) - 1) > _TOLERANCE:
        return None
    most = max(row)
    number = row.index(most)
    name = shape.columns[number] if len(shape.columns) == len(row) else str(number)
    return Prediction(name, math.nan, min(float(most), 1.0), len(row))
