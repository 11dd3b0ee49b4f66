"""Python log records as OTLP log records: made into one where they are logged, queued off the caller's path."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.trace import get_current_span

from bento_observe import semconv, wire
from bento_observe.telemetry._exceptions import describe
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._queue import SignalQueue

__all__ = ["LogSource", "OtlpHandler", "keep_out", "kept_out"]

_PENDING_LIMIT = 20_000
_STEP = 32
_MAX_EXTRAS = 64
# Attributes of every LogRecord, and those that BentoML's own filter adds for its console format.
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "levelname_bracketed", "component", "trace_msg", "request_id", "service_name",
}  # fmt: skip

_SUPPRESSED = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
_ours = threading.local()


def keep_out() -> None:
    """Nothing that the calling thread does from now on is told: an export that is would feed itself.

    Its log records are not sent, and instrumented libraries make no spans of its calls.
    """
    _ours.silent = True
    for key in _SUPPRESSED:
        attach(set_value(key, True))


@contextmanager
def kept_out() -> Iterator[None]:
    """The same, of what is done within it: for a thread that is not ours."""
    before, tokens = getattr(_ours, "silent", False), []
    _ours.silent = True
    try:
        tokens = [attach(set_value(key, True)) for key in _SUPPRESSED]
        yield
    finally:
        for token in reversed(tokens):
            detach(token)
        _ours.silent = before


class OtlpHandler(logging.Handler):
    """Hands log records to a `LogSource`. Never raises and does no I/O."""

    def __init__(self, source: LogSource, level: int) -> None:
        super().__init__(level)
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(_ours, "silent", False):
            self._source.add(record)


class LogSource:
    """Log records waiting to be encoded; at most 20,000, then further ones are dropped and counted."""

    def __init__(self, queue: SignalQueue, health: Health) -> None:
        self._queue = queue
        self._health = health
        self._pending: list[tuple[str, LogRecord]] = []
        self._closed = False

    def add(self, record: logging.LogRecord) -> None:
        """Take what is needed of `record` now: its arguments, its exception and the current span may change."""
        if self._closed:
            return
        if len(self._pending) >= _PENDING_LIMIT:
            self._health.dropped("logs", "pending_full", 1)
            return
        try:
            self._pending.append((record.name, _encode(record)))
        except Exception:  # noqa: BLE001 - a handler may raise nothing at its caller
            self._health.error("logs")

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped("logs", "shutdown", len(self._pending))

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def step(self) -> bool:
        """Encode some of what waits; whether there is more."""
        taken = self._pending[:_STEP]
        del self._pending[: len(taken)]
        by_logger: dict[str, list[bytes]] = {}
        for name, record in taken:
            field = wire.message(b"\x12", record.SerializeToString())
            by_logger.setdefault(name, []).append(field)
        for name, fields in by_logger.items():
            self._queue.put(wire.scoped(wire.scope(name), fields), len(fields))
        return bool(self._pending)


def _encode(record: logging.LogRecord) -> LogRecord:
    when = int(record.created * 1e9)
    found: dict[str, Any] = {
        semconv.CODE_FILE_PATH: record.pathname,
        semconv.CODE_FUNCTION_NAME: record.funcName,
        semconv.CODE_LINE_NUMBER: record.lineno,
        semconv.THREAD_NAME: record.threadName,
        **_extras(record),
    }
    if record.exc_info and record.exc_info[1] is not None:
        found.update(describe(record.exc_info[1]))
    context = get_current_span().get_span_context()
    body = record.getMessage()
    return LogRecord(
        time_unix_nano=when,
        observed_time_unix_nano=when,
        severity_number=_severity(record.levelno),  # type: ignore[arg-type]
        severity_text=record.levelname,
        body=wire.any_value(body),
        attributes=wire.key_values(found),
        flags=int(context.trace_flags),
        trace_id=context.trace_id.to_bytes(16, "big") if context.is_valid else b"",
        span_id=context.span_id.to_bytes(8, "big") if context.is_valid else b"",
    )


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    extras = {key: value for key, value in vars(record).items() if key not in _KNOWN}
    return dict(list(extras.items())[:_MAX_EXTRAS]) if len(extras) > _MAX_EXTRAS else extras


def _severity(level: int) -> int:
    """OTLP's severity number of a Python level: DEBUG 5, INFO 9, WARNING 13, ERROR 17, CRITICAL 21; four steps each."""
    if level < logging.DEBUG:
        return 1
    if level >= logging.CRITICAL:
        return 21
    tens, rest = divmod(level, 10)
    return 1 + tens * 4 + min(3, rest * 4 // 10)
