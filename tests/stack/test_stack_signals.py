"""What is sent to the Collector is in Jaeger, Prometheus and Elasticsearch, all of it and once."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import grpc
import pytest
import stack_signals as otlp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from server import BentoServer
from traffic import Request, send_all

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack import Running, Stack
from bento_observe.stack.query import (
    elasticsearch_count,
    elasticsearch_search,
    jaeger_spans,
    jaeger_traces,
    prometheus_exemplars,
    prometheus_query,
    prometheus_value,
)

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

LOGS = "logs-bentoml.otel-*"
TRACE_ID = bytes(range(16)).hex()


@pytest.fixture
def running(stack: Stack) -> Running:
    """Where the stack is."""
    found = stack.running()
    assert found is not None
    return found


def test_every_span_of_thousands_of_traces_is_in_jaeger(running: Running) -> None:
    """3,000 traces of 4 spans, many in the same instant, come back complete although Jaeger answers in pages."""
    service = otlp.new_service()
    for _ in range(30):
        otlp.send(running, otlp.spans(service, traces=100, spans_each=4))
    otlp.eventually(lambda: len(jaeger_spans(running.jaeger, service)), 12_000, timeout=60)
    traces = list(jaeger_traces(running.jaeger, service, page=200))
    assert len({trace["traceID"] for trace in traces}) == len(traces) == 3000
    assert {len(trace["spans"]) for trace in traces} == {4}


def test_spans_arrive_by_grpc_too(running: Running) -> None:
    """The OTLP/gRPC port takes what the HTTP port takes."""
    service = otlp.new_service()
    with grpc.insecure_channel(running.otlp_grpc.removeprefix("http://")) as channel:
        TraceServiceStub(channel).Export(otlp.spans(service, traces=7), timeout=10)
    otlp.eventually(lambda: len(jaeger_spans(running.jaeger, service)), 7)


def test_an_explicit_histogram_keeps_its_buckets_labels_and_exemplar(running: Running) -> None:
    """Bucket by bucket the counts are those sent, under the service's own labels, with the trace id at hand."""
    service = otlp.new_service()
    otlp.send(running, otlp.explicit_histogram(service, bounds=[0.1, 0.5, 1.0], counts=[3, 4, 0, 5]))
    select = f'{{service_name="{service}",service_instance_id="{service}-1"}}'
    otlp.eventually(lambda: prometheus_value(running.prometheus, f"stack_test_duration_seconds_count{select}"), 12.0)
    buckets = prometheus_query(running.prometheus, f"stack_test_duration_seconds_bucket{select}")
    counts = {float(bucket.labels["le"]): bucket.value for bucket in buckets}
    assert counts == {0.1: 3, 0.5: 7, 1.0: 7, math.inf: 12}
    exemplars = prometheus_exemplars(running.prometheus, f"stack_test_duration_seconds_bucket{select}")
    assert [exemplar["labels"]["trace_id"] for exemplar in exemplars] == [TRACE_ID]


def test_an_exponential_histogram_keeps_negative_values_and_exemplar(running: Running) -> None:
    """It becomes a native histogram: negative, zero and positive buckets as sent."""
    service = otlp.new_service()
    otlp.send(running, otlp.exponential_histogram(service, negative=[2, 0, 1], zeros=4, positive=[5, 6]))
    select = f'stack_test_value{{service_name="{service}"}}'
    otlp.eventually(lambda: prometheus_value(running.prometheus, f"histogram_count({select})"), 18.0)
    (sample,) = prometheus_query(running.prometheus, select)
    assert sample.histogram is not None
    buckets = {(float(low), float(high)): float(n) for _, low, high, n in sample.histogram["buckets"]}
    zero = {edges: n for edges, n in buckets.items() if edges[0] < 0 < edges[1]}
    assert list(zero.values()) == [4]
    rest = {edges: n for edges, n in buckets.items() if edges not in zero}
    assert rest == {(-8.0, -4.0): 1, (-2.0, -1.0): 2, (1.0, 2.0): 5, (2.0, 4.0): 6}
    exemplars = prometheus_exemplars(running.prometheus, select)
    assert [exemplar["labels"]["trace_id"] for exemplar in exemplars] == [TRACE_ID]


def test_a_rate_sees_what_a_series_begins_with(running: Running) -> None:
    """A burst of errors, after which there are no more: all of them, of HTTP as of our own counters."""
    service, burst = otlp.new_service(), 300
    env = {
        "OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }  # fmt: skip
    wrong = Request("refused", "/predict", b"no JSON")
    with BentoServer("simple:Simple", env) as server:
        assert {answer.status for answer in send_all(server.port, [wrong] * burst)} == {400}

        def increase(name: str, of: str) -> float:
            # What increase() extrapolates is at most half an interval between samples at either end.
            return prometheus_value(running.prometheus, f'sum(increase({name}{{service_name="{service}", {of}}}[5m]))')

        requests = f"{metric_name(semconv.REQUEST_DURATION)}_count"
        status = f'{label_name(semconv.HTTP_RESPONSE_STATUS_CODE)}="400"'
        otlp.eventually(lambda: increase(requests, status) >= 0.95 * burst, True)
        spans = f'{label_name(semconv.TELEMETRY_SIGNAL)}="traces"'
        otlp.eventually(lambda: increase(metric_name(semconv.EXPORTED), spans) >= 0.95 * burst, True)


def test_every_log_record_is_in_elasticsearch_once(running: Running) -> None:
    """1,000 records, each found once, with severity, body, trace id and resource where a person would look."""
    service = otlp.new_service()
    for first in range(0, 1000, 100):
        otlp.send(running, otlp.logs(service, [{"number": number} for number in range(first, first + 100)]))
    query = f'service.name:"{service}"'
    otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, LOGS, query), 1000)
    documents = elasticsearch_search(running.elasticsearch, LOGS, query, size=1000)
    assert sorted(document["attributes"]["number"] for document in documents) == list(range(1000))
    by_trace = f'{query} AND trace_id:{TRACE_ID} AND severity_text:INFO AND message:"line 7"'
    assert elasticsearch_count(running.elasticsearch, LOGS, by_trace) == 10


def test_no_attribute_costs_a_log_record(running: Running) -> None:
    """The same attribute as text, number, truth, list and map, enormous and deep: every record is kept."""
    service = otlp.new_service()
    deep: dict[str, Any] = {"end": 1}
    for _ in range(25):
        deep = {"deeper": deep}
    odd: list[dict[str, Any]] = [
        {"x": 1}, {"x": "text"}, {"x": 1.5}, {"x": True}, {"x": [1, "two"]}, {"x": {"a": 1}}, {"x.a": {"b": 2}},
        {"x.a": "text"}, {"y": {"a": "map first"}}, {"y": "text second"}, {"long": "x" * 100_000},
        {"map": {"long": "x" * 100_000}}, {"deep": deep}, {"when": "2026-01-01"}, {"when": "never"},
        {"": "no name"}, {"  ": "blank name"}, {"k" * 40_000: "endless name"}, {".": 1}, {"a..b": 1},
        {"@timestamp": "odd"}, {"trace_id": 5}, {"data_stream.dataset": "another"},
        {f"many.{number}": number for number in range(3000)},
        {"http.response.status_code": "text"}, {"http.response.status_code": {"a": 1}}, {"http": "text"},
        {"http.route": {"a": "b"}}, {"http.server.request.duration": "slow"}, {"exception": "text"},
        {"exception.message": {"a": {"b": 1}}}, {"exception.message": [1, {"a": 2}]}, {"exception.type.more": "x"},
        {"url.path": "x" * 100_000}, {"code.line.number": 1e300}, {"thread.name": True}, {"message": "x"},
    ]  # fmt: skip
    for attributes in odd:
        otlp.send(running, otlp.logs(service, [attributes]))
    otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, "logs-*", f'service.name:"{service}"'), len(odd))


def test_the_collector_and_the_host_are_observed_too(running: Running) -> None:
    """The Collector's own figures and the host's arrive in Prometheus without being scraped."""
    for series in ('otelcol_process_uptime_seconds_total{job="otelcol"}', 'system_memory_usage_bytes{job="host"}'):
        expression = f"count({series}) > bool 0"
        otlp.eventually(partial(prometheus_value, running.prometheus, expression), 1.0, timeout=40)
