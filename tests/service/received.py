"""OTLP requests as plain records: what a test looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

SERVER, INTERNAL, CLIENT = 2, 1, 3
"""Span kinds."""


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


def spans(request: Any) -> Iterator[Span]:
    """All spans of an ExportTraceServiceRequest."""
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


def points(request: Any) -> Iterator[Point]:
    """All data points of an ExportMetricsServiceRequest."""
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


def logs(request: Any) -> Iterator[Log]:
    """All records of an ExportLogsServiceRequest."""
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
