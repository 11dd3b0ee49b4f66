"""Gives the predictions of one API their ids: in the response's header, in the trace, and to a handler that asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.trace import get_current_span

from bento_observe import semconv
from bento_observe._slices import Keys, Slices
from bento_observe.feedback._given import given_predictions
from bento_observe.feedback._issuing import Issuer
from bento_observe.feedback._predicted import predicted
from bento_observe.feedback._prediction import MISSING
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._token import Context
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
            if rows and MISSING in rows:
                self._lost(rows.count(MISSING))
                if rows.count(MISSING) == len(rows):
                    return
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
        columns = given_predictions(predictions, confidence, self._shape)
        self._lost(len(columns.missing) - columns.empty)
        contexts, which = [self._context], list[int]()
        if keys:
            slices = [_slices(keys, number, len(columns)) for number in range(len(columns))]
            numbers: dict[tuple[tuple[str, str], ...], int] = {}
            which = [numbers.setdefault(one, len(numbers)) for one in slices]
            contexts = [self._context._replace(slices=one) for one in numbers]
        given = b"" if request is None else self._given(request)
        return self._issuer.many(columns, contexts, which, given, request)

    def _lost(self, rows: int) -> None:
        """Count rows whose prediction could not be read."""
        self._health.dropped(semconv.SIGNAL_PREDICTIONS, "unreadable", rows)

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
