"""OTLP export requests as rows of the tables in `_schema`, lazily, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bento_observe import semconv
from bento_observe.dev._json import attributes, dumps, dumps_sorted, text
from bento_observe.dev._schema import ABSENT, Row

__all__ = ["log_rows", "point_rows", "span_rows"]

_INT64_MAX: Final = 2**63 - 1
_NAN: Final = float("nan")

_SPAN_KIND: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS: Final = ("unset", "ok", "error")
_TEMPORALITY: Final = (None, "delta", "cumulative")


def span_rows(request: ExportTraceServiceRequest) -> Iterator[Row]:
    """One row of `SPANS` a span."""
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            origin = _origin(of_resource.resource, of_scope.scope)
            for span in of_scope.spans:
                start, end = _ns(span.start_time_unix_nano), _ns(span.end_time_unix_nano)
                yield (
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex() or None,
                    span.name,
                    _named(_SPAN_KIND, span.kind),
                    start,
                    end,
                    end - start if start != ABSENT != end else ABSENT,
                    _named(_STATUS, span.status.code),
                    span.status.message or None,
                    dumps(attributes(span.attributes)),
                    _events(span.events),
                    _links(span.links),
                    *origin,
                )


def log_rows(request: ExportLogsServiceRequest) -> Iterator[Row]:
    """One row of `LOGS` a log record."""
    for of_resource in request.resource_logs:
        for of_scope in of_resource.scope_logs:
            origin = _origin(of_resource.resource, of_scope.scope)
            for record in of_scope.log_records:
                yield (
                    _ns(record.time_unix_nano),
                    _ns(record.observed_time_unix_nano),
                    record.severity_number or ABSENT,
                    record.severity_text or None,
                    text(record.body),
                    dumps(attributes(record.attributes)),
                    record.trace_id.hex() or None,
                    record.span_id.hex() or None,
                    record.event_name or None,
                    *origin,
                )


def point_rows(request: ExportMetricsServiceRequest) -> Iterator[Row]:
    """One row of `POINTS` a data point; a metric of a kind this version of OTLP doesn't know has none."""
    for of_resource in request.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            origin = _origin(of_resource.resource, of_scope.scope)
            for metric in of_scope.metrics:
                data = metric.WhichOneof("data")
                if data is None:
                    continue
                yield from _points(metric, data, origin)


def _points(metric: metrics.Metric, data: str, origin: Row) -> Iterator[Row]:
    family: Any = getattr(metric, data)
    kind, columns = _KINDS[data]
    temporality = _named(_TEMPORALITY, getattr(family, "aggregation_temporality", 0))
    monotonic = str(family.is_monotonic).lower() if data == "sum" else None
    for point in family.data_points:
        yield (
            metric.name,
            metric.unit,
            kind,
            temporality,
            monotonic,
            dumps_sorted(attributes(point.attributes)),
            _ns(point.start_time_unix_nano),
            _ns(point.time_unix_nano),
            *columns(point),
            _exemplars(getattr(point, "exemplars", ())),
            point.flags,
            *origin,
        )


# The columns from `value` to `quantiles`, for each kind of point.
_NO_EXPONENTIAL: Final = (ABSENT, ABSENT, _NAN, ABSENT, None, ABSENT, None)


def _number(point: metrics.NumberDataPoint) -> Row:
    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    if point.WhichOneof("value") is None:
        value = _NAN
    return (value, ABSENT, _NAN, _NAN, _NAN, None, None, *_NO_EXPONENTIAL, None)


def _explicit(point: metrics.HistogramDataPoint) -> Row:
    return (
        *_moments(point),
        _listed(point.explicit_bounds),
        _listed(point.bucket_counts),
        *_NO_EXPONENTIAL,
        None,
    )


def _exponential(point: metrics.ExponentialHistogramDataPoint) -> Row:
    return (
        *_moments(point),
        None,
        None,
        point.scale,
        _int64(point.zero_count),
        point.zero_threshold,
        point.positive.offset,
        _listed(point.positive.bucket_counts),
        point.negative.offset,
        _listed(point.negative.bucket_counts),
        None,
    )


def _summary(point: metrics.SummaryDataPoint) -> Row:
    quantiles = [{"quantile": item.quantile, "value": item.value} for item in point.quantile_values]
    return (_NAN, _int64(point.count), point.sum, _NAN, _NAN, None, None, *_NO_EXPONENTIAL, dumps(quantiles))


def _moments(point: metrics.HistogramDataPoint | metrics.ExponentialHistogramDataPoint) -> Row:
    return (
        _NAN,
        _int64(point.count),
        point.sum if point.HasField("sum") else _NAN,
        point.min if point.HasField("min") else _NAN,
        point.max if point.HasField("max") else _NAN,
    )


_KINDS: Final[dict[str, tuple[str, Callable[[Any], Row]]]] = {
    "gauge": ("gauge", _number),
    "sum": ("sum", _number),
    "histogram": ("histogram", _explicit),
    "exponential_histogram": ("exponential_histogram", _exponential),
    "summary": ("summary", _summary),
}


def _origin(resource: Resource, scope: InstrumentationScope) -> Row:
    sender = attributes(resource.attributes)
    return (
        _text_of(sender.get(semconv.SERVICE_NAME)),
        _text_of(sender.get(semconv.SERVICE_INSTANCE_ID)),
        scope.name,
        scope.version or None,
        dumps_sorted(sender),
    )


def _events(events: Sequence[Span.Event]) -> str:
    if not events:
        return "[]"
    return dumps(
        [
            {"name": event.name, "time_ns": event.time_unix_nano, "attributes": attributes(event.attributes)}
            for event in events
        ]
    )


def _links(links: Sequence[Span.Link]) -> str:
    if not links:
        return "[]"
    return dumps(
        [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": attributes(link.attributes)}
            for link in links
        ]
    )


def _exemplars(exemplars: Sequence[metrics.Exemplar]) -> str:
    if not exemplars:
        return "[]"
    return dumps(
        [
            {
                "time_ns": exemplar.time_unix_nano,
                "value": exemplar.as_int if exemplar.WhichOneof("value") == "as_int" else exemplar.as_double,
                "trace_id": exemplar.trace_id.hex() or None,
                "span_id": exemplar.span_id.hex() or None,
                "attributes": attributes(exemplar.filtered_attributes),
            }
            for exemplar in exemplars
        ]
    )


def _named(names: tuple[Any, ...], number: int) -> Any:
    """The name of an enum value; a number that a later OTLP may send stays a number."""
    return names[number] if 0 <= number < len(names) else str(number)


def _ns(time: int) -> int:
    """OTLP says 0 for "not known"; a time after the year 2262 is taken for that year."""
    return min(time, _INT64_MAX) or ABSENT


def _int64(count: int) -> int:
    return min(count, _INT64_MAX)


def _listed(numbers: Sequence[float]) -> str:
    return str([min(number, _INT64_MAX) if isinstance(number, int) else number for number in numbers])


def _text_of(attribute: Any) -> str | None:
    return attribute if attribute is None or isinstance(attribute, str) else dumps(attribute)
