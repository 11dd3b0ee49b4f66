"""The spans of a request, as light as they can be: slots filled in as the request goes, encoded when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import Status, StatusCode, TraceState

from bento_observe import semconv
from bento_observe.request._live import Additions, LiveSpan
from bento_observe.telemetry import describe, random_bytes, type_name

__all__ = ["Afterwards", "RequestSpan", "StageSpan", "Stream", "Work", "current_request"]

_NO_STATE = TraceState.get_default()
_CANCELLED = type_name(asyncio.CancelledError())
_MAX_STAGES = 1000
"""Of a request, and as many again after its answer: a stream may call another API for each item, for hours. The
request's own encoding, which comes last, has a place of its own."""


class Stream:
    """What a stage yielded so far: the number of items, the `perf_counter_ns` of the first one (0 before it), and
    whether there will be none any more because the handler came to its end."""

    __slots__ = ("done", "first_ns", "items")

    def __init__(self) -> None:
        self.items = 0
        self.first_ns = 0
        self.done = False


class StageSpan(LiveSpan):
    """One stage of one API call.

    `start_ns` and `end_ns` are `time.perf_counter_ns` readings; `end_ns` is 0 while it runs. `queue_ns` is the wait for
    a thread before it, or for a batch within it; -1 where there was none. `batches` are the batches it took part in:
    trace id, span id and whether they are sampled. `stream` counts the items of one that yields any.
    """

    __slots__ = ("api", "batches", "end_ns", "error_type", "queue_ns", "stage", "start_ns", "stream")

    def __init__(self, request: Work, parent_id: bytes, api: str, stage: str, start_ns: int) -> None:
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
        self.batches: tuple[tuple[bytes, bytes, bool], ...] = ()
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


class Work(LiveSpan):
    """What API calls are stages of: a request, or a batch of many.

    `start_unix_ns` is wall time; `start_ns` and `end_ns` are `time.perf_counter_ns` readings of the same clock as the
    stages'. `stages` are in the order they began; none begins once `running` is False.
    """

    __slots__ = ("end_ns", "error_type", "later", "running", "stages", "start_ns", "start_unix_ns")

    def __init__(self) -> None:
        self.ended = False
        self.additions = None
        self._context = None
        self.stages: list[StageSpan] = []
        self.later: list[StageSpan] = []
        self.running = True
        self.error_type = ""
        self.start_unix_ns = time.time_ns()
        self.start_ns = time.perf_counter_ns()
        self.end_ns = 0

    def stage(self, api: str, stage: str, start_ns: int, parent_id: bytes = b"") -> StageSpan | None:
        """Begin a stage, below the span with id `parent_id` or what is above by default; None where there are 1,000."""
        stages = self.later if self.ended else self.stages
        if len(stages) >= _MAX_STAGES + (stage == semconv.STAGE_ENCODE):
            return None
        span = StageSpan(self, parent_id or self._above(), api, stage, start_ns)
        stages.append(span)
        return span

    def _above(self) -> bytes:
        return self.span_id

    def unix_ns(self, reading: int) -> int:
        """A `perf_counter_ns` reading as wall time."""
        return self.start_unix_ns + reading - self.start_ns

    def close(self, end_ns: int) -> None:
        """It is over; a stage still running (its thread outlived a time-out) is cut off here."""
        if not self.end_ns:
            self.end_ns = end_ns
        self.ended = True
        for stage in self.stages:
            stage.close(max(self.end_ns, stage.start_ns))


class RequestSpan(Work):
    """One HTTP request as the server saw it. Everything sent about it is made from this object, later.

    Sizes are in bytes. `later` are stages that began after the answer, in a task. `nested` is a call of the
    service to itself, which is no HTTP request. `method` is of the known methods or _OTHER, `method_given` is the
    client's word for it. `prediction_ids` are None until it has been decided whether it has any.
    """

    __slots__ = (
        "client", "headers", "http_version", "method", "method_given", "nested", "path", "prediction_ids", "query",
        "remote_parent",
        "request_size", "response_headers", "response_size", "route", "scheme", "status",
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
        super().__init__()
        self.status = 0
        self.response_headers: Sequence[tuple[bytes, bytes]] = ()
        self.prediction_ids: Sequence[str] | None = None
        self.request_size = 0
        self.response_size = 0

    def _above(self) -> bytes:
        """What a stage is below: the request, or the task that runs after its answer."""
        if self.later and self.later[0].stage == semconv.STAGE_TASK:
            return self.later[0].span_id
        return self.span_id

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
        """The request is over; a stage still running is cut off here, by a time-out for one."""
        if self.status >= 500:
            for stage in self.stages:
                if not stage.ended:
                    stage.fail(str(self.status))
        super().close(end_ns)

    def release(self) -> None:
        """Let go of what has been sent: BentoML keeps a request's context alive for the whole of its time-out."""
        self.headers = {}
        self.response_headers = ()
        self.stages = []
        self.additions = None
        self.prediction_ids = ()

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

    def release(self) -> None:
        """Let go of what has been sent."""
        self.request.later = []
        self.stages = ()


current_request: ContextVar[Work | None] = ContextVar("bento_observe_request", default=None)
"""The request, or the batch, that the running code works for; threads started by BentoML for it see it too."""


def error_type_of(error: BaseException) -> str:
    """`error.type` of an exception: its class's full name; the client's own hanging up has a name of its own."""
    if type(error).__name__ == "ClientDisconnect":
        return semconv.ERROR_TYPE_CLIENT_DISCONNECT
    return type_name(error)
