"""Puts the parts together for one service in one worker process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from bentoml._internal.container import BentoMLContainer
from bentoml._internal.context import server_context, trace_context
from bentoml._internal.utils.uri import join_paths
from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe import _logging, _monitoring, semconv, settings
from bento_observe._identity import identity
from bento_observe._observe import Options
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References, find_reference
from bento_observe.asgi import Observation
from bento_observe.calls import instrument, restore
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    RequestMetrics,
    RequestSource,
    RequestSpan,
    SpanEncoder,
)
from bento_observe.telemetry import Telemetry

__all__ = ["observe_worker", "unobserve"]

logger = logging.getLogger("bento_observe")

_TASK_ROUTES = ("submit", "status", "get", "retry", "cancel")


def observe_worker(service: Any, options: Options) -> Observation:
    """Start telemetry for `service` in this process and wrap its APIs; before its application is made."""
    config = settings.from_environment()
    telemetry = Telemetry(config, identity(service.name))
    service_name = str(telemetry.resource.attributes[semconv.SERVICE_NAME])
    model = _model(service)
    metrics = RequestMetrics(config.exemplar_filter)
    source = RequestSource(
        SpanEncoder(model),
        metrics,
        AccessLog(_access_log_options(service), _console_context(service_name)),
        telemetry.queues.get("traces"),
        telemetry.queues.get("logs"),
        telemetry.health,
    )
    telemetry.add(source, source.collect)
    # All workers have the same reference and the same faults: one of them tells.
    first = server_context.worker_index in (None, 1)
    options = options.completed(config)
    references = _references(service, options.reference, _tell if first else _keep_quiet)
    drift = Drift(config.drift_windows, config.drift_methods)
    recording = FeatureRecording(
        references, model, telemetry.health, drift, options.slices, options.slice_values, first
    )
    telemetry.add(recording, recording.collect)
    observation = Observation(
        telemetry,
        source,
        metrics,
        _routes(service),
        _quiet_paths(service),
        _exclusion(),
        _trace_header(config.trace_header),
    )
    # In development mode the services that this one depends on live in the same process.
    for name, observed in service.all_services().items():
        for method in observed.apis.values():
            label = method.name if observed is service else f"{name}.{method.name}"
            instrument(method, label, recording.recorder(method, label), telemetry.health)
    references.check()
    telemetry.start()
    _monitoring.connect(recording, telemetry.health)
    BentoMLContainer.tracer_provider.set(telemetry.providers.tracer_provider)
    # BentoML sets the name where it makes its own provider, for its log lines.
    trace_context.service_name = service_name
    _logging.attach(telemetry.log_handler)
    return observation


def _references(service: Any, wanted: Any, tell: Callable[[str], None]) -> References:
    name = str(wanted) if isinstance(wanted, (str, os.PathLike)) else ""
    return References(find_reference(wanted, service.models, tell), tell, name)


def _tell(problem: str) -> None:
    logger.error("bento_observe: %s", problem)


def _keep_quiet(_problem: str) -> None:
    pass


def unobserve(service: Any) -> None:
    """Undo what a set-up that failed half way has done to the APIs."""
    for observed in service.all_services().values():
        for method in observed.apis.values():
            restore(method)


def _model(service: Any) -> dict[str, str]:
    """Name and version of the service's model, where it has just one from the model store."""
    tags = [tag for tag in (getattr(model, "tag", None) for model in service.models) if tag is not None]
    if len(tags) != 1:
        return {}
    found = {semconv.ML_MODEL_NAME: tags[0].name}
    if tags[0].version:
        found[semconv.ML_MODEL_VERSION] = tags[0].version
    return found


def _access_log_options(service: Any) -> AccessLogOptions:
    access = BentoMLContainer.api_server_config.logging.access
    endpoints = service.config.get("endpoints", {})
    skipped = [*access.skip_paths.get(), endpoints.get("livez", "/health")]
    if endpoints.get("readyz"):
        skipped.append(endpoints["readyz"])
    return AccessLogOptions(
        enabled=access.enabled.get(),
        request_length=access.request_content_length.get(),
        request_type=access.request_content_type.get(),
        response_length=access.response_content_length.get(),
        response_type=access.response_content_type.get(),
        skip_paths=tuple(skipped),
    )


def _console_context(service_name: str) -> Callable[[RequestSpan, Callable[[], None]], None]:
    """For the encoder thread: runs a function as if within a request, for what looks for the request's trace."""

    def run_in(request: RequestSpan, run: Callable[[], None]) -> None:
        token = attach(set_span_in_context(request))
        trace_context.service_name = service_name
        trace_context.request_id = int.from_bytes(request.span_id, "big")
        try:
            run()
        finally:
            detach(token)

    return run_in


def _trace_header(wanted: str) -> str:
    """`wanted`, unless BentoML is configured to send the same header."""
    return "" if wanted == "x-bentoml-trace-id" and BentoMLContainer.http.response.trace_id.get() else wanted


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


def _exclusion() -> Callable[[str], bool] | None:
    """What BentoML's `tracing.excluded_urls` leaves out of tracing; None where it is not set."""
    if not BentoMLContainer.tracing.excluded_urls.get():
        return None
    excluded: Callable[[str], bool] = BentoMLContainer.tracing_excluded_urls.get().url_disabled
    return excluded
