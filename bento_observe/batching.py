"""Adaptive batching: each batch observed, and each request's part in it.

BentoML has a dispatcher for each batchable API of a worker. It queues requests on the event loop and calls the handler
for many of them at once, in a task of its own for each batch. All these tasks have the context of the request that
came first of all, which is over, so whatever is current in a batch is set here anew.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar, Token
from typing import Any

import attr
from bentoml._internal.context import trace_context
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe.request import BatchSpan, StageSpan, current_request
from bento_observe.telemetry import Health

__all__ = ["Unobserved", "batch_at_hand", "join_batch", "leave_batch", "observe_dispatcher"]

logger = logging.getLogger("bento_observe")

_joined: ContextVar[StageSpan | bool] = ContextVar("bento_observe_joined", default=False)
"""The predict stage of the request that joins a batch, True for one without; and so in the batches themselves."""
_current: ContextVar[BatchSpan | None] = ContextVar("bento_observe_batch", default=None)


class Unobserved:
    """Stands for a batch that could not be observed."""


_UNOBSERVED = Unobserved()


def join_batch(stage: StageSpan | None) -> Token[StageSpan | bool]:
    """What is awaited from here on is the request's part in a batch."""
    return _joined.set(stage or True)


def leave_batch(token: Token[StageSpan | bool]) -> None:
    """It has its result."""
    _joined.reset(token)


def batch_at_hand(api: str) -> BatchSpan | Unobserved | None:
    """The batch that the handler of `api` is called for; None where somebody else calls it, one in a batch included."""
    if not _joined.get():
        return None
    batch = _current.get()
    if batch is None:
        return _UNOBSERVED
    return None if batch.begun or batch.api != api else batch


@attr.define
class _Member(Job):  # type: ignore[misc]
    """A job that knows its request's predict stage; so do the parts that it is split into."""

    stage: StageSpan | None = None


class _Queue(deque[Any]):
    """The queue of a dispatcher. What is appended in the context of a request becomes a member."""

    def append(self, job: Any, /) -> None:
        stage = _joined.get()
        if isinstance(stage, StageSpan):
            job = _Member(job.enqueue_time, job.data, job.future, job.dispatch_time, stage)  # type: ignore[call-arg]
        super().append(job)


class _ObservedDispatcher(CorkDispatcher):  # type: ignore[misc]
    """A dispatcher becomes one of these by a change of its class; `batches` is set then."""

    batches: _Batches

    async def outbound_call(self, inputs_info: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        batches = self.batches
        batch = batches.begin(inputs_info, self.batch_dim[0])
        if batch is None:
            await super().outbound_call(inputs_info, *args, **kwargs)
            return
        token = attach(set_span_in_context(batch, Context()))
        current_request.set(batch)
        _current.set(batch)
        # BentoML's log lines name it; it would be that of the first request of all.
        trace_context.request_id = int.from_bytes(batch.span_id, "big")
        try:
            await super().outbound_call(inputs_info, *args, **kwargs)
        except BaseException as error:
            batches.fail(batch, error)
            raise
        finally:
            detach(token)
            batches.finish(batch, inputs_info, self.get_batch_size)


class _Batches:
    """Makes the batches of one API. Nothing here raises: an unobserved batch is still a batch."""

    def __init__(self, api: str, add: Callable[[BatchSpan], None], health: Health) -> None:
        self._api = api
        self._add = add
        self._health = health

    def begin(self, jobs: Sequence[Any], dim: int) -> BatchSpan | None:
        try:
            found = (getattr(job, "stage", None) for job in jobs)
            return BatchSpan(self._api, [stage for stage in found if stage is not None], len(jobs), dim)
        except Exception:  # noqa: BLE001 - see above
            self._health.error("batch")
            return None

    def fail(self, batch: BatchSpan, error: BaseException) -> None:
        try:
            batch.fail(error)
        except Exception:  # noqa: BLE001 - see above
            self._health.error("batch")

    def finish(self, batch: BatchSpan, jobs: Sequence[Any], rows_of: Callable[[Any], int]) -> None:
        try:
            error = _failure(jobs)
            if error is not None:
                batch.fail(error)
            if not batch.begun:  # its parts could not be put together
                batch.rows = sum(rows_of(job.data) for job in jobs)
        except Exception:  # noqa: BLE001 - see above
            self._health.error("batch")
        batch.finish(time.perf_counter_ns())
        self._add(batch)


def _failure(jobs: Iterable[Any]) -> BaseException | None:
    """The exception that BentoML gave to all of them who are still there."""
    for job in jobs:
        if job.future.done() and not job.future.cancelled():
            result = job.future.result()
            return result if isinstance(result, Exception) else None
    return None


def observe_dispatcher(dispatcher: Any, api: str, add: Callable[[BatchSpan], None], health: Health) -> None:
    """Observe the batches that a dispatcher makes for the API called `api` in telemetry; `add` takes each when it ends.

    Where BentoML's dispatcher is not as known, it stays as it is, and that is logged.
    """
    try:
        fields = [field.name for field in attr.fields(Job)]
        if type(dispatcher) is not CorkDispatcher or fields != ["enqueue_time", "data", "future", "dispatch_time"]:
            raise TypeError(f"{type(dispatcher).__name__} of {fields}")
        queue = _Queue(dispatcher._queue)
        dispatcher.__class__ = _ObservedDispatcher
        dispatcher.batches = _Batches(api, add, health)
        dispatcher._queue = queue
    except Exception as error:  # noqa: BLE001 - an unobserved dispatcher is still a dispatcher
        logger.warning("bento_observe: batches of %s are not observed: BentoML is new to us: %s", api, error)
