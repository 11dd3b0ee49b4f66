"""An OTLP endpoint that keeps what really arrived, and that can misbehave in every way a Collector does.

Payloads are kept as they came and decoded, with the generated protobuf classes, when a test asks.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

SERVER, INTERNAL, CLIENT = 2, 1, 3
"""Span kinds."""

_SERVICES: dict[str, tuple[str, Any, Any, str]] = {
    "traces": (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        "rejected_spans",
    ),
    "metrics": (
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        "rejected_data_points",
    ),
    "logs": (
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
        "rejected_log_records",
    ),
}


@dataclass(frozen=True)
class Export:
    """One export request as it came. `headers` are gRPC metadata or HTTP headers, names in lower case."""

    signal: str
    protocol: str
    path: str
    headers: dict[str, str]
    body: bytes
    when: float


@dataclass(frozen=True)
class Event:
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Link:
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Span:
    """Ids in hex ("" for no parent), times in unix nanoseconds, `status` 0 unset, 1 ok, 2 error."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    flags: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[Event]
    links: list[Link]
    status: int
    status_message: str
    scope: str
    resource: dict[str, Any]


@dataclass(frozen=True)
class Exemplar:
    value: float
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Point:
    """One data point. `kind` is histogram, exponential_histogram, sum or gauge; `temporality` 1 delta, 2 cumulative."""

    metric: str
    kind: str
    unit: str
    temporality: int
    monotonic: bool
    attributes: dict[str, Any]
    start_ns: int
    time_ns: int
    value: float
    count: int
    sum: float
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    exemplars: list[Exemplar]
    scope: str
    resource: dict[str, Any]

    @property
    def series(self) -> tuple[Any, ...]:
        """What tells this series from all others."""
        instance = self.resource.get("service.instance.id")
        return self.metric, instance, tuple(sorted((key, str(value)) for key, value in self.attributes.items()))


@dataclass(frozen=True)
class Log:
    body: Any
    severity: int
    severity_text: str
    trace_id: str
    span_id: str
    time_ns: int
    attributes: dict[str, Any]
    scope: str
    resource: dict[str, Any]


@dataclass(frozen=True)
class Tls:
    """PEM files of the sink; with `client_ca` clients must show a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Sink:
    """OTLP over gRPC and over HTTP on two loopback ports that stay the same over `stop` and `start`.

    `behaviour` may be changed at any time:
        "accept"   take everything
        "hang"     take the request and never answer
        "reject"   refuse for good (INVALID_ARGUMENT, 400)
        "busy"     refuse for now (RESOURCE_EXHAUSTED with RetryInfo in the status details as gRPC-Go sends it, 429 with
                   Retry-After), to be tried again after `retry_after` seconds
        "unavailable"   refuse for now without saying when (UNAVAILABLE, 503)
        "partial"  take all but one item
    """

    def __init__(self, tls: Tls | None = None) -> None:
        self.behaviour = "accept"
        self.retry_after = 0.2
        self.exports: list[Export] = []
        self.refused: list[Export] = []
        self._tls = tls
        self._arrived = threading.Condition()
        self._release = threading.Event()
        self._decoded: dict[str, tuple[int, list[Any]]] = {}
        self.grpc_port, self.http_port = free_port(), free_port()
        self._grpc: grpc.Server | None = None
        self._http: ThreadingHTTPServer | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> Sink:
        self._release = threading.Event()
        self._start_grpc()
        self._start_http()
        return self

    def stop(self) -> None:
        """Close both ports; what has arrived stays."""
        self._release.set()
        if self._grpc is not None:
            self._grpc.stop(grace=0).wait(5)
            self._grpc = None
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> Sink:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def grpc_url(self) -> str:
        return f"{self.scheme}://localhost:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"{self.scheme}://localhost:{self.http_port}"

    def environment(self, protocol: str = "grpc") -> dict[str, str]:
        """The variables that send everything here."""
        url = self.grpc_url if protocol == "grpc" else self.http_url
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    # -- what arrived ----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        with self._arrived:
            self.exports.clear()
            self.refused.clear()
            self._decoded.clear()

    def spans(self, **wanted: Any) -> list[Span]:
        """All spans, or those whose fields equal `wanted`."""
        return _matching(self._all("traces", _spans), wanted)

    def points(self, **wanted: Any) -> list[Point]:
        """All metric points of all exports, or those whose fields equal `wanted`."""
        return _matching(self._all("metrics", _points), wanted)

    def logs(self, **wanted: Any) -> list[Log]:
        """All log records, or those whose fields equal `wanted`."""
        return _matching(self._all("logs", _logs), wanted)

    def last(self, metric: str, **attributes: Any) -> list[Point]:
        """The last point of each series of `metric` that has `attributes` (dots written as double underscores)."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        newest: dict[tuple[Any, ...], Point] = {}
        for point in self.points(metric=metric):
            if all(point.attributes.get(key) == value for key, value in named.items()):
                newest[point.series] = point
        return list(newest.values())

    def count(self, metric: str, **attributes: Any) -> int:
        """Sum over all series of the last cumulative histogram counts."""
        return sum(point.count for point in self.last(metric, **attributes))

    def value(self, metric: str, **attributes: Any) -> float:
        """Sum over all series of the last cumulative values."""
        return sum(point.value for point in self.last(metric, **attributes))

    def wait(self, condition: Callable[[], Any], timeout: float = 15.0, what: str = "telemetry") -> Any:
        """Wait until `condition` holds, asked after each export; what it returned. AssertionError after `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            with self._arrived:
                seen = len(self.exports) + len(self.refused)
            found = condition()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{what} did not arrive within {timeout} s")
            with self._arrived:
                self._arrived.wait_for(lambda seen=seen: len(self.exports) + len(self.refused) != seen, left)  # type: ignore[misc]

    def _all(self, signal: str, decode: Callable[[Any], Iterator[Any]]) -> list[Any]:
        with self._arrived:
            exports = list(self.exports)
            done, records = self._decoded.get(signal, (0, []))
        records = list(records)
        for export in exports[done:]:
            if export.signal == signal:
                records.extend(decode(_SERVICES[signal][1].FromString(export.body)))
        with self._arrived:
            if len(self.exports) >= len(exports):
                self._decoded[signal] = (len(exports), records)
        return records

    # -- taking ----------------------------------------------------------------------------------------------------

    def _take(self, signal: str, protocol: str, path: str, headers: dict[str, str], body: bytes) -> str:
        behaviour = self.behaviour
        export = Export(signal, protocol, path, headers, body, time.monotonic())
        with self._arrived:
            (self.exports if behaviour in ("accept", "partial") else self.refused).append(export)
            self._arrived.notify_all()
        if behaviour == "hang":
            self._release.wait()
        return behaviour

    def _answer(self, signal: str, behaviour: str) -> bytes:
        _, _, response, rejected = _SERVICES[signal]
        if behaviour != "partial":
            return bytes(response().SerializeToString())
        return bytes(response(partial_success={rejected: 1, "error_message": "one too many"}).SerializeToString())

    def _start_grpc(self) -> None:
        server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((_GrpcHandlers(self),))
        address = f"127.0.0.1:{self.grpc_port}"
        if self._tls is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(
                address,
                grpc.ssl_server_credentials(
                    [(self._tls.key.read_bytes(), self._tls.certificate.read_bytes())],
                    root_certificates=self._tls.client_ca.read_bytes() if self._tls.client_ca else None,
                    require_client_auth=self._tls.client_ca is not None,
                ),
            )
        server.start()
        self._grpc = server

    def _start_http(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self.http_port), _http_handler(self))
        server.daemon_threads = True
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            if self._tls.client_ca is not None:
                context.load_verify_locations(self._tls.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._http = server


class _GrpcHandlers(grpc.GenericRpcHandler):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        for signal, (method, *_) in _SERVICES.items():
            if method == details.method:
                return grpc.unary_unary_rpc_method_handler(
                    lambda body, context, signal=signal: self._export(signal, body, context)  # type: ignore[misc]
                )
        return None

    def _export(self, signal: str, body: bytes, context: Any) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        behaviour = self._sink._take(signal, "grpc", _SERVICES[signal][0], headers, body)
        if behaviour == "reject":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not like this")
        if behaviour in ("unavailable", "hang"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        if behaviour == "busy":
            context.set_trailing_metadata((("grpc-status-details-bin", self._retry_details()),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        return self._sink._answer(signal, behaviour)

    def _retry_details(self) -> bytes:
        seconds = self._sink.retry_after
        delay = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
        detail = AnyMessage()
        detail.Pack(RetryInfo(retry_delay=delay))
        code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        return RpcStatus(code=code, message="too much", details=[detail]).SerializeToString()


def _http_handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    codes = {"reject": 400, "busy": 429, "unavailable": 503, "hang": 503}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            encoding = self.headers.get("content-encoding")
            if encoding == "gzip":
                body = gzip.decompress(body)
            elif encoding == "deflate":
                body = zlib.decompress(body)
            signal = self.path.rsplit("/", 1)[-1]
            if signal not in _SERVICES:
                signal = {"spans": "traces"}.get(signal, "traces")
            headers = {key.lower(): value for key, value in self.headers.items()}
            behaviour = sink._take(signal, "http", self.path, headers, body)
            answer = sink._answer(signal, behaviour)
            self.send_response(codes.get(behaviour, 200))
            if behaviour == "busy":
                self.send_header("retry-after", str(max(1, round(sink.retry_after))))
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of a listener that accepts connections and never reads nor answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- decoding ------------------------------------------------------------------------------------------------------


def _matching(records: list[Any], wanted: dict[str, Any]) -> list[Any]:
    return [record for record in records if all(getattr(record, key) == value for key, value in wanted.items())]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)


def _attributes(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        assert pair.key not in found, f"attribute {pair.key} is there twice"
        found[pair.key] = _value(pair.value)
    return found


def _spans(request: Any) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    trace_state=span.trace_state,
                    flags=span.flags,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    attributes=_attributes(span.attributes),
                    events=[Event(event.name, _attributes(event.attributes)) for event in span.events],
                    links=[Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    status=span.status.code,
                    status_message=span.status.message,
                    scope=scope.scope.name,
                    resource=resource,
                )


def _points(request: Any) -> Iterator[Point]:
    for group in request.resource_metrics:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                for point in data.data_points:
                    yield _point(metric, kind, data, point, scope.scope.name, resource)


def _point(metric: Any, kind: str, data: Any, point: Any, scope: str, resource: dict[str, Any]) -> Point:
    number = kind in ("sum", "gauge")
    return Point(
        metric=metric.name,
        kind=kind,
        unit=metric.unit,
        temporality=getattr(data, "aggregation_temporality", 0),
        monotonic=getattr(data, "is_monotonic", False),
        attributes=_attributes(point.attributes),
        start_ns=point.start_time_unix_nano,
        time_ns=point.time_unix_nano,
        value=float(getattr(point, point.WhichOneof("value"))) if number else 0.0,
        count=0 if number else point.count,
        sum=0.0 if number else point.sum,
        bounds=tuple(getattr(point, "explicit_bounds", ())),
        counts=tuple(getattr(point, "bucket_counts", ())),
        exemplars=[
            Exemplar(exemplar.as_double, exemplar.trace_id.hex(), exemplar.span_id.hex())
            for exemplar in point.exemplars
        ],
        scope=scope,
        resource=resource,
    )


def _logs(request: Any) -> Iterator[Log]:
    for group in request.resource_logs:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_logs:
            for record in scope.log_records:
                yield Log(
                    body=_value(record.body),
                    severity=record.severity_number,
                    severity_text=record.severity_text,
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                    time_ns=record.time_unix_nano,
                    attributes=_attributes(record.attributes),
                    scope=scope.scope.name,
                    resource=resource,
                )
