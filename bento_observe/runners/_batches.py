"""Batches of a runner: one span for all requests in it, and how long they were waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher
from opentelemetry.context import Context, attach
from opentelemetry.trace import set_span_in_context

from bento_observe import semconv
from bento_observe._stages import close_stage, predict_stage
from bento_observe.request import StageSpan, Work, current_request
from bento_observe.runners._batch_metrics import Batch, BatchMetrics
from bento_observe.telemetry import Health

__all__ = ["BatchObserver", "ObservedDispatcher", "in_runner_batch"]

in_runner_batch: ContextVar[bool] = ContextVar("bento_observe_in_runner_batch", default=False)
"""Whether the running code works for a batch."""

_MEMBER = "__bento_observe_member__"


class _Member:
    """A request on its way through a batch: the stage from its joining the queue to its having the result."""

    __slots__ = ("dispatched", "request", "stage")

    def __init__(self, request: Work, stage: StageSpan) -> None:
        self.request = request
        self.stage = stage
        self.dispatched = False


class ObservedDispatcher(CorkDispatcher):  # type: ignore[misc]
    """BentoML's dispatcher, of which an instance is made one of these. `observer` is set by whoever does so."""

    observer: BatchObserver

    async def inbound_call(self, data: Any) -> Any:
        member = self.observer.join(data)
        try:
            result = await super().inbound_call(data)
        except BaseException as error:
            self.observer.leave(member, error)
            raise
        self.observer.leave(member, result if isinstance(result, Exception) else None)
        return result

    async def outbound_call(self, inputs_info: Sequence[Any], training: bool = False) -> None:
        # A task of its own: what is made current here is so for this batch alone. BentoML runs all of them in the
        # context of the request that came first of all, which is over.
        batch = self.observer.begin(inputs_info, self.get_batch_size)
        try:
            await super().outbound_call(inputs_info, training)
        finally:
            self.observer.end(batch, inputs_info)

    def split_job(self, job: Any, split_indexes: list[int]) -> tuple[Any, Any]:
        parts: tuple[Any, Any] = super().split_job(job, split_indexes)
        for part in parts:
            self.observer.follow(job.data, part.data)
        return parts


class BatchObserver:
    """Observes the batches of one method. Nothing here raises."""

    def __init__(self, label: str, metrics: BatchMetrics, health: Health) -> None:
        self._label = label
        self._metrics = metrics
        self._health = health

    def join(self, data: Any) -> _Member | None:
        """The request at hand joins the queue, with `data`."""
        stage, request = predict_stage(self._label, self._health), current_request.get()
        if stage is None or request is None:
            return None
        member = _Member(request, stage)
        try:
            setattr(data, _MEMBER, member)
        except Exception:  # noqa: BLE001 - it takes part unseen
            self._health.error("batch")
        return member

    def leave(self, member: _Member | None, error: BaseException | None) -> None:
        """The request has its result."""
        if member is not None:
            close_stage(member.stage, self._health, error)

    def follow(self, data: Any, part: Any) -> None:
        """`part` is one of `data`, too large for one batch."""
        member = getattr(data, _MEMBER, None)
        try:
            if member is not None:
                setattr(part, _MEMBER, member)
        except Exception:  # noqa: BLE001 - as above
            self._health.error("batch")

    def begin(self, jobs: Sequence[Any], rows_of: Any) -> tuple[Batch, StageSpan | None] | None:
        """These jobs are a batch; its span, below that of one of its requests, is the current one from here on."""
        in_runner_batch.set(True)
        try:
            now, wall = time.perf_counter_ns(), time.time()
            members, waits = [], []
            for job in jobs:
                member = getattr(job.data, _MEMBER, None)
                if member is None or not member.dispatched:  # of a request in parts the first one tells
                    waits.append(max(0, int((wall - job.enqueue_time) * 1e9)))
                    if member is not None:
                        member.dispatched = True
                        member.stage.queue_ns = waits[-1]
                        member.stage.set_attribute(semconv.ATTRIBUTE_BATCH_WAIT, waits[-1] / 1e9)
                if member is not None and member.request.running and not member.request.ended:
                    members.append(member)
            batch = Batch(self._label, len(jobs), sum(rows_of(job.data) for job in jobs), waits, time.time_ns())
            members.sort(key=lambda member: not member.request.sampled)
            stage = self._span(members, batch, now) if members else None
            current_request.set(members[0].request if members else None)
            attach(Context() if stage is None else set_span_in_context(stage, Context()))
            return batch, stage
        except Exception:  # noqa: BLE001 - as above
            self._health.error("batch")
            current_request.set(None)
            attach(Context())
            return None

    def _span(self, members: list[_Member], batch: Batch, now: int) -> StageSpan | None:
        host, *others = members
        stage = host.request.stage(self._label, semconv.STAGE_BATCH, now, host.stage.span_id)
        if stage is None:
            return None
        stage.set_attribute(semconv.ATTRIBUTE_BATCH_SIZE, batch.size)
        stage.set_attribute(semconv.ATTRIBUTE_BATCH_ROWS, batch.rows)
        if stage.sampled:
            for other in others:
                if other.request.sampled:
                    stage.add_link(other.request.get_span_context())
                    other.request.add_link(stage.get_span_context())
            batch.trace_id, batch.span_id = stage.trace_id, stage.span_id
        return stage

    def end(self, begun: tuple[Batch, StageSpan | None] | None, jobs: Sequence[Any]) -> None:
        """The batch has been answered."""
        if begun is None:
            return
        batch, stage = begun
        close_stage(stage, self._health, _failure(jobs))
        self._metrics.add(batch)


def _failure(jobs: Sequence[Any]) -> BaseException | None:
    """The exception that all of a batch get."""
    futures = [job.future for job in jobs if job.future.done() and not job.future.cancelled()]
    result = futures[0].result() if futures else None
    return result if isinstance(result, Exception) else None
