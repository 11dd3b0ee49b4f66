"""How a runner is reached, observed: over HTTP from the API server, or directly in the process it lives in."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
from bentoml._internal.context import server_context
from bentoml._internal.runner.runner_handle.local import LocalRunnerRef
from bentoml._internal.runner.runner_handle.remote import RemoteRunnerClient
from opentelemetry import propagate
from opentelemetry.context import attach, detach
from opentelemetry.trace import get_current_span, set_span_in_context

from bento_observe import semconv
from bento_observe._process import Worker, current_worker
from bento_observe._stages import close_stage, inner_stage
from bento_observe.request import current_request
from bento_observe.runners._batches import in_runner_batch
from bento_observe.runners._calls import method_recorder, observed_method
from bento_observe.runners._marks import CALLER_HEADER, OPTIONS, RECORDING
from bento_observe.telemetry import Health

__all__ = ["observed_handle"]

logger = logging.getLogger("bento_observe")


def observed_handle(runner: Any, handle_class: Any) -> Any:
    """The observed kind of a handle's class; the class itself where nothing of it can be observed."""
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
        return _Client
    return handle_class


class _Client(RemoteRunnerClient):  # type: ignore[misc]
    """Calls the runner's process, as a span of kind CLIENT whose context goes with the call."""

    def __init__(self, runner: Any) -> None:
        super().__init__(runner)
        worker = current_worker()
        self._health = Health() if worker is None else worker.telemetry.health
        self._observed_session: Any = None

    @property
    def _client(self) -> Any:
        session = super()._client
        if session is not self._observed_session:
            self._observed_session = session
            try:
                # In the place of BentoML's own, which makes a span a call, and one for each probe of readiness.
                session.trace_configs[:] = [_propagation()]
            except Exception:  # noqa: BLE001 - calls go on, as two spans each
                self._health.error("client")
        return session

    async def async_run_method(self, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        stage = inner_stage(semconv.STAGE_CALL, self._label(method), self._health, get_current_span())
        if stage is None:
            return await super().async_run_method(method, *args, **kwargs)
        token = attach(set_span_in_context(stage))
        try:
            return await super().async_run_method(method, *args, **kwargs)
        except BaseException as error:
            close_stage(stage, self._health, error)
            raise
        finally:
            detach(token)
            close_stage(stage, self._health)

    async def _stream(self, label: str, within: Any, items: Any) -> AsyncGenerator[str, None]:
        stage = inner_stage(semconv.STAGE_CALL, label, self._health, within)
        try:
            while True:
                token = None if stage is None else attach(set_span_in_context(stage))
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
                finally:
                    if token is not None:
                        detach(token)
                yield item
        except BaseException as error:
            close_stage(stage, self._health, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            close_stage(stage, self._health)
            await items.aclose()

    def async_stream_method(self, method: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[str, None]:
        items = super().async_stream_method(method, *args, **kwargs)
        return self._stream(self._label(method), get_current_span(), items)

    def _label(self, method: Any) -> str:
        return f"{self._runner.name}.{method.name}"


def _propagation() -> aiohttp.TraceConfig:
    """Sends the current span's context along, and that it is ours."""

    async def on_request_start(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        propagate.inject(params.headers)
        params.headers[CALLER_HEADER] = "1"

    config = aiohttp.TraceConfig()
    config.on_request_start.append(on_request_start)
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
        if request is not None and request.running and not request.stages and not in_runner_batch.get():
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
                made[name] = observed_method(bound, method.func, self._label(name), recorder, health)
            self._made = made
        except Exception:  # noqa: BLE001 - unobserved, it runs all the same
            health.error("runner")
        return True
