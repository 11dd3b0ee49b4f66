"""The spans of a request, as light as they can be: slots filled in as the request goes, encoded when it is over.

They are real OpenTelemetry spans to user code (`trace.get_current_span()` returns one, attributes and events may be
added, SDK spans become their children), but making, ending and handing them over costs a fraction of the SDK's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, TraceFlags, TraceState

from bento_observe import semconv
from bento_observe.telemetry import describe, random_bytes, type_name

__all__ = ["Afterwards", "RequestSpan", "StageSpan", "Stream", "current_request"]

_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_NO_STATE = TraceState.get_default()
_CANCELLED = type_name(asyncio.CancelledError())
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


class _LiveSpan(Span):
    """What both kinds of span share: identity, and the methods that OpenTelemetry gives to user code."""

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


class Stream:
    """What a stage yielded so far: the number of items, the `perf_counter_ns` of the first one (0 before it), and
    whether there will be none any more because the handler came to its end."""

    __slots__ = ("done", "first_ns", "items")

    def __init__(self) -> None:
        self.items = 0
        self.first_ns = 0
        self.done = False


class StageSpan(_LiveSpan):
    """One stage of one API call.

    `start_ns` and `end_ns` are `time.perf_counter_ns` readings; `end_ns` is 0 while it runs. `queue_ns` is the wait for
    a thread before it, -1 where there was none. `stream` counts the items of one that yields any.
    """

    __slots__ = ("api", "end_ns", "error_type", "queue_ns", "stage", "start_ns", "stream")

    def __init__(self, request: RequestSpan, parent_id: bytes, api: str, stage: str, start_ns: int) -> None:
        self.trace_id = request.trace_id
        self.span_id = random_bytes()
        self.parent_id = parent_id
        self.sampled = request.sampled
        self.trace_state = request.trace_state
        self.ended = False
        self.additions = None
        self._context = None
        self.api = api
        self.stage = stage
        self.start_ns = start_ns
        self.end_ns = 0
        self.queue_ns = -1
        self.error_type = ""
        self.stream: Stream | None = None

    def close(self, end_ns: int, error: BaseException | None = None) -> None:
        """The stage is over, with `error` if it raised."""
        if self.ended:
            return
        if error is not None:
            self.error_type = error_type_of(error)
            if self.sampled:
                described = describe(error)
                self.add_event("exception", described)
                self.set_status(Status(StatusCode.ERROR, described[semconv.EXCEPTION_MESSAGE]))
        self.end_ns = end_ns
        self.ended = True

    def fail(self, error_type: str) -> None:
        """Call it an error without an exception; also one that is over."""
        self.error_type = error_type
        if self.sampled:
            self.additions = self.additions or Additions()
            self.additions.status = Status(StatusCode.ERROR)


class RequestSpan(_LiveSpan):
    """One HTTP request as the server saw it. Everything sent about it is made from this object, later.

    `start_unix_ns` is wall time; `start_ns` and `end_ns` are `time.perf_counter_ns` readings of the same clock as the
    stages'. Sizes are in bytes. `stages` are in the order they began. `later` are stages that began after
    the answer, in a task; none begins once `running` is False. `nested` is a call of the
    service to itself, which is no HTTP request. `method` is of the known methods or _OTHER, `method_given` is the
    client's word for it.
    """

    __slots__ = (
        "client", "end_ns", "error_type", "headers", "http_version", "later", "method", "method_given", "nested",
        "path", "query", "remote_parent", "request_size", "response_headers", "response_size", "route", "running",
        "scheme", "stages", "start_ns", "start_unix_ns", "status",
    )  # fmt: skip

    method: str
    method_given: str
    path: str
    query: bytes
    scheme: str
    http_version: str
    client: Sequence[Any] | None
    headers: dict[bytes, bytes]
    route: str
    nested: bool
    remote_parent: bool

    def __init__(self) -> None:
        self.ended = False
        self.additions = None
        self._context = None
        self.stages: list[StageSpan] = []
        self.later: list[StageSpan] = []
        self.running = True
        self.status = 0
        self.error_type = ""
        self.response_headers: Sequence[tuple[bytes, bytes]] = ()
        self.request_size = 0
        self.response_size = 0
        self.start_unix_ns = time.time_ns()
        self.start_ns = time.perf_counter_ns()
        self.end_ns = 0

    def stage(self, api: str, stage: str, start_ns: int, parent_id: bytes = b"") -> StageSpan:
        """Begin a stage of this request, below the span with id `parent_id` or the request itself."""
        span = StageSpan(self, parent_id or self._above(), api, stage, start_ns)
        (self.later if self.ended else self.stages).append(span)
        return span

    def _above(self) -> bytes:
        """What a stage is below: the request, or the task that runs after its answer."""
        if self.later and self.later[0].stage == semconv.STAGE_TASK:
            return self.later[0].span_id
        return self.span_id

    def unix_ns(self, reading: int) -> int:
        """A `perf_counter_ns` reading of this request as wall time."""
        return self.start_unix_ns + reading - self.start_ns

    def failure(self) -> str:
        """`error.type` of the stage that failed the request, whatever BentoML made of it; empty if none did.

        One that was cancelled did not fail it: BentoML does that when the request's time is up.
        """
        for stage in self.stages:
            if stage.error_type and stage.error_type != _CANCELLED and stage.parent_id == self.span_id:
                return stage.error_type
        return ""

    def judge_streams(self) -> None:
        """Say of a stream that was left before its end who left it. To be called before `failure` and `close`."""
        for stage in self.stages:
            stream = stage.stream
            if stream is None or stream.done or stage.error_type or stage.parent_id != self.span_id:
                continue
            if self.error_type == semconv.ERROR_TYPE_CLIENT_DISCONNECT:
                stage.error_type = self.error_type  # as on the server span, no error of the service's
            elif self.error_type or self.status >= 400:
                stage.fail(self.error_type or str(self.status))
            else:
                stage.fail(semconv.ERROR_TYPE_STREAM_BROKEN)

    def close(self, end_ns: int) -> None:
        """The request is over; a stage still running (its thread outlived a time-out) is cut off here."""
        if not self.end_ns:
            self.end_ns = end_ns
        self.ended = True
        for stage in self.stages:
            if not stage.ended and self.status >= 500:
                stage.fail(str(self.status))
            stage.close(max(self.end_ns, stage.start_ns))

    def release(self) -> None:
        """Let go of what has been sent: BentoML keeps a request's context alive for the whole of its time-out."""
        self.headers = {}
        self.response_headers = ()
        self.stages = []
        self.additions = None

    def leave(self, end_ns: int) -> Afterwards | None:
        """The application is through with the request; what it did after the answer, if anything."""
        self.running = False
        for stage in self.later:
            stage.close(max(end_ns, stage.start_ns))
        return Afterwards(self) if self.later else None


class Afterwards:
    """The stages of a request that began after its answer."""

    __slots__ = ("request", "stages")

    def __init__(self, request: RequestSpan) -> None:
        self.request = request
        self.stages = tuple(request.later)


current_request: ContextVar[RequestSpan | None] = ContextVar("bento_observe_request", default=None)
"""The request that the running code works for; threads started by BentoML for it see it too."""


def error_type_of(error: BaseException) -> str:
    """`error.type` of an exception: its class's full name; the client's own hanging up has a name of its own."""
    if type(error).__name__ == "ClientDisconnect":
        return semconv.ERROR_TYPE_CLIENT_DISCONNECT
    return type_name(error)
