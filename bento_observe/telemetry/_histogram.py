"""Explicit-bucket histograms of one writer: counted by the encoder thread, which also collects them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    Exemplar,
    Histogram,
    HistogramDataPoint,
    Metric,
)

from bento_observe import semconv, wire

__all__ = ["ExplicitHistogram", "Series", "collect"]


class Series:
    """One attribute set's buckets: `counts[i]` counts bounds[i-1] < value <= bounds[i].

    The last exemplar of each bucket since the previous collection is kept: value, unix ns, trace id, span id.
    """

    __slots__ = ("_bounds", "_exemplars", "_message", "count", "counts", "maximum", "minimum", "start_ns", "total")

    def __init__(self, bounds: tuple[float, ...], attributes: Mapping[str, Any], start_ns: int) -> None:
        self._bounds = bounds
        self._message = wire.key_values(attributes)
        self._exemplars: dict[int, tuple[float, int, bytes, bytes]] = {}
        self._clear(start_ns)

    def _clear(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.counts = [0] * (len(self._bounds) + 1)
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")

    def record(self, value: float, when_ns: int, trace_id: bytes | None, span_id: bytes) -> None:
        """Count one value (in the metric's unit); with a trace id it becomes its bucket's exemplar."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.count += 1
        self.total += value
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value
        if trace_id is not None:
            self._exemplars[bucket] = (value, when_ns, trace_id, span_id)

    def point(self, now_ns: int, delta: bool) -> HistogramDataPoint:
        """The data point for a collection; exemplars, and with `delta` the counts, start anew."""
        point = HistogramDataPoint(
            attributes=self._message,
            start_time_unix_nano=self.start_ns,
            time_unix_nano=now_ns,
            count=self.count,
            sum=self.total,
            min=self.minimum,
            max=self.maximum,
            bucket_counts=self.counts,
            explicit_bounds=self._bounds,
            exemplars=[
                Exemplar(time_unix_nano=when, as_double=value, trace_id=trace_id, span_id=span_id)
                for value, when, trace_id, span_id in self._exemplars.values()
            ],
        )
        self._exemplars = {}
        if delta:
            self._clear(now_ns)
        return point

    def nothing(self, when_ns: int) -> HistogramDataPoint:
        """The point that it had before its first value."""
        return HistogramDataPoint(
            attributes=self._message,
            start_time_unix_nano=self.start_ns,
            time_unix_nano=when_ns,
            count=0,
            sum=0.0,
            bucket_counts=[0] * len(self.counts),
            explicit_bounds=self._bounds,
        )


class ExplicitHistogram:
    """One metric family: a `Series` per key. `describe` gives a key's attributes; asked once per series.

    A cumulative series that is new is told twice: as 0 when the family was last collected, which is true, and as it is
    now. A rate does not see what a series begins with, be it a burst of errors.
    """

    def __init__(self, metric: semconv.Metric, describe: Callable[[Any], Mapping[str, Any]], limit: int = 2000) -> None:
        """At most `limit` series; later keys share one that is marked `otel.metric.overflow`."""
        self._metric = metric
        self._describe = describe
        self._limit = limit
        self._series: dict[Any, Series] = {}
        self._told: set[Any] = set()
        self._last_ns = 0

    def series(self, key: Any, start_ns: int) -> Series:
        """The series of `key`, new ones starting at `start_ns` (unix)."""
        found = self._series.get(key)
        if found is None:
            attributes = self._describe(key)
            if len(self._series) >= self._limit:
                key, attributes = None, {"otel.metric.overflow": True}
                if key in self._series:
                    return self._series[key]
            found = self._series[key] = Series(self._metric.boundaries, attributes, start_ns)
        return found

    def collect(self, now_ns: int, delta: bool) -> Metric | None:
        """The family as OTLP has it; None while there is nothing to tell."""
        points = []
        for key, series in self._series.items():
            if not series.count:
                continue
            if not delta and key not in self._told:
                self._told.add(key)
                points.append(series.nothing(min(max(series.start_ns, self._last_ns), now_ns)))
            points.append(series.point(now_ns, delta))
        self._last_ns = now_ns
        if not points:
            return None
        temporality = AGGREGATION_TEMPORALITY_DELTA if delta else AGGREGATION_TEMPORALITY_CUMULATIVE
        return Metric(
            name=self._metric.name,
            unit=self._metric.unit,
            description=self._metric.description,
            histogram=Histogram(data_points=points, aggregation_temporality=temporality),
        )


def collect(families: Iterable[ExplicitHistogram], now_ns: int, delta: bool) -> list[Metric]:
    """Those of the families that have something to tell, as OTLP has them."""
    return [metric for family in families if (metric := family.collect(now_ns, delta)) is not None]
