"""The caller's trace context, read from the headers of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import TraceState

__all__ = ["Caller", "ContextReader"]

# https://www.w3.org/TR/trace-context/#traceparent-header: version 00 is exactly this long, later ones may go on.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_EMPTY = Context()
_NO_STATE = TraceState.get_default()


class Caller:
    """Who called: ids are empty and `sampled` is None where the request begins a trace. `context` carries baggage."""

    __slots__ = ("context", "sampled", "span_id", "trace_id", "trace_state")

    def __init__(
        self,
        trace_id: bytes = b"",
        span_id: bytes = b"",
        sampled: bool | None = None,
        trace_state: TraceState = _NO_STATE,
        context: Context = _EMPTY,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.trace_state = trace_state
        self.context = context


_NOBODY = Caller()


class ContextReader:
    """Reads trace context as `OTEL_PROPAGATORS` says. A plain `traceparent` is read without the propagator."""

    def __init__(self) -> None:
        self._propagator = propagate.get_global_textmap()
        fields = set(self._propagator.fields)
        self.headers = frozenset(field.lower().encode("latin-1") for field in fields)
        """The header names to collect from a request, lower case."""
        self._plain = fields <= {"traceparent", "tracestate", "baggage"} and "traceparent" in fields

    def read(self, headers: Mapping[bytes, bytes], raw: Iterable[tuple[bytes, bytes]]) -> Caller:
        """The caller that `headers` (names in lower case) tell of; malformed ones tell of nobody.

        `raw` are all headers as they came: tracestate and baggage may come in several.
        """
        if self._plain and b"tracestate" not in headers and b"baggage" not in headers:
            given = headers.get(b"traceparent")
            return _NOBODY if given is None else _parse(given.strip())
        if not any(name in headers for name in self.headers):
            return _NOBODY
        found: dict[str, list[str]] = {}
        for name, value in raw:
            if name in self.headers:
                found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        carrier = {name: ",".join(values) for name, values in found.items()}
        context = self._propagator.extract(carrier, context=_EMPTY)
        parent = trace.get_current_span(context).get_span_context()
        if not parent.is_valid:
            return Caller(context=context)
        return Caller(
            parent.trace_id.to_bytes(16, "big"),
            parent.span_id.to_bytes(8, "big"),
            parent.trace_flags.sampled,
            parent.trace_state,
            context,
        )


def _parse(traceparent: bytes) -> Caller:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return _NOBODY
    version, trace_id, span_id, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest) or trace_id == b"0" * 32 or span_id == b"0" * 16:
        return _NOBODY
    sampled = bool(int(flags, 16) & 1)
    return Caller(bytes.fromhex(trace_id.decode()), bytes.fromhex(span_id.decode()), sampled)
