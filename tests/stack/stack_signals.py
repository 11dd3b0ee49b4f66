"""Hand-made OTLP for the tests over the real servers, and waiting for what becomes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import urllib3
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from bento_observe.stack import Running

Value = str | bool | int | float | list["Value"] | dict[str, "Value"]
T = TypeVar("T")

_POOL = urllib3.PoolManager()
_PATHS = {
    ExportTraceServiceRequest: "traces",
    ExportMetricsServiceRequest: "metrics",
    ExportLogsServiceRequest: "logs",
}
_numbers = count(1)


def new_service() -> str:
    """A service name that no other test uses."""
    return f"stack-test-{os.getpid()}-{next(_numbers)}"


def send(running: Running, request: Message) -> None:
    """Send one OTLP request over HTTP to the stack's Collector, which must accept it."""
    send_to(running.otlp_http, request)


def send_to(otlp_http: str, request: Message) -> None:
    """The same to any Collector, whose address is given."""
    response = _POOL.request(
        "POST",
        f"{otlp_http}/v1/{_PATHS[type(request)]}",
        body=request.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
        timeout=10,
    )
    assert response.status == 200, response.data


def eventually(read: Callable[[], T], expected: T, timeout: float = 30.0) -> None:
    """Read until the expected value is there; then fail with the last value read, or the error met."""
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            last = read()
        except OSError as error:
            last = error
        if last == expected:
            return
        assert time.monotonic() < deadline, f"expected {expected!r}, after {timeout:.0f} s it is {last!r}"
        time.sleep(0.1)


def spans(service: str, traces: int, spans_each: int = 1) -> ExportTraceServiceRequest:
    """`traces` traces of `spans_each` spans."""
    now = time.time_ns()
    made = []
    for _ in range(traces):
        trace_id, parent = os.urandom(16), b""
        for index in range(spans_each):
            span_id = os.urandom(8)
            made.append(
                Span(
                    trace_id=trace_id, span_id=span_id, parent_span_id=parent, name=f"step {index}",
                    kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=now, end_time_unix_nano=now + 1_000_000,
                )
            )  # fmt: skip
            parent = span_id
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=_resource(service), scope_spans=[ScopeSpans(spans=made)])]
    )


SEVERITY = "severity number"
"""In the attributes given to `logs`: no attribute, but the record's severity, 9 (INFO) or 17 (ERROR)."""


def logs(service: str, attributes: Sequence[Mapping[str, Value]], *, seconds_ago: int = 0) -> ExportLogsServiceRequest:
    """One record for each set of attributes."""
    then = time.time_ns() - seconds_ago * 1_000_000_000
    records = [
        LogRecord(
            time_unix_nano=then + index, severity_number=_severity(each),
            severity_text="ERROR" if _severity(each) > 9 else "INFO",
            body=_any(f"line {index}"),
            attributes=_attributes({key: value for key, value in each.items() if key != SEVERITY}),
            trace_id=bytes(range(16)), span_id=bytes(range(8)),
        )
        for index, each in enumerate(attributes)
    ]  # fmt: skip
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=_resource(service), scope_logs=[ScopeLogs(log_records=records)])]
    )


def counter(service: str, value: int, *, seconds_ago: int = 0) -> ExportMetricsServiceRequest:
    """`stack.test.requests`, a counter that stood at `value` then."""
    point = NumberDataPoint(as_int=value, **_times(seconds_ago))
    total = Sum(data_points=[point], is_monotonic=True, aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
    return _metrics(service, Metric(name="stack.test.requests", unit="{request}", sum=total))


def explicit_histogram(service: str, bounds: Sequence[float], counts: Sequence[int]) -> ExportMetricsServiceRequest:
    """`stack.test.duration` in seconds, with one exemplar."""
    point = HistogramDataPoint(
        explicit_bounds=bounds, bucket_counts=counts, count=sum(counts), sum=1.0, exemplars=[_exemplar(0.2)], **_times()
    )
    histogram = Histogram(data_points=[point], aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
    return _metrics(service, Metric(name="stack.test.duration", unit="s", histogram=histogram))


def exponential_histogram(
    service: str, negative: Sequence[int], zeros: int, positive: Sequence[int]
) -> ExportMetricsServiceRequest:
    """`stack.test.value` without a unit: buckets of base 2 from 1 up, and from -1 down; with one exemplar."""
    buckets = ExponentialHistogramDataPoint.Buckets
    point = ExponentialHistogramDataPoint(
        scale=0, zero_count=zeros, count=sum(negative) + zeros + sum(positive), sum=0.0,
        negative=buckets(offset=0, bucket_counts=negative), positive=buckets(offset=0, bucket_counts=positive),
        exemplars=[_exemplar(-1.5)], **_times(),
    )  # fmt: skip
    histogram = ExponentialHistogram(data_points=[point], aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE)
    return _metrics(service, Metric(name="stack.test.value", exponential_histogram=histogram))


def _metrics(service: str, metric: Metric) -> ExportMetricsServiceRequest:
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=_resource(service), scope_metrics=[ScopeMetrics(metrics=[metric])])]
    )


def _exemplar(value: float) -> Exemplar:
    return Exemplar(as_double=value, time_unix_nano=time.time_ns(), trace_id=bytes(range(16)), span_id=bytes(range(8)))


def _times(seconds_ago: int = 0) -> dict[str, int]:
    then = time.time_ns() - seconds_ago * 1_000_000_000
    return {"start_time_unix_nano": then - 60_000_000_000, "time_unix_nano": then}


def _resource(service: str) -> Resource:
    return Resource(attributes=_attributes({"service.name": service, "service.instance.id": f"{service}-1"}))


def _severity(attributes: Mapping[str, Value]) -> Any:
    return attributes.get(SEVERITY, 9)


def _attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any(each) for each in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=_attributes(value)))
    return AnyValue(string_value=value)
