"""Snapshots as OTLP metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bento_observe import semconv
from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._snapshot import NumericFeature, Snapshot

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2

__all__ = ["encode"]

_Pairs = tuple[tuple[str, str], ...]


def encode(
    groups: Iterable[tuple[Mapping[str, str], Snapshot]],
    start_time_unix_nano: int,
    time_unix_nano: int,
    temporality: int,
) -> list[metrics_pb2.Metric]:
    """`ml.feature.value`, `ml.feature.missing` and `ml.feature.invalid` of all groups, without empty metrics.

    A group is attributes and the snapshot that they describe. `temporality` is a value of OTLP's
    `AggregationTemporality`; a delta wants the snapshots of `FeatureStatistics.delta`, and leaves out what did not
    change. Counters start at zero as soon as their feature is known, so that a rate sees the first increment.

    A metric holds one kind of histogram, so features with explicit and features with exponential buckets are two
    metrics of one name; Prometheus stores them apart anyway (`ml_feature_value_bucket` and `ml_feature_value`).

    Explicit histograms never carry a `sum`: features can be negative, and the OTLP data model wants it left out then,
    because Prometheus would take every decrease of `_sum` for a restart; it copes with none. Exponential ones do:
    Prometheus' native histograms have no absent sum, so that it would become a wrong mean of 0, and their sum takes
    no part in the detection of restarts.
    """
    writer = _Writer(start_time_unix_nano, time_unix_nano, temporality)
    for attributes, snapshot in groups:
        writer.add(attributes, snapshot)
    return writer.metrics()


class _Writer:
    """The metrics of one collection, being written."""

    def __init__(self, start_time_unix_nano: int, time_unix_nano: int, temporality: int) -> None:
        from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

        self._pb = pb
        self._start = start_time_unix_nano
        self._time = time_unix_nano
        self._delta = temporality == pb.AGGREGATION_TEMPORALITY_DELTA
        self._explicit = self._metric(semconv.FEATURE_VALUE)
        self._exponential = self._metric(semconv.FEATURE_VALUE)
        self._missing = self._metric(semconv.FEATURE_MISSING)
        self._invalid = self._metric(semconv.FEATURE_INVALID)
        self._explicit.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
        self._exponential.exponential_histogram.aggregation_temporality = temporality  # type: ignore[assignment]
        for counter in (self._missing, self._invalid):
            counter.sum.aggregation_temporality = temporality  # type: ignore[assignment]
            counter.sum.is_monotonic = True

    def _metric(self, metric: semconv.Metric) -> metrics_pb2.Metric:
        return self._pb.Metric(name=metric.name, unit=metric.unit, description=metric.description)

    def metrics(self) -> list[metrics_pb2.Metric]:
        """Those that have points."""
        written = [self._explicit] * bool(self._explicit.histogram.data_points)
        written += [self._exponential] * bool(self._exponential.exponential_histogram.data_points)
        return written + [counter for counter in (self._missing, self._invalid) if counter.sum.data_points]

    def add(self, attributes: Mapping[str, str], snapshot: Snapshot) -> None:
        """All points of one group."""
        group = dict(attributes)
        if snapshot.reference_id is not None:
            group[semconv.ML_REFERENCE_ID] = snapshot.reference_id
        constant = tuple(group.items())
        for name, feature in snapshot.features.items():
            pairs = (*constant, (semconv.ML_FEATURE_NAME, name))
            if not isinstance(feature, NumericFeature):
                continue
            if feature.count or not self._delta:
                self._histogram(pairs, feature)
            self._count(self._missing, pairs, feature.missing)
            self._count(self._invalid, (*pairs, (semconv.REASON, semconv.REASON_INFINITE)), feature.non_finite)
            self._count(self._invalid, (*pairs, (semconv.REASON, semconv.REASON_NOT_A_NUMBER)), feature.invalid)
        for reason, rows in snapshot.rows_refused.items():
            self._count(self._invalid, (*constant, (semconv.REASON, reason)), rows)

    def _count(self, counter: metrics_pb2.Metric, pairs: _Pairs, value: int) -> None:
        if value or not self._delta:
            point = counter.sum.data_points.add()
            self._begin(point, pairs)
            point.as_int = value

    def _histogram(self, pairs: _Pairs, feature: NumericFeature) -> None:
        histogram = feature.histogram
        point: metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint
        if isinstance(histogram, ExplicitHistogram):
            point = self._explicit.histogram.data_points.add()
            self._begin(point, pairs)
            point.explicit_bounds.extend(histogram.edges.tolist())
            point.bucket_counts.extend(histogram.counts.tolist())
        else:
            point = self._exponential.exponential_histogram.data_points.add()
            self._begin(point, pairs)
            _fill_exponential(point, histogram)
            if math.isfinite(feature.sum):
                point.sum = feature.sum
        point.count = feature.count
        if not math.isnan(feature.min):
            point.min, point.max = feature.min, feature.max

    def _begin(self, point: Any, pairs: _Pairs) -> None:
        point.MergeFromString(_attributes(type(point).__name__, pairs))
        point.start_time_unix_nano = self._start
        point.time_unix_nano = self._time


def _fill_exponential(point: metrics_pb2.ExponentialHistogramDataPoint, histogram: ExponentialHistogram) -> None:
    point.scale = histogram.scale
    point.zero_count = histogram.zero_count
    for side, buckets in ((point.positive, histogram.positive), (point.negative, histogram.negative)):
        side.offset = buckets.offset
        side.bucket_counts.extend(buckets.counts.tolist())


@lru_cache(maxsize=16_384)
def _attributes(kind: str, pairs: _Pairs) -> bytes:
    """A serialised point of this kind with nothing but attributes: parsing it costs a quarter of building it."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1 import metrics_pb2

    attributes = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs]
    serialised: bytes = getattr(metrics_pb2, kind)(attributes=attributes).SerializeToString()
    return serialised
