"""Puts the parts together for one service in one worker process."""

from __future__ import annotations

from typing import Any

from bentoml._internal.container import BentoMLContainer
from bentoml._internal.utils.uri import join_paths

from bento_observe._mounts import MountedRoutes
from bento_observe._observe import Options
from bento_observe._process import Worker, access_log_options, url_exclusion
from bento_observe.asgi import Observation
from bento_observe.calls import instrument, restore
from bento_observe.feedback import LABEL_PATH
from bento_observe.request import AccessLogOptions

__all__ = ["observe_worker", "unobserve"]

_TASK_ROUTES = ("submit", "status", "get", "retry", "cancel")


def observe_worker(service: Any, options: Options) -> Observation:
    """Start telemetry for `service` in this process and wrap its APIs; before its application is made."""
    worker = Worker(service.name, service.models, _access_log(service), options)
    telemetry = worker.telemetry
    observation = Observation(
        telemetry,
        worker.source,
        worker.metrics,
        _routes(service),
        MountedRoutes((app, path) for app, path, _ in service.mount_apps),
        _quiet_paths(service),
        url_exclusion(),
        worker.trace_header,
        worker.config.prediction_header,
    )
    if worker.labels:
        path = join_paths(service.path_prefix, LABEL_PATH)
        observation.answer(path, worker.label_endpoint(path))
    # In development mode the services that this one depends on live in the same process.
    for name, observed in service.all_services().items():
        for method in observed.apis.values():
            label = method.name if observed is service else f"{name}.{method.name}"
            recorder = worker.recording.recorder(method, label)
            if observed is service:
                recorder.identifier = worker.feedback.identifier(label)
                observation.recorders[label] = recorder
            instrument(method, label, recorder, telemetry.health)
    worker.start()
    return observation


def unobserve(service: Any) -> None:
    """Undo what a set-up that failed half way has done to the APIs."""
    for observed in service.all_services().values():
        for method in observed.apis.values():
            restore(method)


def _access_log(service: Any) -> AccessLogOptions:
    access = BentoMLContainer.api_server_config.logging.access
    endpoints = service.config.get("endpoints", {})
    skipped = [*access.skip_paths.get(), endpoints.get("livez", "/health")]
    if endpoints.get("readyz"):
        skipped.append(endpoints["readyz"])
    return access_log_options(access, skipped)


def _routes(service: Any) -> frozenset[str]:
    found = set()
    for method in service.apis.values():
        path = join_paths(service.path_prefix, method.route)
        found.add(path)
        if method.is_task:
            found.update(f"{path}/{route}" for route in _TASK_ROUTES)
    return frozenset(found)


def _quiet_paths(service: Any) -> frozenset[str]:
    system = (join_paths(service.path_prefix, path) for path in ("/livez", "/healthz", "/readyz", "/metrics"))
    return frozenset({*system, *service.config.get("endpoints", {}).values()})
