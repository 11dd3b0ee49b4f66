"""A finished request as one line of the access log: on the console as BentoML writes it, and as an OTLP record."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bento_observe import semconv, wire
from bento_observe.request._span import RequestSpan

__all__ = ["AccessLog", "AccessLogOptions"]

_LOG_RECORD = b"\x12"  # ScopeLogs.log_records = 2
_ATTRIBUTE = b"\x32"  # LogRecord.attributes = 6
# time = 1, observed time = 11 (fixed64), severity number = 2, severity text = 3, flags = 8 (fixed32), ids = 9 and 10
_FIXED = struct.Struct("<sQsQsI2s16s2s8s")
_SEVERITY = b"\x10\x09\x1a\x04INFO"

_METHOD = wire.attribute_key(_ATTRIBUTE, semconv.HTTP_REQUEST_METHOD)
_PATH = wire.attribute_key(_ATTRIBUTE, semconv.URL_PATH)
_STATUS = wire.attribute_key(_ATTRIBUTE, semconv.HTTP_RESPONSE_STATUS_CODE)
_DURATION = wire.attribute_key(_ATTRIBUTE, semconv.ATTRIBUTE_REQUEST_DURATION)
_ROUTE = wire.attribute_key(_ATTRIBUTE, semconv.HTTP_ROUTE)
_CLIENT = wire.attribute_key(_ATTRIBUTE, semconv.CLIENT_ADDRESS)


@dataclass(frozen=True)
class AccessLogOptions:
    """What BentoML's configuration says of its access log (`logging.access`)."""

    enabled: bool = True
    request_length: bool = True
    request_type: bool = True
    response_length: bool = True
    response_type: bool = True
    skip_paths: tuple[str, ...] = ()


class AccessLog:
    """Writes the line of a request. Runs in the encoder thread, a fraction of a second after the answer.

    `in_context` runs a function as if within the given request, so that the console's formatter finds its trace.
    """

    scope = wire.scope(semconv.LOGGER_ACCESS)

    def __init__(
        self, options: AccessLogOptions, in_context: Callable[[RequestSpan, Callable[[], None]], None]
    ) -> None:
        self._options = options
        self._in_context = in_context
        self._logger = logging.getLogger(semconv.LOGGER_ACCESS)

    def wants(self, request: RequestSpan) -> bool:
        """Whether this request belongs into the access log. Connections are told by BentoML's own middleware."""
        return (
            type(request) is RequestSpan
            and self._options.enabled
            and not request.path.startswith(self._options.skip_paths)
        )

    def line(self, request: RequestSpan) -> str:
        """The text, word for word BentoML's own."""
        options, client = self._options, request.client
        address = f"{client[0]}:{client[1]}" if client else "_"
        asked = f"scheme={request.scheme},method={request.method_given},path={request.path}"
        if options.request_type:
            asked += f",type={_text(request.headers.get(b'content-type', b''))}"
        if options.request_length:
            asked += f",length={_text(request.headers.get(b'content-length', b''))}"
        answered = f"status={request.status}"
        if options.response_type:
            answered += f",type={_text(_header(request, b'content-type'))}"
        if options.response_length:
            answered += f",length={_text(_header(request, b'content-length'))}"
        return f"{address} ({asked}) ({answered}) {(request.end_ns - request.start_ns) / 1e6:.3f}ms"

    def write(self, request: RequestSpan, line: str) -> None:
        """To the handlers of the logger `bentoml.access`, with the time of the answer."""
        logger = self._logger
        if not logger.isEnabledFor(logging.INFO):
            return
        record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None)
        record.created = request.unix_ns(request.end_ns) / 1e9
        record.msecs = record.created % 1 * 1000
        self._in_context(request, lambda: logger.handle(record))

    def encode(self, request: RequestSpan, line: str) -> bytes:
        """As a serialised log record field."""
        when = request.unix_ns(request.end_ns)
        parts = [
            _FIXED.pack(
                b"\x09", when, b"\x59", when, b"\x45", int(request.sampled),
                b"\x4a\x10", request.trace_id, b"\x52\x08", request.span_id,
            ),
            _SEVERITY,
            wire.message(b"\x2a", wire.string_field(b"\x0a", line)),
            wire.with_string(_METHOD, request.method),
            wire.with_string(_PATH, request.path),
            wire.with_integer(_STATUS, request.status),
            wire.with_double(_DURATION, (request.end_ns - request.start_ns) / 1e9),
        ]  # fmt: skip
        if request.route:
            parts.append(wire.with_string(_ROUTE, request.route))
        if request.client:
            parts.append(wire.with_string(_CLIENT, str(request.client[0])))
        return wire.message(_LOG_RECORD, b"".join(parts))


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _header(request: RequestSpan, name: bytes) -> bytes:
    found: Any = b""
    for key, value in request.response_headers:
        if key == name:
            found = value
    return bytes(found)
