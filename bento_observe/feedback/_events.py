"""Predictions as events, for ids that carry nothing: each a log record of OTLP, looked up when its label comes."""

from __future__ import annotations

import math
import struct
import time
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Final, NamedTuple, TypeVar

from bento_observe import semconv, wire
from bento_observe._version import __version__
from bento_observe.feedback._plain_ids import base_id, row_ids
from bento_observe.feedback._prediction import EMPTY, MISSING, Prediction
from bento_observe.feedback._token import Context, Predictions
from bento_observe.request import RequestSpan
from bento_observe.telemetry import Health, SignalQueue

__all__ = ["EventIssuer", "PredictionEvents"]

T = TypeVar("T")

_MAX_PENDING: Final = 50_000
_STEP: Final = 32
_MAX_REMEMBERED: Final = 4096

_LOG_RECORD, _ATTRIBUTE = b"\x12", b"\x32"  # field numbers of ScopeLogs and LogRecord
_TIMES: Final = struct.Struct("<sqsq")
_TRACE: Final = struct.Struct("<sI2s16s2s8s")
_INFO: Final = b"\x10\x09" + wire.string_field(b"\x1a", "INFO")
_NAME: Final = wire.string_field(b"\x62", semconv.EVENT_PREDICTION)
_ID, _CLASS, _VALUE, _CONFIDENCE, _CLASSES = (
    wire.attribute_key(_ATTRIBUTE, key)
    for key in (
        semconv.ML_PREDICTION_ID, semconv.ML_PREDICTION_CLASS, semconv.ML_PREDICTION_VALUE,
        semconv.ML_PREDICTION_CONFIDENCE, semconv.ML_PREDICTION_CLASSES,
    )
)  # fmt: skip
_OF_CLASS, _OF_VALUE, _OF_TEXT = (
    wire.attributes(_ATTRIBUTE, {semconv.ML_PREDICTION_TYPE: kind})
    for kind in (semconv.PREDICTION_CLASS, semconv.PREDICTION_VALUE, semconv.PREDICTION_TEXT)
)


class _Answer(NamedTuple):
    """What the rows of one answer share: `when` in unix nanoseconds, how many classes there are, 0 if nobody knows,
    and the span, where there is one."""

    when: int
    of: int
    trace_id: bytes
    span_id: bytes
    sampled: bool


_Row = tuple[str, "str | None", float, float, Context, _Answer]


class PredictionEvents:
    """Predictions waiting to be encoded, 50,000 rows at most: then further ones are dropped and counted.

    A source of the encoder thread; see `bento_observe.telemetry`. `queue` None: nothing is sent.
    """

    def __init__(self, queue: SignalQueue | None, health: Health) -> None:
        self._queue = queue
        self._health = health
        self._pending: deque[_Row] = deque()
        self._contexts: dict[Context, bytes] = {}
        self._closed = queue is None

    def put(
        self,
        ids: Sequence[str],
        names: Sequence[str | None],
        values: Sequence[float],
        confidence: Sequence[float],
        contexts: Sequence[Context],
        of: int,
        request: RequestSpan | None,
    ) -> None:
        """Take the predictions of one answer; all sequences but `ids` are a value a row, or one for all rows."""
        if self._closed:
            return
        room = max(_MAX_PENDING - len(self._pending), 0)
        if len(ids) > room:
            self._health.dropped(semconv.SIGNAL_PREDICTIONS, "pending_full", len(ids) - room)
            ids = ids[:room]
        span = (b"", b"", False) if request is None else (request.trace_id, request.span_id, request.sampled)
        answer = _Answer(time.time_ns(), min(of, 255), *span)
        columns = (column if len(column) > 1 else repeat(column[0]) for column in (names, values, confidence, contexts))
        self._pending.extend(zip(ids, *columns, repeat(answer), strict=False))

    def step(self) -> bool:
        """Encode some of what waits; whether there is more."""
        records: list[bytes] = []
        taken = 0
        while self._pending and taken < _STEP:
            row = self._pending.popleft()
            taken += 1
            try:
                records.append(self._encoded(*row))
            except Exception:  # noqa: BLE001 - one row's fault is not the others'
                self._health.error("predictions")
                self._health.dropped(semconv.SIGNAL_PREDICTIONS, "error", 1)
        if records and self._queue is not None:
            self._queue.put(wire.scoped(_SCOPE, records), len(records))
        return bool(self._pending)

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped(semconv.SIGNAL_PREDICTIONS, "shutdown", len(self._pending))

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def _encoded(
        self, one: str, name: str | None, value: float, confidence: float, context: Context, answer: _Answer
    ) -> bytes:
        """A serialised log record field."""
        parts = [
            _TIMES.pack(b"\x09", answer.when, b"\x59", answer.when),
            _INFO,
            _NAME,
            wire.with_string(_ID, one),
            self._context(context),
        ]
        if name:
            parts += _OF_CLASS, wire.with_string(_CLASS, name)
        elif name is not None:
            parts.append(_OF_TEXT)
        else:
            parts.append(_OF_VALUE)
            if math.isfinite(value):  # JSON has no others
                parts.append(wire.with_double(_VALUE, value))
        if answer.trace_id:
            flags = int(answer.sampled)
            parts.append(_TRACE.pack(b"\x45", flags, b"\x4a\x10", answer.trace_id, b"\x52\x08", answer.span_id))
        if not math.isnan(confidence):
            parts.append(wire.with_double(_CONFIDENCE, confidence))
        if answer.of:
            parts.append(wire.with_integer(_CLASSES, answer.of))
        return wire.message(_LOG_RECORD, b"".join(parts))

    def _context(self, context: Context) -> bytes:
        """Its attributes, serialised once."""
        found = self._contexts.get(context)
        if found is None:
            if len(self._contexts) >= _MAX_REMEMBERED:
                self._contexts.clear()
            attributes = {
                semconv.API_NAME: context.api,
                semconv.ML_MODEL_NAME: context.model or None,
                semconv.ML_MODEL_VERSION: context.version or None,
                **{f"{semconv.ML_SLICE}{column}": value for column, value in context.slices if column and value},
            }
            found = self._contexts[context] = wire.attributes(_ATTRIBUTE, attributes)
        return found


_SCOPE: Final = wire.scope(semconv.SCOPE_PREDICTIONS, __version__)


class EventIssuer:
    """Plain ids, the caller's where it gave one; what was predicted goes to `events`."""

    plain = True

    def __init__(self, events: PredictionEvents) -> None:
        self._events = events

    def few(
        self, rows: Sequence[Prediction], contexts: Sequence[Context], given: bytes, request: RequestSpan | None
    ) -> list[str]:
        """See `Issuer`."""
        ids = row_ids(base_id(given), len(rows))
        names, values, confidence, of = zip(*rows, strict=True)
        missing = [number for number, row in enumerate(rows) if row is MISSING or row is EMPTY]
        self._put(ids, names, values, confidence, contexts, max(of), request, missing)
        return ids

    def many(
        self,
        columns: Predictions,
        contexts: Sequence[Context],
        which: Sequence[int],
        given: bytes,
        request: RequestSpan | None,
    ) -> list[str]:
        """See `Issuer`."""
        ids = row_ids(base_id(given), len(columns))
        if ids:
            names = columns.classes if len(columns.classes) else (None,)
            values = columns.values if len(columns.values) else (math.nan,)
            confidence = columns.confidence if len(columns.confidence) else (math.nan,)
            each = [contexts[one] for one in which] if which else contexts
            self._put(ids, names, values, confidence, each, columns.of, request, columns.missing)
        return ids

    def _put(
        self,
        ids: list[str],
        names: Sequence[str | None],
        values: Sequence[float],
        confidence: Sequence[float],
        contexts: Sequence[Context],
        of: int,
        request: RequestSpan | None,
        missing: Sequence[int],
    ) -> None:
        """As `PredictionEvents.put`, but for rows that are `missing`, which lose their ids."""
        if not missing:
            self._events.put(ids, names, values, confidence, contexts, of, request)
            return
        left_out = frozenset(missing)
        rows = [row for row in range(len(ids)) if row not in left_out]
        if rows:
            some = [ids[row] for row in rows]
            told = _at(rows, names), _at(rows, values), _at(rows, confidence), _at(rows, contexts)
            self._events.put(some, *told, of, request)
        for row in missing:
            ids[row] = ""


def _at(rows: Sequence[int], column: Sequence[T]) -> Sequence[T]:
    """Some rows of a column, which may have one value for all."""
    return [column[row] for row in rows] if len(column) > 1 else column
