"""The embedded receiver over real connections, fed by OpenTelemetry's own SDK and exporters."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
import urllib3
from _dev_messages import NOON, SECOND, attribute, feature, metrics, traces
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.metrics import Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bento_observe.dev import DevReceiver

TRANSPORTS = ["grpc", "grpc+gzip", "http", "http+gzip"]
RESOURCE = Resource({"service.name": "wine", "service.instance.id": "worker-1", "host.name": "laptop"})
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def dev() -> Iterator[DevReceiver]:
    with DevReceiver() as receiver:
        yield receiver


def _exporter(dev, transport, over_grpc, over_http, signal):
    if transport.startswith("grpc"):
        gzip = grpc.Compression.Gzip if transport.endswith("gzip") else grpc.Compression.NoCompression
        return over_grpc(endpoint=dev.grpc_endpoint, insecure=True, compression=gzip)
    gzip = Compression.Gzip if transport.endswith("gzip") else Compression.NoCompression
    return over_http(endpoint=f"{dev.http_endpoint}/v1/{signal}", compression=gzip)


def _row(dev, sql):
    columns = [name for name, *_ in dev.query(f"DESCRIBE {sql}")]
    (values,) = dev.query(sql)
    return SimpleNamespace(**dict(zip(columns, values, strict=True)))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_spans_arrive_with_everything_the_sdk_says_of_them(dev, transport):
    """Ids, parent, kind, status, attributes, events, links, scope and resource survive either protocol, gzip or not."""
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(_exporter(dev, transport, GrpcSpans, HttpSpans, "traces")))
    tracer = provider.get_tracer("scope", "1.2")
    with tracer.start_as_current_span("other") as other:
        pass
    attributes = {"text": "höhe \x00 ☃", "flag": True, "count": 3, "ratio": 0.5, "list": [1, 2], "nan": math.nan}
    link = trace.Link(other.get_span_context(), {"why": "batch"})
    with (
        tracer.start_as_current_span("parent", kind=trace.SpanKind.SERVER) as parent,
        pytest.raises(ValueError, match="broken"),
        tracer.start_as_current_span("child", attributes=attributes, links=[link]) as child,
    ):
        raise ValueError("broken")
    provider.shutdown()

    row = _row(dev, "SELECT * FROM spans WHERE name = 'child'")
    assert row.trace_id == f"{child.get_span_context().trace_id:032x}"
    assert row.parent_span_id == f"{parent.get_span_context().span_id:016x}"
    assert (row.kind, row.status_code, row.status_message) == ("internal", "error", "ValueError: broken")
    assert (row.start_ns, row.end_ns, row.duration_ns) == (
        child.start_time,
        child.end_time,
        child.end_time - child.start_time,
    )
    assert json.loads(row.attributes) == {**attributes, "nan": "NaN"}
    assert json.loads(row.events)[0]["attributes"]["exception.message"] == "broken"
    assert json.loads(row.links)[0]["span_id"] == f"{other.get_span_context().span_id:016x}"
    assert (row.scope_name, row.scope_version) == ("scope", "1.2")
    assert (row.service_name, row.service_instance_id) == ("wine", "worker-1")
    assert json.loads(row.resource)["host.name"] == "laptop"
    assert dev.query("SELECT name, kind FROM spans WHERE parent_span_id IS NULL ORDER BY name") == [
        ("other", "internal"),
        ("parent", "server"),
    ]
    assert dev.query("SELECT message FROM errors") == [("ValueError: broken",)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_metrics_of_every_kind_arrive(dev, transport):
    """Sums, gauges, explicit and exponential histograms, with exemplars that name the span they were taken in."""
    exporter = _exporter(dev, transport, GrpcMetrics, HttpMetrics, "metrics")
    view = View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())
    meters = MeterProvider([PeriodicExportingMetricReader(exporter)], RESOURCE, views=[view])
    meter = meters.get_meter("scope")
    meter.create_counter("requests", "{request}").add(3, {"route": "/predict"})
    meter.create_up_down_counter("active").add(-2)
    meter.create_observable_gauge("temperature", [lambda _: [Observation(21.5)]])
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        explicit = meter.create_histogram("explicit", "s", explicit_bucket_boundaries_advisory=[1.0, 2.0])
        for value in (0.5, 1.0, 1.5, 9.0):
            explicit.record(value)
    for value in (0.0, 1.0, 3.0):
        meter.create_histogram("exponential").record(value)
    meters.shutdown()

    columns = "kind, temporality, monotonic, unit, value"
    one = f"SELECT {columns} FROM metric_points WHERE name = ?"
    assert dev.query(one, ["requests"]) == [("sum", "cumulative", True, "{request}", 3.0)]
    assert dev.query(one, ["active"]) == [("sum", "cumulative", False, "", -2.0)]
    assert dev.query(one, ["temperature"]) == [("gauge", None, None, "", 21.5)]
    count = 'SELECT kind, "count", "sum", "min", "max", bounds, bucket_counts FROM metric_points WHERE name = ?'
    assert dev.query(count, ["explicit"]) == [("histogram", 4, 12.0, 0.5, 9.0, [1.0, 2.0], [2, 1, 1])]
    exemplars = json.loads(dev.query("SELECT exemplars FROM metric_points WHERE name = 'explicit'")[0][0])
    assert {exemplar["span_id"] for exemplar in exemplars} == {f"{span.get_span_context().span_id:016x}"}
    exponential = (
        "SELECT kind, \"count\", zero_count, list_sum(positive_counts) FROM metric_points WHERE name = 'exponential'"
    )
    assert dev.query(exponential) == [("exponential_histogram", 3, 1, 2)]
    assert dev.query("SELECT attributes FROM metric_points WHERE name = 'requests'") == [('{"route":"/predict"}',)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_log_records_arrive_with_the_span_they_were_written_in(dev, transport):
    """Body, severity, attributes, exception and trace ids of a record of Python's logging."""
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(_exporter(dev, transport, GrpcLogs, HttpLogs, "logs")))
    logger = logging.Logger("app")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logger.warning("model %s is slow", "wine", extra={"user": "ann"})
    provider.shutdown()

    row = _row(dev, "SELECT * FROM logs")
    assert (row.body, row.severity_number, row.scope_name) == ("model wine is slow", 13, "app")
    assert json.loads(row.attributes)["user"] == "ann"
    assert row.trace_id == f"{span.get_span_context().trace_id:032x}"
    assert row.span_id == f"{span.get_span_context().span_id:016x}"
    assert row.time_ns > 0


def test_exponential_histograms_with_negative_values_keep_both_sides(dev):
    """The SDK can't record negative values, OTLP can send them."""
    metric = Metric(name="ml.feature.value")
    point = metric.exponential_histogram.data_points.add(scale=3, count=9, zero_count=1, zero_threshold=0.25)
    point.positive.offset, point.negative.offset = 4, -7
    point.positive.bucket_counts.extend([1, 0, 2])
    point.negative.bucket_counts.extend([5])
    _post(dev, "metrics", metrics(metric).SerializeToString())
    columns = "scale, zero_count, zero_threshold, positive_offset, positive_counts, negative_offset, negative_counts"
    assert dev.query(f"SELECT {columns} FROM metric_points") == [(3, 1, 0.25, 4, [1, 0, 2], -7, [5])]


def test_numbers_at_the_edges_of_otlp_are_stored_not_refused(dev):
    """Unknown times are NULL, times and counts beyond a signed 64-bit integer are its largest."""
    request = traces(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.start_time_unix_nano, span.end_time_unix_nano, span.kind = 0, 2**64 - 1, 17
    _post(dev, "traces", request.SerializeToString())
    metric = Metric(name="m")
    metric.histogram.data_points.add(count=2**64 - 1, bucket_counts=[2**64 - 1], sum=math.inf)
    _post(dev, "metrics", metrics(metric).SerializeToString())
    assert dev.query("SELECT start_ns, end_ns, duration_ns, kind FROM spans") == [(None, 2**63 - 1, None, "17")]
    assert dev.query('SELECT "count", bucket_counts, "sum", "min" FROM metric_points') == [
        (2**63 - 1, [2**63 - 1], math.inf, None)
    ]
    assert dev.counts().failed == 0


def test_totals_add_worker_processes_and_take_the_last_of_cumulative_points(dev):
    """`metric_totals` is what a person means by "how many", over two workers with two exports each."""
    for instance, exports in {"1": [[1, 0], [2, 1]], "2": [[5, 5], [7, 5]]}.items():
        for at, counts in enumerate(exports):
            request = metrics(feature(counts, [10.0], NOON + at * SECOND), instance=instance)
            _post(dev, "metrics", request.SerializeToString())
    assert dev.query('SELECT "count" FROM metric_latest ORDER BY service_instance_id') == [(3,), (12,)]
    assert dev.query('SELECT name, "count", instances FROM metric_totals') == [("ml.feature.value", 15, 2)]
    assert dev.query('SELECT feature, signal, "count" FROM features') == [("alcohol", "input", 15)]


def test_requests_view_reads_server_spans(dev):
    """Route, status and duration of each request as columns."""
    request = traces(2)
    request.resource_spans[0].scope_spans[0].spans[0].attributes.extend(
        [attribute("http.route", "/predict"), attribute("http.response.status_code", 500)]
    )
    request.resource_spans[0].scope_spans[0].spans[1].kind = 1
    _post(dev, "traces", request.SerializeToString())
    assert dev.query("SELECT route, status, duration_ms FROM requests") == [("/predict", 500, 0.001)]


def test_eight_senders_at_once_lose_nothing(dev):
    """Every span of 8 threads over both protocols is there, once."""
    channel = grpc.insecure_channel(dev.grpc_endpoint.removeprefix("http://"))
    export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    with urllib3.PoolManager(maxsize=8) as pool, channel, ThreadPoolExecutor(8) as threads:

        def send(number: int) -> None:
            body = traces(20).SerializeToString()
            if number % 2:
                export(body)
            else:
                assert pool.request("POST", f"{dev.http_endpoint}/v1/traces", body=body, headers=PROTOBUF).status == 200

        list(threads.map(send, range(400)))
    assert dev.query("SELECT count(*), count(DISTINCT span_id) FROM spans") == [(8000, 8000)]
    assert dev.counts().spans == 8000


def test_a_request_of_twenty_megabytes_arrives_over_both_protocols(dev):
    """Larger than gRPC's default limit of 4 MB."""
    body = traces(200, payload="x" * 100_000).SerializeToString()
    assert len(body) > 20_000_000
    _post(dev, "traces", body)
    with grpc.insecure_channel(dev.grpc_endpoint.removeprefix("http://")) as channel:
        channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(body)
    assert dev.query("SELECT count(*), min(length(attributes->>'payload')) FROM spans") == [(400, 100_000)]


def test_waiting_for_rows_ends_when_they_arrive_and_only_then(dev):
    """`wait_for` returns the awaited answer, and raises with what it saw when the time is up."""
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(dev.wait_for, "SELECT count(*) FROM spans", lambda rows: rows[0][0] >= 3, 20)
        for _ in range(3):
            _post(dev, "traces", traces(1).SerializeToString())
        assert answer.result() == [(3,)]
    with pytest.raises(TimeoutError, match=r"\[\(3,\)\]"):
        dev.wait_for("SELECT count(*) FROM spans", lambda rows: rows[0][0] == 4, timeout=0.2)


def _post(dev, signal, body):
    response = urllib3.request("POST", f"{dev.http_endpoint}/v1/{signal}", body=body, headers=PROTOBUF)
    assert (response.status, response.data) == (200, b"")
