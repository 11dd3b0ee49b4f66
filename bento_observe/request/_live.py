"""What user code sees of our spans: OpenTelemetry's methods, over slots that are encoded when all is over.

They are real OpenTelemetry spans to user code (`trace.get_current_span()` returns one, attributes and events may be
added, SDK spans become their children), but making, ending and handing them over costs a fraction of the SDK's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, TraceFlags, TraceState

from bento_observe.telemetry import describe

__all__ = ["Additions", "LiveSpan"]

_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
# The SDK's defaults; memory per request stays bounded whatever a handler does.
_MAX_ATTRIBUTES = _MAX_EVENTS = _MAX_LINKS = 128


class Additions:
    """What user code, or an exception, added to a span; made on first use, since most spans have none.

    `events` are (unix ns, name, attributes).
    """

    __slots__ = ("attributes", "dropped", "events", "links", "name", "status")

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.events: list[tuple[int, str, Mapping[str, Any]]] = []
        self.links: list[Link] = []
        self.name: str | None = None
        self.status: Status | None = None
        self.dropped = 0


class LiveSpan(Span):
    """What all kinds of span share: identity, and the methods that OpenTelemetry gives to user code."""

    __slots__ = ("_context", "additions", "ended", "parent_id", "sampled", "span_id", "trace_id", "trace_state")

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    sampled: bool
    trace_state: TraceState
    ended: bool
    additions: Additions | None
    _context: SpanContext | None

    def get_span_context(self) -> SpanContext:
        """This span's identity, made when first asked for."""
        context = self._context
        if context is None:
            context = self._context = SpanContext(
                int.from_bytes(self.trace_id, "big"),
                int.from_bytes(self.span_id, "big"),
                is_remote=False,
                trace_flags=_SAMPLED if self.sampled else _NOT_SAMPLED,
                trace_state=self.trace_state,
            )
        return context

    def is_recording(self) -> bool:
        """Whether additions still reach the backend."""
        return self.sampled and not self.ended

    def _open(self) -> Additions | None:
        if not self.sampled or self.ended:
            return None
        if self.additions is None:
            self.additions = Additions()
        return self.additions

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute (at most 128 a span)."""
        additions = self._open()
        if additions is not None:
            if len(additions.attributes) < _MAX_ATTRIBUTES or key in additions.attributes:
                additions.attributes[key] = value
            else:
                additions.dropped += 1

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event (at most 128 a span); `timestamp` is in unix nanoseconds."""
        additions = self._open()
        if additions is not None and len(additions.events) < _MAX_EVENTS:
            when = time.time_ns() if timestamp is None else timestamp
            additions.events.append((when, name, dict(attributes or {})))

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link (at most 128 a span)."""
        additions = self._open()
        if additions is not None and len(additions.links) < _MAX_LINKS:
            additions.links.append(Link(context, attributes))

    def update_name(self, name: str) -> None:
        """Replace the span's name."""
        additions = self._open()
        if additions is not None:
            additions.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, as the specification has it."""
        additions = self._open()
        if additions is None:
            return
        if additions.status is not None and additions.status.status_code is StatusCode.OK:
            return
        given = status if isinstance(status, Status) else Status(status, description)
        if given.status_code is not StatusCode.UNSET:
            additions.status = given

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add the conventions' exception event."""
        del escaped
        if self._open() is not None:
            self.add_event("exception", {**describe(exception), **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Nothing: these spans end with what they measure."""
