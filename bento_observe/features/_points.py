"""OTLP metrics, written point by point at about a microsecond each.

A hundred features make some thousands of points, which differ in a label and a number. So attributes are serialised
once and kept, and the rest of a point is fixed-width fields behind. Field numbers are those of opentelemetry-proto 1.x.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bento_observe.features._exemplars import Exemplar
from bento_observe.features._histograms import Buckets, ExplicitHistogram, ExponentialHistogram
from bento_observe.framing import message, string_field, varint
from bento_observe.semconv import Kind, Metric

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2

__all__ = ["Labels", "MetricPoints", "Times", "labels"]

Pairs = tuple[tuple[str, str], ...]

# The field of the attributes in a point of each kind.
_NUMBER_ATTRIBUTES: Final = b"\x3a"
_EXPLICIT_ATTRIBUTES: Final = b"\x4a"
_EXPONENTIAL_ATTRIBUTES: Final = b"\x0a"
_EXPLICIT_EXEMPLAR: Final = b"\x42"
_EXPONENTIAL_EXEMPLAR: Final = b"\x5a"

_POINT: Final = b"\x0a"
_AS_DOUBLE: Final = struct.Struct("<Bd")
_AS_INT: Final = struct.Struct("<Bq")
_COUNT: Final = struct.Struct("<BQ")
_EXEMPLAR: Final = struct.Struct("<BQBd")
_DOUBLE_TAG, _INT_TAG = 0x21, 0x31


class Labels:
    """The attributes of one feature's points, serialised for each kind of point."""

    __slots__ = ("explicit", "exponential", "number")

    def __init__(self, pairs: Pairs) -> None:
        fields = [string_field(b"\x0a", key) + message(b"\x12", string_field(b"\x0a", value)) for key, value in pairs]
        self.number = b"".join(message(_NUMBER_ATTRIBUTES, field) for field in fields)
        self.explicit = b"".join(message(_EXPLICIT_ATTRIBUTES, field) for field in fields)
        self.exponential = b"".join(message(_EXPONENTIAL_ATTRIBUTES, field) for field in fields)


@lru_cache(maxsize=16_384)
def labels(pairs: Pairs) -> Labels:
    """`Labels(pairs)`, remembered."""
    return Labels(pairs)


@lru_cache(maxsize=16_384)
def _one_more(key: str, value: str) -> bytes:
    """One attribute of a number point."""
    return Labels(((key, value),)).number


class Times:
    """Start and end of what all points of a collection tell, in nanoseconds since the epoch."""

    __slots__ = ("fields",)

    def __init__(self, start_time_unix_nano: int, time_unix_nano: int) -> None:
        self.fields = struct.pack("<BQBQ", 0x11, start_time_unix_nano, 0x19, time_unix_nano)


class MetricPoints:
    """The points of one metric in one collection.

    `exponential` says which kind of histogram a histogram is. `temporality` is a value of OTLP's
    `AggregationTemporality`; gauges have none.
    """

    __slots__ = ("_exponential", "_metric", "_points", "_temporality", "_times")

    def __init__(self, metric: Metric, times: Times, temporality: int, exponential: bool = False) -> None:
        self._metric = metric
        self._times = times.fields
        self._temporality = temporality
        self._exponential = exponential
        self._points: list[bytes] = []

    def integer(self, base: Labels, value: int, key: str = "", label: str = "") -> None:
        """A counter's or gauge's point; `key` and `label` are one more attribute."""
        self._number(base, _AS_INT.pack(_INT_TAG, value), key, label)

    def real(self, base: Labels, value: float, key: str = "", label: str = "") -> None:
        """The same with a floating-point value."""
        self._number(base, _AS_DOUBLE.pack(_DOUBLE_TAG, value), key, label)

    def _number(self, base: Labels, value: bytes, key: str, label: str) -> None:
        attributes = base.number + _one_more(key, label) if key else base.number
        size = len(attributes) + len(self._times) + len(value)
        self._points += (_POINT, varint(size), attributes, self._times, value)

    def explicit(
        self,
        base: Labels,
        histogram: ExplicitHistogram,
        count: int,
        extremes: tuple[float, float] | None,
        exemplars: Iterable[Exemplar] = (),
    ) -> None:
        """A histogram with explicit buckets and no sum."""
        counts, edges = histogram.counts.astype("<u8").tobytes(), histogram.edges.astype("<f8").tobytes()
        fields = [base.explicit, self._times, _COUNT.pack(0x21, count), message(b"\x32", counts)]
        fields.append(message(b"\x3a", edges))
        fields += [message(_EXPLICIT_EXEMPLAR, _exemplar(one)) for one in exemplars]
        if extremes is not None:
            fields.append(struct.pack("<BdBd", 0x59, extremes[0], 0x61, extremes[1]))
        self._points.append(message(_POINT, b"".join(fields)))

    def exponential(
        self,
        base: Labels,
        histogram: ExponentialHistogram,
        count: int,
        total: float | None,
        extremes: tuple[float, float] | None,
        exemplars: Iterable[Exemplar] = (),
    ) -> None:
        """A histogram with exponential buckets."""
        scale = histogram.scale
        fields = [base.exponential, self._times, _COUNT.pack(0x21, count), b"\x30", varint(_zigzag(scale))]
        fields.append(_COUNT.pack(0x39, histogram.zero_count))
        fields += [message(b"\x42", _buckets(histogram.positive)), message(b"\x4a", _buckets(histogram.negative))]
        if total is not None:
            fields.append(_AS_DOUBLE.pack(0x29, total))
        fields += [message(_EXPONENTIAL_EXEMPLAR, _exemplar(one)) for one in exemplars]
        if extremes is not None:
            fields.append(struct.pack("<BdBd", 0x61, extremes[0], 0x69, extremes[1]))
        self._points.append(message(_POINT, b"".join(fields)))

    def metrics(self) -> Iterable[metrics_pb2.Metric]:
        """The metric, unless it has no points."""
        if not self._points:
            return
        from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

        metric = pb.Metric(name=self._metric.name, unit=self._metric.unit, description=self._metric.description)
        data: metrics_pb2.Sum | metrics_pb2.Gauge | metrics_pb2.Histogram | metrics_pb2.ExponentialHistogram
        if self._metric.kind is Kind.COUNTER:
            data = metric.sum
            metric.sum.is_monotonic = True
        elif self._metric.kind is Kind.GAUGE:
            data = metric.gauge
        else:
            data = metric.exponential_histogram if self._exponential else metric.histogram
        if not isinstance(data, pb.Gauge):
            data.aggregation_temporality = self._temporality  # type: ignore[assignment]
        # In all four the points are field 1.
        data.MergeFromString(b"".join(self._points))
        yield metric


def _exemplar(one: Exemplar) -> bytes:
    fields = _EXEMPLAR.pack(0x11, one.time_unix_nano, 0x19, one.value)
    return fields + message(b"\x22", one.span_id) + message(b"\x2a", one.trace_id)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _buckets(side: Buckets) -> bytes:
    counts = b"".join(map(varint, side.counts.tolist()))
    return b"\x08" + varint(_zigzag(side.offset)) + message(b"\x12", counts)
