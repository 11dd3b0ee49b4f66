"""OTLP messages for the tests of the embedded receiver."""

from __future__ import annotations

import os

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, Metric

SECOND = 10**9
NOON = 1_790_000_000 * SECOND


def attribute(key: str, value: str | int) -> KeyValue:
    """One attribute."""
    return KeyValue(
        key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    )


def traces(count: int, *, payload: str = "", service: str = "wine") -> ExportTraceServiceRequest:
    """`count` server spans with random ids, each with `payload` in an attribute."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.append(attribute("service.name", service))
    spans = of_resource.scope_spans.add().spans
    for index in range(count):
        span = spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="POST /predict", kind=2)
        span.start_time_unix_nano = NOON + index
        span.end_time_unix_nano = NOON + index + 1000
        span.attributes.append(attribute("index", index))
        if payload:
            span.attributes.append(attribute("payload", payload))
    return request


def metrics(metric: Metric, *, instance: str = "1") -> ExportMetricsServiceRequest:
    """One metric of one worker process."""
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    of_resource.resource.attributes.extend(
        [attribute("service.name", "wine"), attribute("service.instance.id", instance)]
    )
    of_resource.scope_metrics.add().metrics.append(metric)
    return request


def feature(counts: list[int], bounds: list[float], time_ns: int) -> Metric:
    """A cumulative explicit histogram of the feature `alcohol`."""
    metric = Metric(name="ml.feature.value", unit="1")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.histogram.data_points.add(
        attributes=[attribute("ml.feature.name", "alcohol"), attribute("ml.signal", "input")],
        time_unix_nano=time_ns,
        count=sum(counts),
        explicit_bounds=bounds,
        bucket_counts=counts,
    )
    return metric
