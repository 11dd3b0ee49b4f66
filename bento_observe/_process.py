"""One worker process's telemetry put together, whatever kind of service it serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from bentoml._internal.container import BentoMLContainer
from bentoml._internal.context import server_context, trace_context
from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context
from starlette.middleware import Middleware

from bento_observe import _logging, _monitoring, semconv, settings
from bento_observe._identity import identity
from bento_observe._observe import Options, is_first
from bento_observe._recording import FeatureRecording
from bento_observe._statistics import feature_recording
from bento_observe.feedback import Feedback, LabelEndpoint, owner_of, shape_of, store_for
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    RequestMetrics,
    RequestSource,
    RequestSpan,
    SpanEncoder,
)
from bento_observe.telemetry import GpuMetrics, ProcessMetrics, Telemetry

__all__ = ["Worker", "access_log_options", "application_started", "current_worker", "url_exclusion"]

logger = logging.getLogger("bento_observe")

_FRONT = ("entry_service", "api_server")


class Worker:
    """The parts of one process. Nothing runs before `start`.

    Args:
        name: what the service is called where BentoML does not say.
        models: those of the service.
        access_log: what BentoML's configuration says of the access log.
        options: the arguments of `observe`.
    """

    def __init__(self, name: str, models: Iterable[object], access_log: AccessLogOptions, options: Options) -> None:
        self.config = config = settings.from_environment()
        self.telemetry = Telemetry(config, identity(name))
        self.service_name = str(self.telemetry.resource.attributes[semconv.SERVICE_NAME])
        models = list(models)
        model = _model_attributes(models)
        self.metrics = RequestMetrics(config.exemplar_filter)
        self.source = RequestSource(
            SpanEncoder(model),
            self.metrics,
            AccessLog(access_log, _console_context(self.service_name)),
            self.telemetry.queues.get("traces"),
            self.telemetry.queues.get("logs"),
            self.telemetry.health,
        )
        self.telemetry.add(self.source, self.source.collect)
        self.recording, self._references = feature_recording(self.telemetry, config, options, models, model)
        self.feedback = Feedback(
            config,
            model,
            shape_of(self._references.of(semconv.SIGNAL_PREDICTION), self._references.of(semconv.SIGNAL_LABEL)),
            self.recording.labelled,
            self.recording.judge,
            self.telemetry.health,
            is_first(),
            owner_of(self.telemetry),
            store_for(self.telemetry),
        )
        self.feedback.serve(self.telemetry)
        self.labels = options.labels or config.labels
        self.telemetry.add(producer=ProcessMetrics().collect)
        # Of the host, so one process tells: the first of those that the clients of this host's bento talk to.
        if is_first() and server_context.service_type in _FRONT:
            self.telemetry.add(producer=GpuMetrics().collect)

    def recording_of(self, models: Iterable[object], options: Options) -> FeatureRecording:
        """One more place for feature statistics: of other models, with another reference."""
        models = list(models)
        return feature_recording(self.telemetry, self.config, options, models, _model_attributes(models))[0]

    def label_endpoint(self, path: str) -> Middleware:
        """What takes labels at `path`; and say where they may be refused because nobody gave a key."""
        self.feedback.expect_labels()
        store = self.config.predictions
        return Middleware(
            LabelEndpoint,
            path=path,
            matcher=self.feedback.matcher,
            health=self.telemetry.health,
            patience=None if store is None else store.wait,
        )

    @property
    def trace_header(self) -> str:
        """The response header for the trace id, unless BentoML is configured to send the same."""
        wanted = self.config.trace_header
        return "" if wanted == "x-bentoml-trace-id" and BentoMLContainer.http.response.trace_id.get() else wanted

    def start(self) -> None:
        """Start sending; when all APIs have been instrumented."""
        global _current
        self._references.check()
        self.telemetry.start()
        _monitoring.connect(self.recording, self.telemetry.health)
        BentoMLContainer.tracer_provider.set(self.telemetry.providers.tracer_provider)
        # BentoML sets the name where it makes its own provider, for its log lines.
        trace_context.service_name = self.service_name
        _logging.attach(self.telemetry.log_handler)
        _current = self


_current: Worker | None = None


def current_worker() -> Worker | None:
    """What observes this process, if it has begun to."""
    return _current


def _model_attributes(models: Iterable[object]) -> dict[str, str]:
    """Name and version of a service's model, where it has just one from the model store."""
    tags = [tag for tag in (getattr(model, "tag", None) for model in models) if tag is not None]
    if len(tags) != 1:
        return {}
    found = {semconv.ML_MODEL_NAME: tags[0].name}
    if tags[0].version:
        found[semconv.ML_MODEL_VERSION] = tags[0].version
    return found


def application_started(telemetry: Telemetry) -> None:
    """The service is there, of whatever kind: logging and providers are as the application wants them."""
    _logging.attach(telemetry.log_handler)
    _tell_of_own_providers(telemetry.providers.others())
    if telemetry.providers.shared():
        telemetry.health.tell(
            "shared",
            "a second observed service in one process: what the application itself records has the first's name",
        )


def _tell_of_own_providers(signals: list[str]) -> None:
    """Say in one line, and in one worker, that the application has OpenTelemetry providers of its own."""
    if signals and is_first():
        logger.warning(
            "bento_observe: the application has global OpenTelemetry providers of its own; what it records itself "
            "(%s) goes there, what is recorded about requests goes to the OTLP endpoint, in the same traces",
            ", ".join(signals),
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


def access_log_options(access: Any, skip_paths: Iterable[str] = ()) -> AccessLogOptions:
    """What one `logging.access` of BentoML's configuration says."""
    return AccessLogOptions(
        enabled=access.enabled.get(),
        request_length=access.request_content_length.get(),
        request_type=access.request_content_type.get(),
        response_length=access.response_content_length.get(),
        response_type=access.response_content_type.get(),
        skip_paths=tuple(skip_paths),
    )


def url_exclusion() -> Callable[[str], bool] | None:
    """What BentoML's `tracing.excluded_urls` leaves out of tracing; None where it is not set."""
    if not BentoMLContainer.tracing.excluded_urls.get():
        return None
    excluded: Callable[[str], bool] = BentoMLContainer.tracing_excluded_urls.get().url_disabled
    return excluded
