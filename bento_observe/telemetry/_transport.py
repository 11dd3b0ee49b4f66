"""How one encoded OTLP request reaches its endpoint, and what the endpoint's answer means."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol

from bento_observe._version import __version__
from bento_observe.settings import Endpoint

__all__ = ["USER_AGENT", "Outcome", "Transport", "create", "probe"]

USER_AGENT = f"bento-observe/{__version__}"


@dataclass(frozen=True)
class Outcome:
    """An endpoint's answer. `retry_after` is in seconds: None means that trying again cannot help."""

    accepted: bool
    reason: str = ""
    retry_after: float | None = None
    rejected: int = 0


class Transport(Protocol):
    """Sends serialised Export*ServiceRequest messages of one signal. Used by one thread."""

    def send(self, payload: bytes, timeout: float) -> Outcome:
        """Send and wait for the answer, at most `timeout` seconds. Raises nothing that an endpoint can cause."""

    def close(self) -> None:
        """Give up connections."""


def create(signal: str, endpoint: Endpoint) -> Transport | None:
    """The transport for `signal`; None where its exporter is none. Imports only what that transport needs."""
    if endpoint.exporter == "none":
        return None
    if endpoint.exporter == "console":
        return _Console(signal)
    if endpoint.protocol == "grpc":
        from bento_observe.telemetry._grpc import GrpcTransport

        return GrpcTransport(signal, endpoint)
    from bento_observe.telemetry._http import HttpTransport

    return HttpTransport(signal, endpoint)


def probe(signal: str, endpoint: Endpoint, timeout: float) -> Outcome:
    """The endpoint's answer to an empty export; the connection is closed again. Blocks.

    Raises:
        Exception: whatever is wrong with the settings, such as a file that is no certificate.
    """
    transport = create(signal, endpoint)
    if transport is None:
        return Outcome(accepted=True)
    try:
        return transport.send(b"", timeout)
    finally:
        transport.close()


def response_class(signal: str) -> Any:
    """The generated class of the answer to an export of `signal`."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    return {
        "traces": ExportTraceServiceResponse,
        "metrics": ExportMetricsServiceResponse,
        "logs": ExportLogsServiceResponse,
    }[signal]


def outcome_of(response: Any) -> Outcome:
    """Accepted, less what the endpoint says it refused of the request (OTLP partial success)."""
    partial = response.partial_success
    for field in ("rejected_spans", "rejected_data_points", "rejected_log_records"):
        rejected = getattr(partial, field, 0)
        if rejected:
            return Outcome(accepted=True, rejected=rejected, reason=partial.error_message)
    return Outcome(accepted=True)


class _Console:
    """Writes each request to standard output, one OTLP/JSON document a line."""

    def __init__(self, signal: str) -> None:
        from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
        from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

        # *Data has the layout of Export*ServiceRequest.
        self._class: Any = {"traces": TracesData, "metrics": MetricsData, "logs": LogsData}[signal]

    def send(self, payload: bytes, timeout: float) -> Outcome:
        del timeout
        from google.protobuf.json_format import MessageToJson

        sys.stdout.write(MessageToJson(self._class.FromString(payload), indent=None) + "\n")
        sys.stdout.flush()
        return Outcome(accepted=True)

    def close(self) -> None:
        """Nothing to give up."""
