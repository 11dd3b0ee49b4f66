"""Adaptive batching: each batch observed, and each request's part in it.

BentoML has a dispatcher for each batchable API of a worker, and for each batchable method of a runner. It queues
requests on the event loop and calls the handler for many of them at once, in a task of its own for each batch. All
these tasks have the context of the request that came first of all, which is over, so whatever is current in a batch is
set here anew.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar, Token
from typing import Any

import attr
from bentoml._internal.context import trace_context
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from opentelemetry.context import Context, attach
from opentelemetry.trace import set_span_in_context

from bento_observe.request import BatchSpan, StageSpan, current_request
from bento_observe.telemetry import Health

__all__ = ["ObservedDispatcher", "Unobserved", "batch_at_hand", "join_batch", "leave_batch", "observe_dispatcher"]

logger = logging.getLogger("bento_observe")

_joined: ContextVar[StageSpan | bool] = ContextVar("bento_observe_joined", default=False)
"""The predict stage of the request that joins a batch, True for one without; and so in the batches themselves."""
_current: ContextVar[BatchSpan | None] = ContextVar("bento_observe_batch", default=None)

_FIELDS = ["enqueue_time", "data", "future", "dispatch_time"]
_SEAMS = {
    "inbound_call": ["self", "data"],
    "outbound_call": ["self", "inputs_info", "training"],
    "split_job": ["self", "job", "split_indexes"],
}
"""The methods of a dispatcher that are replaced or relied on, and what they take."""


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


class ObservedDispatcher(CorkDispatcher):  # type: ignore[misc]
    """A dispatcher becomes one of these by a change of its class; `batches` is set then."""

    batches: _Batches

    async def outbound_call(self, inputs_info: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        # A task of its own: what is made current here is so for this batch alone.
        batches = self.batches
        batch = batches.begin(inputs_info)
        _joined.set(True)
        _current.set(batch)
        current_request.set(batch)
        attach(Context() if batch is None else set_span_in_context(batch, Context()))
        # BentoML's log lines name it; it would be that of the first request of all.
        trace_context.request_id = None if batch is None else int.from_bytes(batch.span_id, "big")
        try:
            await super().outbound_call(inputs_info, *args, **kwargs)
        except BaseException as error:
            batches.fail(batch, error)
            raise
        finally:
            batches.finish(batch, inputs_info)


class _Batches:
    """Makes the batches of one API, joined along the dimension `dim`; `rows_of` says how many rows a job's data has.

    Nothing here raises: an unobserved batch, which is None, is still a batch.
    """

    def __init__(
        self, api: str, dim: int, rows_of: Callable[[Any], int], add: Callable[[BatchSpan], None], health: Health
    ) -> None:
        self.api = api
        self.health = health
        self._dim = dim
        self._rows_of = rows_of
        self._add = add

    def begin(self, jobs: Sequence[Any]) -> BatchSpan | None:
        try:
            found = (getattr(job, "stage", None) for job in jobs)
            return BatchSpan(self.api, [stage for stage in found if stage is not None], len(jobs), self._dim)
        except Exception:  # noqa: BLE001 - see above
            self.health.error("batch")
            return None

    def fail(self, batch: BatchSpan | None, error: BaseException) -> None:
        try:
            if batch is not None:
                batch.fail(error)
        except Exception:  # noqa: BLE001 - see above
            self.health.error("batch")

    def finish(self, batch: BatchSpan | None, jobs: Sequence[Any]) -> None:
        if batch is None:
            return
        if batch.rows < 0:  # its parts could not be put together, or are of no known kind
            batch.rows = sum(self._rows(job) for job in jobs)
        try:
            error = _failure(jobs)
            if error is not None:
                batch.fail(error)
        except Exception:  # noqa: BLE001 - see above
            self.health.error("batch")
        try:
            batch.finish(time.perf_counter_ns())
            self._add(batch)
        except Exception:  # noqa: BLE001 - see above
            self.health.error("batch")

    def _rows(self, job: Any) -> int:
        """One where nobody can say, as BentoML has it when it fills a batch."""
        try:
            return int(self._rows_of(job.data))
        except Exception:  # noqa: BLE001 - see above
            return 1


def _failure(jobs: Iterable[Any]) -> BaseException | None:
    """The exception that BentoML gave to all of them who are still there."""
    for job in jobs:
        if job.future.done() and not job.future.cancelled():
            result = job.future.result()
            return result if isinstance(result, Exception) else None
    return None


def observe_dispatcher(
    dispatcher: Any,
    api: str,
    add: Callable[[BatchSpan], None],
    health: Health,
    kind: type[ObservedDispatcher] = ObservedDispatcher,
) -> None:
    """Observe the batches that a dispatcher makes for the API called `api` in telemetry; `add` takes each when it ends.

    It becomes one of `kind`. Where BentoML's dispatcher is not as known, it stays as it is, and that is logged.
    """
    try:
        fault = _fault(dispatcher)
        if fault:
            raise TypeError(fault)
        batches = _Batches(api, dispatcher.batch_dim[0], dispatcher.get_batch_size, add, health)
        queue = _Queue(dispatcher._queue)
        dispatcher.__class__ = kind
        dispatcher.batches = batches
        dispatcher._queue = queue
    except Exception as error:  # noqa: BLE001 - an unobserved dispatcher is still a dispatcher
        logger.warning("bento_observe: batches of %s are not observed: BentoML is new to us: %s", api, error)


def _fault(dispatcher: Any) -> str:
    """What is not as known of a dispatcher; empty for nothing."""
    fields = [field.name for field in attr.fields(Job)]
    if type(dispatcher) is not CorkDispatcher or fields != _FIELDS:
        return f"{type(dispatcher).__name__} of {fields}"
    for name, known in _SEAMS.items():
        taken = list(inspect.signature(getattr(CorkDispatcher, name)).parameters)
        if taken != known:
            return f"{name} takes {taken}"
    return ""
