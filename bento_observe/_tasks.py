"""Tasks: one that is submitted runs after its answer, is asked about in other requests, and by other workers.

What belongs together is linked through the task's id. This worker remembers which span submitted which task; for what
another worker submitted, the submit's trace context is kept with the task's input in BentoML's own store, as a header
of the stored request that nobody sees: it is taken out as soon as the request is read again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from opentelemetry.trace import SpanContext, TraceFlags
from starlette.requests import Request

from bento_observe import semconv
from bento_observe._stages import begin_stage, close_stage
from bento_observe.request import StageSpan, Work, current_request
from bento_observe.telemetry import Health

__all__ = ["ObservedSerde", "ObservedTasks", "Submitted"]

_HEADER = b"x-bento-observe-submit"
_MAX_TASKS = 10_000
_MAX_ID = 64  # characters of an id that a client made up
_MAX_SECONDS = 24 * 3600.0  # as long as BentoML keeps results


class Submitted:
    """Which spans submitted the tasks of this worker. For the event loop alone."""

    def __init__(self, limit: int = _MAX_TASKS, seconds: float = _MAX_SECONDS) -> None:
        self._limit = limit
        self._seconds = seconds
        self._spans: OrderedDict[str, tuple[float, SpanContext]] = OrderedDict()

    def add(self, task_id: str, span: SpanContext) -> None:
        """Remember a task; the oldest one is forgotten where there are too many."""
        self._spans[task_id] = (time.monotonic(), span)
        if len(self._spans) > self._limit:
            self._spans.popitem(last=False)

    def get(self, task_id: str) -> SpanContext | None:
        """The span that submitted it, if that is known here."""
        self._forget_old()
        found = self._spans.get(task_id)
        return None if found is None else found[1]

    def _forget_old(self) -> None:
        limit = time.monotonic() - self._seconds
        while self._spans and next(iter(self._spans.values()))[0] < limit:
            self._spans.popitem(last=False)


def link_to(span: SpanContext | None) -> None:
    """Link the request at hand to the span that submitted the task it asks about; once."""
    request = current_request.get()
    if request is None or span is None or span.span_id == request.get_span_context().span_id:
        return
    additions = request.additions
    if additions is None or all(link.context.span_id != span.span_id for link in additions.links):
        request.add_link(span)


def task_failed(request: Work | None, status: int) -> None:
    """The task that runs for `request` came to an answer with this status: an error from 400 on, as BentoML has it."""
    run = _run(request)
    if run is not None and request is not None and status >= 400:
        run.fail(next((stage.error_type for stage in request.later if stage.error_type), "") or str(status))


def _run(request: Work | None) -> StageSpan | None:
    if request is None or not request.later or request.later[0].stage != semconv.STAGE_TASK:
        return None
    return request.later[0]


class ObservedSerde:
    """Stands in for the serializer of BentoML's result store; does what that does, and carries the submit's span."""

    def __init__(self, serde: Any, health: Health) -> None:
        self._serde = serde
        self._health = health

    def __getattr__(self, name: str) -> Any:
        return getattr(self._serde, name)

    async def serialize_request(self, request: Any) -> bytes:
        """With the current request as a header, where there is one."""
        await request.body()  # read into the request at hand, which runs the task
        try:
            stored = _with_header(request)
        except Exception:  # noqa: BLE001 - a task without a link is still a task
            self._health.error("task")
            stored = request
        data: bytes = await self._serde.serialize_request(stored)
        return data

    async def deserialize_request(self, data: bytes) -> Any:
        """Without that header, which becomes a link of the request at hand."""
        request = await self._serde.deserialize_request(data)
        try:
            link_to(_take_header(request.scope))
        except Exception:  # noqa: BLE001 - as above
            self._health.error("task")
        return request

    async def serialize_response(self, response: Any) -> bytes:
        """The answer of a task that has run."""
        try:
            data: bytes = await self._serde.serialize_response(response)
        except Exception:
            task_failed(current_request.get(), 500)
            raise
        task_failed(current_request.get(), response.status_code)
        return data


def _with_header(request: Any) -> Any:
    span = current_request.get()
    if span is None:
        return request
    value = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-0{int(span.sampled)}".encode()
    kept = [header for header in request.scope["headers"] if header[0] != _HEADER]
    stored = Request({**request.scope, "headers": [*kept, (_HEADER, value)]})
    stored._body = request._body
    return stored


def _take_header(scope: dict[str, Any]) -> SpanContext | None:
    found = [value for name, value in scope["headers"] if name == _HEADER]
    if not found:
        return None
    scope["headers"] = [header for header in scope["headers"] if header[0] != _HEADER]
    _, trace_id, span_id, flags = found[0].decode().split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


class ObservedTasks:
    """Mixed into BentoML's application factory: its routes of tasks, observed.

    `_submitted` and `_health` are the factory's.
    """

    _submitted: Submitted
    _health: Health

    async def create_instance(self: Any, app: Any) -> None:
        """The service's instance, and the store of its tasks' results where it has any."""
        await super().create_instance(app)  # type: ignore[misc]
        try:
            store = getattr(self, "_result_store", None)
            if store is not None:
                store.serializer = ObservedSerde(store.serializer, self._health)
        except Exception:  # noqa: BLE001 - then only this worker's own tasks are linked
            self._health.error("task")

    async def submit_task(self: Any, name: str, request: Any) -> Any:
        """Also what a retry ends up with."""
        response = await super().submit_task(name, request)  # type: ignore[misc]
        try:
            span = current_request.get()
            if span is not None and response.background is not None:
                task_id = response.background.args[0]
                span.set_attribute(semconv.TASK_ID, task_id)
                self._submitted.add(task_id, span.get_span_context())
        except Exception:  # noqa: BLE001 - a task without a link is still a task
            self._health.error("task")
        return response

    async def _run_task(self: Any, task_id: str, name: str, request: Any) -> None:
        stage = begin_stage(semconv.STAGE_TASK, name, self._health)
        if stage is not None:
            stage.set_attribute(semconv.TASK_ID, task_id)
        try:
            await super()._run_task(task_id, name, request)  # type: ignore[misc]
        except BaseException as error:  # the worker is told to stop at once
            close_stage(stage, self._health, error)
            raise
        close_stage(stage, self._health)

    async def get_status(self: Any, request: Any) -> Any:
        """Linked to the submit."""
        self._asks_about(request)
        return await super().get_status(request)  # type: ignore[misc]

    async def get_result(self: Any, request: Any) -> Any:
        """Linked to the submit."""
        self._asks_about(request)
        return await super().get_result(request)  # type: ignore[misc]

    async def retry_task(self: Any, request: Any) -> Any:
        """Linked to the submit of the task that runs once more."""
        self._asks_about(request)
        return await super().retry_task(request)  # type: ignore[misc]

    async def cancel_task(self: Any, request: Any) -> Any:
        """Linked to the submit."""
        self._asks_about(request)
        return await super().cancel_task(request)  # type: ignore[misc]

    def _asks_about(self, request: Any) -> None:
        try:
            span, task_id = current_request.get(), request.query_params.get("task_id")
            if span is None or not task_id:
                return
            span.set_attribute(semconv.TASK_ID, task_id[:_MAX_ID])
            link_to(self._submitted.get(task_id))
        except Exception:  # noqa: BLE001 - as above
            self._health.error("task")
