"""OTLP over gRPC."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from bento_observe.settings import Endpoint
from bento_observe.telemetry._transport import USER_AGENT, Outcome, outcome_of, response_class

__all__ = ["GrpcTransport"]

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
# The OTLP specification's list; RESOURCE_EXHAUSTED only where the server says when.
_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
_OPTIONS = [
    ("grpc.primary_user_agent", USER_AGENT),
    # Retries are the sender's; a collector that comes back is found within seconds, not gRPC's two minutes.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
]


class GrpcTransport:
    """One channel for one signal. Reads certificates when made: OSError if one cannot be read."""

    def __init__(self, signal: str, endpoint: Endpoint) -> None:
        compression = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}.get(endpoint.compression)
        target = _target(endpoint.url)
        if endpoint.insecure:
            self._channel = grpc.insecure_channel(target, options=_OPTIONS, compression=compression)
        else:
            credentials = grpc.ssl_channel_credentials(
                root_certificates=_read(endpoint.certificate),
                private_key=_read(endpoint.client_key),
                certificate_chain=_read(endpoint.client_certificate),
            )
            self._channel = grpc.secure_channel(target, credentials, options=_OPTIONS, compression=compression)
        self._export = self._channel.unary_unary(
            _METHODS[signal],
            request_serializer=None,  # requests are bytes already
            response_deserializer=response_class(signal).FromString,
        )
        self._metadata = endpoint.headers

    def send(self, payload: bytes, timeout: float) -> Outcome:
        try:
            return outcome_of(self._export(payload, timeout=timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                return Outcome(accepted=False, reason=type(error).__name__, retry_after=0.0)
            code = error.code()
            delay = _retry_delay(error)
            if delay is None and code in _RETRYABLE:
                delay = 0.0
            return Outcome(accepted=False, reason=code.name.lower(), retry_after=delay)

    def close(self) -> None:
        self._channel.close()


def _target(url: str) -> str:
    if "://" not in url or url.startswith("unix:"):
        return url
    return urllib.parse.urlsplit(url).netloc


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _retry_delay(error: grpc.Call) -> float | None:
    """Seconds the server asks to wait, from the RetryInfo among its status details."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            info = RetryInfo()
            try:
                details = Status.FromString(value).details
                if any(detail.Unpack(info) for detail in details):
                    return float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9
            except DecodeError:
                return None
    return None
