"""Gives the predictions of one API their ids: in the response's header, in the trace, and to a handler that asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from opentelemetry.trace import get_current_span

from bento_observe import semconv
from bento_observe._slices import Keys, Slices
from bento_observe.features import category
from bento_observe.feedback._issuing import Issuer
from bento_observe.feedback._predicted import Shape, class_of, predicted
from bento_observe.feedback._token import Context, Predictions
from bento_observe.feedback._truth import is_value
from bento_observe.request import RequestSpan, current_request
from bento_observe.telemetry import Health

__all__ = ["MAX_ROWS", "Identifier"]

MAX_ROWS: Final = 16
"""Answers of more rows have no header."""

_MAX_HEADER: Final = 2500
"""Nor have those whose ids come to more characters, as long classes and many slices make them: proxies refuse headers
beyond four kilobytes."""

_MAX_CALLER: Final = 256


class Identifier:
    """Makes the ids of one API's predictions. Nothing here raises: an answer without an id is still an answer.

    Args:
        context: the API, its model and version.
        shape: what the reference says of predictions.
        issuer: makes the ids.
        header: the request header with an id of the caller's own, in lower case.
    """

    def __init__(self, context: Context, shape: Shape, issuer: Issuer, header: bytes, health: Health) -> None:
        self._context = context
        self._shape = shape
        self._issuer = issuer
        self._header = header
        self._health = health
        self._by_hand = False

    def identify(self, output: Any, keys: Sequence[tuple[Slices, Keys]]) -> None:
        """Give the request at hand ids of what its handler returned, if that is a prediction and has none yet."""
        request = current_request.get()
        if type(request) is not RequestSpan or request.prediction_ids is not None or self._by_hand:
            return
        # A call within another one of the service's own handlers is no answer.
        if request.ended or get_current_span() is not request:
            return
        try:
            rows = predicted(output, self._shape, MAX_ROWS)
            if rows:
                contexts = [self._context]
                if keys:
                    slices = (_slices(keys, number, len(rows)) for number in range(len(rows)))
                    contexts = [self._context._replace(slices=one) for one in slices]
                self._attach(request, self._issuer.few(rows, contexts, self._given(request), request))
        except Exception:  # noqa: BLE001 - see above
            self._health.error("prediction_ids")

    def ids(self, predictions: Any, confidence: Any, keys: Sequence[tuple[Slices, Keys]]) -> list[str]:
        """An id of each of `predictions`, which a handler says it makes; for `prediction_ids`."""
        self._by_hand = True
        request = current_request.get()
        attached = isinstance(request, RequestSpan) and request.prediction_ids is None and not request.ended
        ours = request if attached and isinstance(request, RequestSpan) else None
        made = self._many(predictions, confidence, keys, ours)
        if ours is not None:
            self._attach(ours, made if len(made) <= MAX_ROWS else [])
        return made

    def _many(
        self, predictions: Any, confidence: Any, keys: Sequence[tuple[Slices, Keys]], request: RequestSpan | None
    ) -> list[str]:
        columns = _columns(predictions, confidence, self._shape)
        contexts, which = [self._context], list[int]()
        if keys:
            slices = [_slices(keys, number, len(columns)) for number in range(len(columns))]
            numbers: dict[tuple[tuple[str, str], ...], int] = {}
            which = [numbers.setdefault(one, len(numbers)) for one in slices]
            contexts = [self._context._replace(slices=one) for one in numbers]
        given = b"" if request is None else self._given(request)
        made = self._issuer.many(columns, contexts, which, given, request)
        if not columns.values or all(map(is_value, columns.values)):
            return made
        # The error of such a row is no number, and would be the sum of all errors.
        return [one if is_value(value) else "" for one, value in zip(made, columns.values, strict=True)]

    def _given(self, request: RequestSpan) -> bytes:
        """The caller's id, empty where there is none."""
        return request.headers.get(self._header, b"")

    def _attach(self, request: RequestSpan, made: list[str]) -> None:
        if sum(map(len, made)) > _MAX_HEADER or not any(made):
            made = []
        request.prediction_ids = made
        if request.sampled:
            given = "" if made and self._issuer.plain else self._given(request)[:_MAX_CALLER].decode("latin-1")
            told = given or (made[0] if len(made) == 1 else made)
            if told:
                request.set_attribute(semconv.ML_PREDICTION_ID, told)


def _slices(keys: Sequence[tuple[Slices, Keys]], row: int, rows: int) -> tuple[tuple[str, str], ...]:
    """Names and values of the slices that one of so many rows is in; of a column with another number of rows none."""
    found = []
    for one, values in keys:
        if isinstance(values, str):
            found.append((one.column, one.told(values)))
        elif len(values) == rows:
            found.append((one.column, one.told(values[row])))
    return tuple(found)


def _columns(predictions: Any, confidence: Any, shape: Shape) -> Predictions:
    """Predictions of any number of rows, as a handler gives them.

    Raises:
        TypeError, ValueError: they are none.
    """
    table = np.asarray(predictions)
    if table.ndim == 2 and table.shape[1] > 1 and confidence is None:
        most = table.argmax(axis=1)
        named = len(shape.columns) == table.shape[1]
        names = [shape.columns[one] if named else str(one) for one in most.tolist()]
        return Predictions(classes=names, confidence=table.max(axis=1).astype(float).tolist(), of=table.shape[1])
    if shape.scored and table.dtype.kind == "f" and confidence is None:
        return _of_scores(table.reshape(-1).astype(float), shape.scored)
    rows = table.reshape(-1).tolist()
    is_class = shape.classes if table.dtype.kind == "f" else True
    if table.dtype.kind in "iu" and shape.classes is False:
        is_class = False
    given = [] if confidence is None else np.asarray(confidence, dtype=float).reshape(-1).tolist()
    if given and len(given) != len(rows):
        raise ValueError(f"{len(rows)} predictions have {len(given)} confidences")
    if not is_class:
        return Predictions(values=rows, confidence=given)
    known: dict[Any, str] = {}
    for row in rows:
        if row not in known:
            name = category(row)
            if not name:
                raise ValueError("a prediction is missing, or no class")
            known[row] = class_of(row, shape) if isinstance(row, str) else name
    sure = [one if 0 <= one <= 1 else math.nan for one in given]
    of = 2 if table.dtype.kind == "b" else len(shape.names)
    return Predictions(classes=[known[row] for row in rows], confidence=sure, of=of)


def _of_scores(scores: npt.NDArray[np.float64], classes: Sequence[str]) -> Predictions:
    """Of scores, the probability of the second one of two classes.

    Raises:
        ValueError: one is none.
    """
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score is not from 0 to 1")
    second = scores > 0.5
    names = [classes[one] for one in second.tolist()]
    return Predictions(classes=names, confidence=np.where(second, scores, 1 - scores).tolist(), of=2)
