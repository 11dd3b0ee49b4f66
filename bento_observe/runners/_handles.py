"""How a runner is reached, observed: over HTTP from the API server, or directly in the process it lives in."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import aiohttp
from bentoml._internal.context import server_context
from bentoml._internal.runner.runner_handle.local import LocalRunnerRef
from bentoml._internal.runner.runner_handle.remote import RemoteRunnerClient
from opentelemetry import propagate
from opentelemetry.trace import get_current_span

from bento_observe import semconv
from bento_observe._client_calls import ClientCalls, Where
from bento_observe._process import Worker, current_worker
from bento_observe._stages import inner_stage
from bento_observe.request import CallSpan, RequestSpan, current_request
from bento_observe.runners._calls import method_recorder, observed_method
from bento_observe.runners._marks import CALLER_HEADER, OPTIONS, RECORDING

__all__ = ["observed_handle"]

logger = logging.getLogger("bento_observe")


def observed_handle(runner: Any, handle_class: Any) -> Any:
    """What makes the observed kind of a handle; the class itself where nothing of it can be observed."""
    worker = current_worker()
    if handle_class is LocalRunnerRef:
        if worker is None and server_context.service_type == "api_server":
            logger.warning(
                "bento_observe: runner %s is embedded in a service that is not observed; observe the service, too",
                runner.name,
            )
            return handle_class
        return _Local
    if handle_class is RemoteRunnerClient and worker is not None:
        return partial(_Client, worker)
    return handle_class


class _Client(RemoteRunnerClient):  # type: ignore[misc]
    """Calls the runner's process, as a span of kind CLIENT whose context goes with the call."""

    def __init__(self, worker: Worker, runner: Any) -> None:
        super().__init__(runner)
        self._health = worker.telemetry.health
        self._calls = ClientCalls(worker.source.add, worker.telemetry.sampled, self._health)
        self._observed_session: Any = None

    @property
    def _client(self) -> Any:
        session = super()._client
        if session is not self._observed_session:
            self._observed_session = session
            try:
                # In the place of BentoML's own, which makes a span a call, and one for each probe of readiness.
                session.trace_configs[:] = [_tracing()]
            except Exception:  # noqa: BLE001 - calls go on, as two spans each
                self._health.error("client")
        return session

    async def async_run_method(self, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        with self._calls.observe(partial(self._where, method)):
            return await super().async_run_method(method, *args, **kwargs)

    def async_stream_method(self, method: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[str, None]:
        items = super().async_stream_method(method, *args, **kwargs)
        return self._calls.stream(items, partial(self._where, method), get_current_span())

    def _where(self, method: Any) -> Where:
        name = self._runner.name
        return Where(
            self._remote_runner_server_map[name], "/" if method.name == "__call__" else f"/{method.name}", name
        )


def _tracing() -> aiohttp.TraceConfig:
    """Sends the current span's context along, and that it is ours; notes the answer's status on it."""

    async def on_request_start(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        propagate.inject(params.headers)
        params.headers[CALLER_HEADER] = "1"

    async def on_request_end(_session: Any, _context: Any, params: aiohttp.TraceRequestEndParams) -> None:
        span = get_current_span()
        if isinstance(span, CallSpan):
            span.status = params.response.status

    config = aiohttp.TraceConfig()
    config.on_request_start.append(on_request_start)
    config.on_request_end.append(on_request_end)
    config.freeze()
    return config


class _Local(LocalRunnerRef):  # type: ignore[misc]
    """Calls the runnable in this process."""

    def __init__(self, runner: Any) -> None:
        super().__init__(runner)
        runnable: Any = self._runnable
        self._methods = _Methods(runner, runnable)
        self._runnable: Any = self._methods

    async def async_run_method(self, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        request = current_request.get()
        # In a process of the runner's own, what came before is the decoding of its arguments; from here to the stage
        # `predict` it waits for the runner's only thread.
        if isinstance(request, RequestSpan) and request.running and not request.stages:
            self._methods.decoded(request, method.name)
        return await super().async_run_method(method, *args, **kwargs)


class _Methods:
    """Stands in for a runnable: its methods, observed as soon as something observes this process."""

    def __init__(self, runner: Any, runnable: Any) -> None:
        self._runner = runner
        self._runnable = runnable
        self._made: dict[str, Any] = {}
        self._worker: Worker | None = None
        self._connect()

    def __getattr__(self, name: str) -> Any:
        made = self._made.get(name)
        if made is None and self._connect():
            made = self._made.get(name)
        return getattr(self._runnable, name) if made is None else made

    def decoded(self, request: Any, name: str) -> None:
        """The request's arguments are there."""
        if self._worker is not None:
            stage = inner_stage(semconv.STAGE_DECODE, self._label(name), self._worker.telemetry.health, request)
            if stage is not None:
                decoded_ns, stage.start_ns = stage.start_ns, request.start_ns
                stage.close(decoded_ns)

    def _label(self, name: str) -> str:
        return name if RECORDING in vars(self._runner) else f"{self._runner.name}.{name}"

    def _connect(self) -> bool:
        """Observe the methods, the first time that there is a worker; whether it was now."""
        worker = current_worker()
        if self._worker is not None or worker is None:
            return False
        self._worker = worker
        health = worker.telemetry.health
        try:
            recording = vars(self._runner).get(RECORDING)
            if recording is None:
                recording = worker.recording_of(self._runner.models, vars(self._runner)[OPTIONS])
            made = {}
            for name, method in self._runner.runnable_class.bentoml_runnable_methods__.items():
                recorder = method_recorder(recording, method.func, self._label(name))
                bound = getattr(self._runnable, name)
                batchable = method.config.batchable
                made[name] = observed_method(bound, method.func, batchable, self._label(name), recorder, health)
            self._made = made
        except Exception:  # noqa: BLE001 - unobserved, it runs all the same
            health.error("runner")
        return True
