"""The three OTLP services: their messages, their gRPC names, their HTTP paths."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from bento_observe.dev._store import LOG_RECORDS, METRICS, TRACES, Signal

__all__ = ["MAX_BODY_BYTES", "SERVICES", "Service", "parse_json", "parse_protobuf"]

MAX_BODY_BYTES: Final = 64 << 20
"""The largest export request, uncompressed."""


@dataclass(frozen=True)
class Service:
    """One OTLP service and the signal it carries."""

    signal: Signal
    request: type[Message]
    response: type[Message]

    @property
    def grpc_name(self) -> str:
        """The service's full name, such as `opentelemetry.proto.collector.trace.v1.TraceService`."""
        name = self.request.DESCRIPTOR.full_name.removesuffix("ServiceRequest")
        package, _, export = name.rpartition(".")
        return f"{package}.{export.removeprefix('Export')}Service"

    @property
    def path(self) -> str:
        """The OTLP/HTTP path, such as `/v1/traces`."""
        return f"/v1/{self.signal.name}"


SERVICES: Final = (
    Service(TRACES, traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    Service(METRICS, metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    Service(LOG_RECORDS, logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
)

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


def parse_protobuf(service: Service, body: bytes) -> Message:
    """The export request in a binary body; `ValueError` when it isn't one."""
    request = service.request()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(f"not an {service.request.DESCRIPTOR.name}: {error}") from error
    return request


def parse_json(service: Service, body: bytes) -> Message:
    """The export request in a JSON body; `ValueError` when it isn't one."""
    request = service.request()
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise json_format.ParseError("not a JSON object")
        json_format.ParseDict(_base64_ids(document), request, ignore_unknown_fields=True)
    except (json_format.ParseError, binascii.Error, RecursionError) as error:
        raise ValueError(f"not an {service.request.DESCRIPTOR.name}: {error}") from error
    return request


def _base64_ids(document: Any) -> Any:
    """OTLP's JSON has ids in hex, where protobuf's has all bytes in base64. (Attribute names are no keys in OTLP.)"""
    if isinstance(document, list):
        return [_base64_ids(item) for item in document]
    if isinstance(document, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in _IDS and isinstance(item, str)
            else _base64_ids(item)
            for key, item in document.items()
        }
    return document
