"""The standard OpenTelemetry variables, set for a real `bentoml serve` and seen from the other end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from certificates import make_certificates
from received import SERVER
from server import BentoServer
from sink import Sink, Tls
from traffic import PREDICT, Request, send_all

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}


def test_each_signal_may_have_an_endpoint_protocol_headers_and_compression_of_its_own() -> None:
    """Traces over HTTP to a path of their own, metrics as deltas over gRPC with a header, a quarter of traces sampled.

    Two workers, a service name and resource attributes from the environment, the trace header renamed.
    """
    with Sink() as sink:
        env = {
            **FAST,
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.grpc_url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20c2VjcmV0,x-tenant=blue",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.http_url}/tenant/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-tenant=green",
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{sink.http_url}/v1/logs",
            "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "deflate",
            "OTEL_SERVICE_NAME": "renamed",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=ml%20ops,service.instance.id=all-alike",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
            "BENTO_OBSERVE_TRACE_HEADER": "x-trace",
        }
        with BentoServer("simple:Simple", env, workers=2) as server:
            answers = send_all(server.port, [PREDICT] * 400)
            sink.wait(lambda: len({point.time_ns for point in sink.points(metric="http.server.request.duration")}) > 1)
            answers += send_all(server.port, [PREDICT] * 400)
            server.stop()

        by_signal = {export.signal: export for export in sink.exports}
        assert {signal: export.protocol for signal, export in by_signal.items()} == {
            "traces": "http",
            "metrics": "grpc",
            "logs": "http",
        }
        assert by_signal["traces"].path == "/tenant/v1/traces"
        assert by_signal["traces"].headers["content-encoding"] == "gzip"
        assert by_signal["logs"].headers["content-encoding"] == "deflate"
        assert (by_signal["traces"].headers["x-tenant"], by_signal["metrics"].headers["x-tenant"]) == ("green", "blue")
        assert "authorization" not in by_signal["traces"].headers
        assert by_signal["metrics"].headers["authorization"] == "Basic c2VjcmV0"
        assert by_signal["metrics"].headers["user-agent"].startswith("bento-observe/")

        traces = {answer.headers["x-trace"] for answer in answers}
        assert len(traces) == 800
        sampled = {trace for trace in traces if int(trace[16:], 16) < 1 << 62}
        assert {span.trace_id for span in sink.spans(kind=SERVER)} == sampled
        assert len(sink.spans()) == 4 * len(sampled)

        points = sink.points(metric="http.server.request.duration")
        assert {point.temporality for point in points} == {1}
        assert sum(point.count for point in points) == 800  # deltas add up to the whole
        assert len(sink.logs(scope="bentoml.access")) == 800

        resources: list[dict[str, Any]] = [record.resource for record in (*sink.logs(), *points)]
        assert {resource["service.name"] for resource in resources} == {"renamed"}
        assert {resource["team"] for resource in resources} == {"ml ops"}
        assert {resource["deployment.environment.name"] for resource in resources} == {"test"}
        assert len({resource["service.instance.id"] for resource in resources}) == 2
        assert {resource["bentoml.worker.index"] for resource in resources} == {1, 2}
        assert "all-alike" not in {resource["service.instance.id"] for resource in resources}


def test_signals_may_be_left_out_or_written_to_the_console() -> None:
    """No logs, no traces for always_off, metrics as lines of OTLP/JSON; counts are complete whatever is sampled."""
    with Sink() as sink:
        env = {
            **sink.environment(),
            "OTEL_TRACES_SAMPLER": "always_off",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "console",
            "BENTO_OBSERVE_TRACE_HEADER": "none",
        }
        with BentoServer("simple:Simple", env) as server:
            given = Request(
                "sampled by the caller",
                PREDICT.path,
                PREDICT.body,
                headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"},
            )
            answers = send_all(server.port, [PREDICT, given] * 10)
            server.stop()
            written = [json.loads(line) for line in server.output.splitlines() if line.startswith('{"resourceMetrics')]

        assert sink.exports == []
        assert {answer.status for answer in answers} == {200}
        assert {answer.trace_id for answer in answers} == {""}
        metrics = [
            metric
            for document in written
            for group in document["resourceMetrics"]
            for scope in group["scopeMetrics"]
            for metric in scope["metrics"]
            if metric["name"] == "http.server.request.duration"
        ]
        points = [point for metric in metrics for point in metric["histogram"]["dataPoints"]]
        assert [int(point.get("count", 0)) for point in points] == [0, 20]  # a series begins at nothing
        assert not any("exemplars" in point for metric in metrics for point in metric["histogram"]["dataPoints"])


def test_everything_can_be_sent_over_tls_with_client_certificates(tmp_path: Path) -> None:
    """A private authority on both sides: traces and metrics over gRPC, logs over HTTP."""
    made = make_certificates(tmp_path)
    with Sink(Tls(made.server, made.server_key, client_ca=made.authority)) as sink:
        env = {
            **FAST,
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.grpc_url,
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{sink.http_url}/v1/logs",
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(made.authority),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(made.client_key),
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(made.client),
        }
        with BentoServer("simple:Simple", env) as server:
            send_all(server.port, [PREDICT] * 20)
            server.stop()

        assert len(sink.spans()) == 80
        assert sink.count("http.server.request.duration") == 20
        assert len(sink.logs(scope="bentoml.access")) == 20


def test_a_certificate_of_another_authority_is_not_trusted_and_not_in_the_way(tmp_path: Path) -> None:
    """Nothing is sent to whoever that is; requests are answered and the server stops in time."""
    made = make_certificates(tmp_path)
    with Sink(Tls(made.server, made.server_key)) as sink:
        env = {**FAST, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.grpc_url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        env["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] = f"{sink.http_url}/v1/logs"
        env["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"] = "http/protobuf"
        env["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(made.other_authority)
        with BentoServer("simple:Simple", env) as server:
            answers = send_all(server.port, [PREDICT] * 20)
            server.wait_for_output("cannot send logs")
            server.wait_for_output("cannot send traces")
            assert server.stop() < 5
        assert {answer.status for answer in answers} == {200}
        assert sink.exports == sink.refused == []
