"""The applications of a legacy service and of a runner, with our middleware in them; one of them once per process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from bentoml._internal.container import BentoMLContainer
from bentoml._internal.server.http_app import HTTPAppFactory
from bentoml._internal.server.runner_app import RunnerAppFactory
from starlette.middleware import Middleware

from bento_observe import _monitoring
from bento_observe._endpoints import with_endpoints
from bento_observe._middlewares import observed_middlewares
from bento_observe._mounts import MountedRoutes
from bento_observe._observe import Options
from bento_observe._process import Worker, access_log_options, application_started, url_exclusion
from bento_observe._propagation import Caller, ContextReader
from bento_observe.asgi import Observation
from bento_observe.feedback import LABEL_PATH
from bento_observe.runners._batches import observe_runner_dispatcher
from bento_observe.runners._calls import instrument_api, restore_api
from bento_observe.runners._marks import CALLER_HEADER, OPTIONS, RECORDING, mark

__all__ = ["observe_runner_process", "observed_http_app"]

logger = logging.getLogger("bento_observe")

_CALLER = CALLER_HEADER.encode()
_QUIET_PATHS = frozenset(("/livez", "/healthz", "/readyz", "/metrics"))


class _ObservedHTTPAppFactory(HTTPAppFactory):  # type: ignore[misc]
    """BentoML's application of a legacy service with our middleware in the place of its tracing and access log."""

    observation: Observation

    @property
    def middlewares(self) -> list[Middleware]:
        return _observed(super().middlewares, self.observation)


class _ObservedRunnerAppFactory(RunnerAppFactory):  # type: ignore[misc]
    """The same of a runner."""

    observation: Observation

    @property
    def middlewares(self) -> list[Middleware]:
        return _observed(super().middlewares, self.observation)


def observed_http_app(service: Any, options: Options) -> Any:
    """The application of a legacy service, observed. Raises whatever keeps it from being set up."""
    access = access_log_options(BentoMLContainer.api_server_config.logging.access)
    worker = Worker(service.name, service.models, access, options)
    try:
        for api in service.apis.values():
            instrument_api(api, worker.recording, worker.feedback, worker.telemetry.health)
        factory = _ObservedHTTPAppFactory(service)
        routes = (api.route for api in service.apis.values())
        mounted = ((app, path) for app, path, _ in service.mount_apps)
        observation = factory.observation = _observation(
            worker, routes, worker.trace_header, mounted, worker.config.prediction_header
        )
        if worker.labels:
            observation.answer(LABEL_PATH, worker.label_endpoint(LABEL_PATH))
        worker.start()
        return factory()
    except Exception:
        worker.source.close()
        for api in service.apis.values():
            restore_api(api)
        raise


def observe_runner_process() -> None:
    """From now on the application of an observed runner is an observed one.

    BentoML makes it in the process's main function, after the import of the user's module, from the runner alone; this
    is the only way in. It serves one runner, so nobody else's is changed.
    """
    plain = RunnerAppFactory.__call__

    def call(factory: Any) -> Any:
        try:
            # The user's module may have been imported twice.
            if OPTIONS in vars(factory.runner) and not isinstance(factory, _ObservedRunnerAppFactory):
                _observe_factory(factory)
        except Exception:
            logger.exception("bento_observe: cannot be set up; runner %s is served unobserved", factory.runner.name)
            factory.__class__ = RunnerAppFactory
            _monitoring.expect(factory.runner.name, False)
        return plain(factory)

    RunnerAppFactory.__call__ = call


def _observe_factory(factory: Any) -> None:
    runner = factory.runner
    access = access_log_options(BentoMLContainer.runners_config.logging.access)
    worker = Worker(runner.name, runner.models, access, vars(runner)[OPTIONS])
    mark(runner, RECORDING, worker.recording)
    routes = ("" if method.name == "__call__" else method.name for method in runner.runner_methods)
    try:
        factory.observation = _observation(worker, routes, "")
        if not BentoMLContainer.tracing.exporter_type.get():
            factory.observation.reader = reader = _RunnerReader()
            factory.observation.kept_headers |= reader.headers
        for name, dispatcher in factory.dispatchers.items():
            observe_runner_dispatcher(dispatcher, name, worker.source.add, worker.telemetry.health)
        factory.__class__ = _ObservedRunnerAppFactory
        worker.start()
    except Exception:
        worker.source.close()  # the dispatchers stay observed, and nobody takes what they add
        raise


class _RunnerReader(ContextReader):
    """Where BentoML's tracing is off: the spans of a caller that is not observed go nowhere, so that the trace begins
    here, under the same id. A service may be observed and its caller at hand not: it could not be set up, or serves
    gRPC."""

    def __init__(self) -> None:
        super().__init__()
        self.headers |= {_CALLER}

    def read(self, headers: Mapping[bytes, bytes], raw: Iterable[tuple[bytes, bytes]]) -> Caller:
        caller = super().read(headers, raw)
        if _CALLER in headers:
            return caller
        sampled = caller.sampled or None
        return Caller(caller.trace_id, b"", sampled, caller.trace_state, caller.context)


def _observation(
    worker: Worker,
    routes: Iterable[str],
    trace_header: str,
    mounted: Iterable[tuple[Any, str]] = (),
    prediction_header: str = "",
) -> Observation:
    paths = frozenset(route if route.startswith("/") else f"/{route}" for route in routes)
    return Observation(
        worker.telemetry,
        worker.source,
        worker.metrics,
        paths,
        MountedRoutes(mounted),
        _QUIET_PATHS,
        url_exclusion(),
        trace_header,
        prediction_header,
    )


def _observed(middlewares: list[Middleware], observation: Observation) -> list[Middleware]:
    """With BentoML's access log for what we leave alone."""
    (observe, *kept), logged = observed_middlewares(
        middlewares, observation, lambda: application_started(observation.telemetry)
    )
    probes = [Middleware(_Probes, access_log=one) for one in logged]
    return with_endpoints([observe, *probes, *kept], observation.endpoints)


class _Probes:
    """BentoML's access log for what we leave alone: unlike other services, legacy ones log probes and `/metrics`."""

    def __init__(self, app: Any, access_log: Middleware) -> None:
        self._app = app
        kind: Any = access_log.cls
        self._logged = kind(app, *access_log.args, **access_log.kwargs)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        quiet = scope["type"] == "http" and scope["path"] in _QUIET_PATHS
        await (self._logged if quiet else self._app)(scope, receive, send)
