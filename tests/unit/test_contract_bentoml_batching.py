"""What batching relies on in BentoML's private modules. If one of these fails, look at `bento_observe/batching.py`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from typing import Any

import attr
import bentoml
import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from bentoml._internal.context import trace_context
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from opentelemetry import trace
from test_core_spans import make_request

from bento_observe import batching, semconv
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.batching import batch_at_hand, join_batch, leave_batch, observe_dispatcher
from bento_observe.calls import instrument
from bento_observe.request import BatchSpan, RequestSpan, StageSpan, current_request
from bento_observe.runners._batches import observe_runner_dispatcher
from bento_observe.telemetry import Health


def dispatcher() -> Any:
    def fallback() -> Any:
        raise RuntimeError("too busy")

    return CorkDispatcher(1000, 16, fallback=fallback, get_batch_size=len)


def predict_stage() -> StageSpan:
    request = make_request()
    return request.stage("score", "predict", request.start_ns)


def test_a_job_has_the_fields_that_are_copied() -> None:
    """In this order; parts of a job are made by `attr.evolve`, so that a subclass stays one."""
    assert [field.name for field in attr.fields(Job)] == ["enqueue_time", "data", "future", "dispatch_time"]
    assert "attr.evolve" in inspect.getsource(CorkDispatcher.split_job)


def test_a_dispatcher_queues_and_calls_as_we_expect() -> None:
    """Jobs are appended to `_queue` by `inbound_call`; a batch is a task of `outbound_call`."""
    assert list(inspect.signature(CorkDispatcher.outbound_call).parameters) == ["self", "inputs_info", "training"]
    assert "self._queue.append(" in inspect.getsource(CorkDispatcher.inbound_call)
    assert inspect.getsource(CorkDispatcher).count("create_task(self.outbound_call(") == 2
    made = dispatcher()
    assert (made.batch_dim, list(made._queue), made.get_batch_size) == ((0, 0), [], len)


def test_the_application_has_dispatchers_and_infers_by_them() -> None:
    """`dispatchers` by API; `batch_infer` is what a request awaits."""
    assert list(inspect.signature(ServiceAppFactory.batch_infer).parameters) == [
        "self",
        "name",
        "input_args",
        "input_kwargs",
    ]
    assert "self.dispatchers[name](" in inspect.getsource(ServiceAppFactory.batch_infer)
    assert isinstance(type(trace_context).request_id, property)


def test_an_observed_dispatcher_tells_of_its_batches() -> None:
    """One with two requests, and one that nobody observed; results are what they were."""
    batches: list[BatchSpan] = []
    made = dispatcher()
    observe_dispatcher(made, "score", batches.append, Health())

    async def call(data: list[int], stage: StageSpan | None) -> Any:
        token = join_batch(stage) if stage is not None else None
        try:
            return await made(handle)(data)
        finally:
            if token is not None:
                leave_batch(token)

    async def handle(parts: Any) -> Any:
        return [[2 * number for number in part] for part in parts]

    stages = [predict_stage(), predict_stage()]

    async def run() -> Any:
        both = await asyncio.gather(*(call([1, 2], stage) for stage in stages))
        alone = await call([3], None)
        made.shutdown()
        return [*both, alone]

    assert asyncio.run(run()) == [[2, 4], [2, 4], [6]]
    assert [(batch.size, len(batch.members), batch.rows) for batch in batches] == [(2, 2, 4), (1, 0, 1)]
    assert {stage.batches for stage in stages} == {((batches[0].trace_id, batches[0].span_id, True),)}
    assert all(stage.queue_ns >= 0 for stage in stages)


@pytest.mark.parametrize("observe", [observe_dispatcher, observe_runner_dispatcher])
@pytest.mark.parametrize("observed", [True, False])
def test_a_batch_has_ids_of_its_own_in_log_lines(observe: Any, observed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML's lines name the request at hand by `trace_context`; not by the first request of all, in whose context
    each batch runs, nor where a batch cannot be observed."""
    if not observed:
        monkeypatch.setattr(batching, "BatchSpan", None)
    batches: list[BatchSpan] = []
    seen = []
    made = dispatcher()
    observe(made, "score", batches.append, Health())

    async def handle(parts: Any) -> Any:
        seen.append((trace_context.request_id, current_request.get(), trace.get_current_span().get_span_context()))
        return list(parts)

    async def run() -> None:
        for _ in range(2):
            request = make_request()
            current_request.set(request)
            trace_context.request_id = int.from_bytes(request.span_id, "big")
            with trace.use_span(request, end_on_exit=False):
                await made(handle)([1])
        made.shutdown()

    asyncio.run(run())
    if observed:
        contexts = [batch.get_span_context() for batch in batches]
        expected = [(span.span_id, batch, span) for span, batch in zip(contexts, batches, strict=True)]
        assert (len(seen), seen) == (2, expected)
    else:
        assert seen == [(None, None, trace.INVALID_SPAN_CONTEXT)] * 2


def test_requests_join_the_batches_of_a_runner_where_it_takes_them_in() -> None:
    """Each with a predict stage of its own, which ends with its result; what a method raises is an error of all."""
    batches: list[BatchSpan] = []
    made = dispatcher()
    observe_runner_dispatcher(made, "score", batches.append, Health())
    requests = [make_request() for _ in range(3)]
    for number, request in enumerate(requests):
        request.trace_id = bytes([number + 1]) * 16

    async def handle(parts: Any) -> Any:
        if len(parts) > 1:
            raise ValueError("too many")
        return list(parts)

    async def call(request: RequestSpan) -> Any:
        current_request.set(request)
        with trace.use_span(request, end_on_exit=False):
            return await made(handle)([1, 2])

    async def run() -> Any:
        results = await asyncio.gather(call(requests[0]))
        results += await asyncio.gather(call(requests[1]), call(requests[2]), return_exceptions=True)
        made.shutdown()
        return results

    first, *others = asyncio.run(run())
    assert (first, [repr(error) for error in others]) == ([1, 2], ["ValueError('too many')"] * 2)
    stages = [stage for request in requests for stage in request.stages]
    assert [(stage.api, stage.stage, stage.error_type, stage.ended) for stage in stages] == [
        ("score", "predict", "", True),
        *[("score", "predict", "ValueError", True)] * 2,
    ]
    assert [(list(batch.members), batch.rows, batch.error_type) for batch in batches] == [
        (stages[:1], 2, ""),
        (stages[1:], 4, "ValueError"),
    ]
    assert batches[0].trace_id == requests[0].trace_id
    assert batches[1].trace_id not in {request.trace_id for request in requests}


def test_rows_that_nobody_can_count_are_one_a_request() -> None:
    """As BentoML has it when it fills a batch; whatever data is, the batch is told."""

    def no_size(_data: Any) -> int:
        raise ValueError("of no known kind")

    batches: list[BatchSpan] = []
    health, made = Health(), dispatcher()
    made.get_batch_size = no_size
    observe_dispatcher(made, "score", batches.append, health)

    async def handle(parts: Any) -> Any:
        (batch,) = [batch_at_hand("score")]
        assert isinstance(batch, BatchSpan)
        batch.begin(object())  # as put together for the handler: without shape and length
        return list(parts)

    async def call(stage: StageSpan) -> Any:
        token = join_batch(stage)
        try:
            return await made(handle)(1)
        finally:
            leave_batch(token)

    async def run() -> Any:
        both = await asyncio.gather(call(predict_stage()), call(predict_stage()))
        made.shutdown()
        return both

    assert asyncio.run(run()) == [1, 1]
    assert [(batch.size, batch.rows) for batch in batches] == [(2, 2)]
    assert health.total(semconv.ERRORS) == 0


def test_a_batch_that_cannot_be_observed_is_no_part_of_the_first_request() -> None:
    """It runs in that request's context, without our dispatcher to set another: the handler sees no span at all."""
    seen = []

    @bentoml.service
    class Model:
        @bentoml.api(batchable=True)
        def score(self, rows: list[int]) -> list[int]:
            seen.append(trace.get_current_span().get_span_context().is_valid)
            return rows

    method = Model.apis["score"]
    recorder = FeatureRecording(References(None, print), {}, Health(), Drift()).recorder(method, "score")
    instrument(method, "score", recorder, Health())
    with trace.use_span(predict_stage(), end_on_exit=False):
        token = join_batch(None)
        assert method.func(None, [1, 2]) == [1, 2]
        leave_batch(token)
        assert method.func(None, [3]) == [3]  # called by somebody else, within a span

    assert seen == [False, True]


def test_a_dispatcher_that_is_not_as_known_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """One line says so."""

    class Other(CorkDispatcher):  # type: ignore[misc]
        pass

    other = dispatcher()
    other.__class__ = Other
    with caplog.at_level(logging.WARNING, "bento_observe"):
        observe_dispatcher(other, "score", lambda _batch: None, Health())

    assert type(other) is Other
    assert type(other._queue).__name__ == "deque"
    (record,) = caplog.records
    assert record.getMessage().startswith("bento_observe: batches of score are not observed")


@pytest.mark.parametrize(
    "gone", ["batch_dim", "get_batch_size", "_queue", "split_job", "outbound_call", "inbound_call"]
)
def test_a_dispatcher_without_one_of_its_parts_is_left_alone(
    gone: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed in a BentoML to come: requests are answered as they were, and one line says so."""
    made = dispatcher()
    if gone in vars(made):
        vars(made)[f"{gone}_renamed"] = vars(made).pop(gone)
    else:
        monkeypatch.delattr(CorkDispatcher, gone)
    with caplog.at_level(logging.WARNING, "bento_observe"):
        observe_dispatcher(made, "score", lambda _batch: None, Health())

    assert type(made) is CorkDispatcher
    assert type(vars(made).get("_queue", deque())) is deque
    (record,) = caplog.records
    assert record.getMessage().startswith("bento_observe: batches of score are not observed")
    assert gone in record.getMessage()
