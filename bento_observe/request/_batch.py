"""A batch: one call of a handler for several requests, the span it is, and its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.trace import Status, StatusCode, TraceState

from bento_observe import semconv
from bento_observe.request._span import StageSpan, Work, error_type_of
from bento_observe.telemetry import ExplicitHistogram, collect, describe, random_bytes

__all__ = ["BatchHistograms", "BatchSpan"]

_NO_STATE = TraceState.get_default()


class BatchSpan(Work):
    """One batch of the API `api`, from leaving the queue to having its results.

    It is a child of its request where it has just one; of several it is nobody's, and begins a trace of its own. It is
    sampled if any of them is. `members` are their predict stages, `size` counts those too that could not be observed.
    `rows` are along the dimension `dim`, -1 while nobody has said how many; `waits` are the nanoseconds that its
    requests have waited, those aside that an earlier batch had taken a part of. `begun`: the handler has been called.
    """

    __slots__ = ("api", "begun", "dim", "members", "rows", "size", "waits")

    def __init__(self, api: str, members: list[StageSpan], size: int, dim: int) -> None:
        super().__init__()
        self.api = api
        self.members: Sequence[StageSpan] = members
        self.size = size
        self.rows = -1
        self.dim = dim
        self.begun = False
        self.span_id = random_bytes()
        self.sampled = False
        for member in members:
            if member.sampled:
                self.sampled = True
                break
        if size == len(members) == 1:
            (only,) = members
            self.trace_id, self.parent_id, self.trace_state = only.trace_id, only.span_id, only.trace_state
        else:
            self.trace_id, self.parent_id, self.trace_state = random_bytes() + random_bytes(), b"", _NO_STATE
        self.waits: list[int] = []
        self._tell(members)

    def _tell(self, members: list[StageSpan]) -> None:
        """Tell the members where they are now, and how long that took."""
        link, began, waits = ((self.trace_id, self.span_id, self.sampled),), self.start_ns, self.waits
        for member in members:
            member.batches += link
            if member.queue_ns < 0:
                member.queue_ns = wait = max(0, began - member.start_ns)
                waits.append(wait)

    def begin(self, data: Any) -> None:
        """The handler is called with `data`: the rows of all members, unless it is of a kind that does not tell."""
        self.begun = True
        try:
            shape = getattr(data, "shape", None)
            self.rows = int(shape[self.dim] if shape else len(data))
        except Exception:  # noqa: BLE001 - whoever made the batch knows by its parts
            self.rows = -1

    def fail(self, error: BaseException) -> None:
        """It fails with `error`; of several the first one is told."""
        if self.error_type:
            return
        self.error_type = error_type_of(error)
        if self.sampled:
            described = describe(error)
            self.add_event("exception", described)
            self.set_status(Status(StatusCode.ERROR, described[semconv.EXCEPTION_MESSAGE]))

    def finish(self, end_ns: int) -> None:
        """It is over, and nothing begins within it any more."""
        self.running = False
        self.close(end_ns)

    def release(self) -> None:
        """Let go of what has been sent."""
        self.stages = []
        self.members = ()
        self.additions = None


class BatchHistograms:
    """Size, rows and wait of batches by API. Everything here runs in the encoder thread."""

    def __init__(self) -> None:
        self._size = ExplicitHistogram(semconv.BATCH_SIZE, _attributes)
        self._rows = ExplicitHistogram(semconv.BATCH_ROWS, _attributes)
        self._wait = ExplicitHistogram(semconv.BATCH_WAIT, _attributes)

    def count(self, batch: BatchSpan, start_ns: int, trace_id: bytes | None) -> None:
        """Add one batch to series that start at `start_ns`; with a trace id it becomes an exemplar."""
        when, span_id = batch.start_unix_ns, batch.span_id
        self._size.series(batch.api, start_ns).record(batch.size, when, trace_id, span_id)
        self._rows.series(batch.api, start_ns).record(batch.rows, when, trace_id, span_id)
        waits = self._wait.series(batch.api, start_ns)
        for wait in batch.waits:
            waits.record(wait / 1e9, when, trace_id, span_id)

    def collect(self, now_ns: int, delta: bool) -> Iterable[Metric]:
        """The three families as OTLP has them."""
        return collect((self._size, self._rows, self._wait), now_ns, delta)


def _attributes(api: str) -> Mapping[str, Any]:
    return {semconv.API_NAME: api}
