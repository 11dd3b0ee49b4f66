"""Services whose author has set up OpenTelemetry: global providers that send to an endpoint of their own.

TEST_PROVIDERS says when they are set: `import` of the module, `init` of the service, or `never`.
"""

from __future__ import annotations

import os

import bentoml
from bentoml.io import JSON
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from switch import WORKERS, maybe_observe

tracer = trace.get_tracer("theirs")
counted = metrics.get_meter("theirs").create_counter("theirs.counted")


def set_up() -> None:
    endpoint = os.environ["TEST_ENDPOINT"]
    resource = Resource({"service.name": "theirs", "service.instance.id": str(os.getpid())})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    trace.set_tracer_provider(provider)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=True), 200)
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))


if os.environ["TEST_PROVIDERS"] == "import":
    set_up()


@maybe_observe
@bentoml.service(workers=WORKERS)
class OwnProviders:
    def __init__(self) -> None:
        if os.environ["TEST_PROVIDERS"] == "init":
            set_up()
        with tracer.start_as_current_span("load"):
            pass

    @bentoml.api
    def predict(self, number: int) -> int:
        with tracer.start_as_current_span("their span", attributes={"number": number}):
            counted.add(1)
            return number


class Model(bentoml.legacy.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def same(self, number: int) -> int:
        with tracer.start_as_current_span("their span", attributes={"number": number}):
            return number


runner = bentoml.legacy.Runner(Model, name="same")
svc = maybe_observe(bentoml.legacy.Service("legacy_own_providers", runners=[runner]))


@svc.api(input=JSON(), output=JSON())
async def predict(number: int) -> int:
    with tracer.start_as_current_span("their span", attributes={"number": number}):
        return await runner.same.async_run(number)  # type: ignore[no-any-return]
