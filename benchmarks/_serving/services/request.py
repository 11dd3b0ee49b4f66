# mypy: disable-error-code="untyped-decorator"
"""30 features in, one number out, with the telemetry that `BENCHMARK_VARIANT` names: that of peers, too."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import numpy as np
from bentoml._internal.context import server_context

from _serving import model, variants
from _serving.switch import watched

_ENDPOINT = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
_VARIANT = os.environ["BENCHMARK_VARIANT"]


def _tracing() -> dict[str, Any]:
    """BentoML's `tracing` configuration."""
    if _VARIANT == variants.ASGI_ALONE:
        return {"excluded_urls": ".*"}
    if _VARIANT == variants.BENTOML_OTLP:
        return {
            "exporter_type": "otlp",
            "sample_rate": 1.0,
            "excluded_urls": "readyz,livez,healthz,metrics",
            "otlp": {
                "protocol": "grpc",
                "endpoint": _ENDPOINT.removeprefix("http://"),
                "grpc": {"insecure": True},
            },
        }
    return {}


class Scorer:
    """Serves the linear model."""

    @bentoml.api
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores of shape (n,), float64, for features of shape (n, 30), float64."""
        return model.score(features)


def _instrument_asgi(service: Any) -> None:
    """Traces and metrics by the ASGI instrumentation, through the OpenTelemetry SDK's own batching."""
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": service.name})
    # BentoML's own middleware leaves an unsampled span current: with the default, parent-based sampler nothing is sent.
    tracer_provider = TracerProvider(resource=resource, sampler=ALWAYS_ON)
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(insecure=True)))
    meter_provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(insecure=True))], resource)
    service.add_asgi_middleware(OpenTelemetryMiddleware, tracer_provider=tracer_provider, meter_provider=meter_provider)


Service = watched(bentoml.service(Scorer, name="scorer", workers=1, tracing=_tracing()))
if _VARIANT in (variants.ASGI, variants.ASGI_ALONE) and server_context.worker_index is not None:
    # In a worker only: the supervisor imports this module too.
    _instrument_asgi(Service)
