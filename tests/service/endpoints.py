"""OTLP over gRPC and over HTTP, served: what comes is handed to a `take` function, which says how to answer."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

_PACKAGE = "/opentelemetry.proto.collector"


@dataclass(frozen=True)
class Signal:
    """How one signal is exported; `rejected` is the field of its partial success."""

    method: str
    request: Any
    response: Any
    rejected: str


SIGNALS = {
    "traces": Signal(
        f"{_PACKAGE}.trace.v1.TraceService/Export",
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        "rejected_spans",
    ),
    "metrics": Signal(
        f"{_PACKAGE}.metrics.v1.MetricsService/Export",
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        "rejected_data_points",
    ),
    "logs": Signal(
        f"{_PACKAGE}.logs.v1.LogsService/Export",
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
    when: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Verdict:
    """How to answer: accept, partial, reject, busy or unavailable; with busy, when to come again (seconds)."""

    behaviour: str
    retry_after: float = 0.0


@dataclass(frozen=True)
class Tls:
    """PEM files of a server; with `client_ca` clients must show a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


Take = Callable[[Export], Verdict]


def grpc_server(port: int, tls: Tls | None, take: Take) -> grpc.Server:
    """A started gRPC server on `port` of the loopback interface."""
    server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_GrpcHandlers(take),))
    address = f"127.0.0.1:{port}"
    if tls is None:
        server.add_insecure_port(address)
    else:
        credentials = grpc.ssl_server_credentials(
            [(tls.key.read_bytes(), tls.certificate.read_bytes())],
            root_certificates=tls.client_ca.read_bytes() if tls.client_ca else None,
            require_client_auth=tls.client_ca is not None,
        )
        server.add_secure_port(address, credentials)
    server.start()
    return server


class _HttpServer(ThreadingHTTPServer):
    """One that ends its connections when it is closed, as a process that dies does."""

    daemon_threads = True

    def __init__(self, port: int, take: Take) -> None:
        super().__init__(("127.0.0.1", port), _http_handler(take))
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)


def http_server(port: int, tls: Tls | None, take: Take) -> ThreadingHTTPServer:
    """A started HTTP server on `port` of the loopback interface."""
    server = _HttpServer(port, take)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _answer(signal: str, verdict: Verdict) -> bytes:
    how = SIGNALS[signal]
    if verdict.behaviour != "partial":
        return bytes(how.response().SerializeToString())
    partial = {how.rejected: 1, "error_message": "one too many"}
    return bytes(how.response(partial_success=partial).SerializeToString())


class _GrpcHandlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, take: Take) -> None:
        self._take = take

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        for signal, how in SIGNALS.items():
            if how.method == details.method:
                return grpc.unary_unary_rpc_method_handler(
                    lambda body, context, signal=signal: self._export(signal, body, context)
                )
        return None

    def _export(self, signal: str, body: bytes, context: Any) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        verdict = self._take(Export(signal, "grpc", SIGNALS[signal].method, headers, body))
        if verdict.behaviour == "reject":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not like this")
        if verdict.behaviour == "unavailable":
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        if verdict.behaviour == "busy":
            context.set_trailing_metadata((("grpc-status-details-bin", _retry_details(verdict.retry_after)),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        return _answer(signal, verdict)


def _retry_details(seconds: float) -> bytes:
    """The status details of a gRPC error as the Collector (gRPC-Go) sends them."""
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))))
    code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    return bytes(RpcStatus(code=code, message="too much", details=[detail]).SerializeToString())


def _http_handler(take: Take) -> type[BaseHTTPRequestHandler]:
    codes = {"reject": 400, "busy": 429, "unavailable": 503}

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
            headers = {key.lower(): value for key, value in self.headers.items()}
            verdict = take(Export(signal, "http", self.path, headers, body))
            answer = _answer(signal, verdict)
            self.send_response(codes.get(verdict.behaviour, 200))
            if verdict.behaviour == "busy":
                self.send_header("retry-after", str(max(1, round(verdict.retry_after))))
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
