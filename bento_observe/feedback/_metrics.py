"""The sums of all groups as OTLP metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)

from bento_observe import semconv, wire
from bento_observe._version import __version__
from bento_observe.feedback._group import BINS, Group, Histogram, Scores, Values
from bento_observe.feedback._performance import GroupKey, Model, Performance

__all__ = ["PerformanceMetrics"]

Attributes = dict[str, Any]


class PerformanceMetrics:
    """A producer of metrics; see `bento_observe.telemetry.Telemetry.add`.

    A series that is new is told twice: as 0 when metrics were last collected, which is true, and as it is now. So a
    rate sees its first labels.

    Args:
        performance: what is told.
        refused: gives the refused labels by reason.
        now_ns: when counting began, nanoseconds since the epoch.
    """

    def __init__(self, performance: Performance, refused: Callable[[], Mapping[str, int]], now_ns: int) -> None:
        self._performance = performance
        self._refused = refused
        self._start_ns = self._last_ns = now_ns
        self._sent: dict[tuple[Any, ...], Any] = {}
        self._metrics: dict[str, Metric] = {}
        self._now_ns, self._delta = now_ns, False

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """All metrics that have points."""
        self._metrics, self._now_ns, self._delta = {}, now_ns, delta
        for key, group in self._performance.groups():
            self._group(_attributes(key), group, detail=not key.slice_name)
        for model, histogram in self._performance.delays():
            self._histogram(semconv.LABEL_DELAY, _of_model(model), histogram)
        for reason, count in self._refused().items():
            self._count(semconv.LABEL_REFUSED, {semconv.REASON: reason}, count)
        self._last_ns = now_ns
        if self._metrics:
            scope = InstrumentationScope(name=semconv.SCOPE_PERFORMANCE, version=__version__)
            yield ScopeMetrics(scope=scope, metrics=self._metrics.values())

    def _group(self, base: Attributes, group: Group, detail: bool) -> None:
        self._count(semconv.MODEL_LABELS, base, group.labels)
        for (predicted, true, correct), count in group.confusion.items():
            pair = {semconv.ML_PREDICTION_CLASS: predicted, semconv.ML_LABEL_CLASS: true}
            told = {semconv.ML_PREDICTION_CORRECT: _truth(correct)}
            self._count(semconv.MODEL_CONFUSION, {**base, **pair, **told}, count)
        for event, scores in group.scores.items():
            self._scores({**base, semconv.ML_SCORE_EVENT: event}, scores, detail)
        if group.values is not None:
            self._values(base, group.values)

    def _scores(self, base: Attributes, scores: Scores, detail: bool) -> None:
        for outcome, histogram in scores.histograms.items():
            told = {semconv.ML_SCORE_OUTCOME: _truth(outcome)}
            if detail:  # 150 buckets are too many series for each slice
                self._histogram(semconv.MODEL_SCORE, {**base, **told}, histogram)
            for number in range(BINS):
                binned = {**base, semconv.ML_SCORE_BIN: f"{number:02d}", **told}
                self._count(semconv.MODEL_CALIBRATION, binned, int(scores.bins[outcome][number]))
        for number in range(BINS):
            binned = {**base, semconv.ML_SCORE_BIN: f"{number:02d}"}
            self._count(semconv.MODEL_CALIBRATION_SCORE, binned, float(scores.sums[number]))
        self._count(semconv.MODEL_BRIER, base, scores.brier)
        self._count(semconv.MODEL_LOG_LOSS, base, scores.log_loss)

    def _values(self, base: Attributes, values: Values) -> None:
        for side, error, deviation in (
            (semconv.SIDE_ABOVE, values.above, values.label_above),
            (semconv.SIDE_BELOW, values.below, values.label_below),
        ):
            sided = {**base, semconv.ML_DEVIATION_SIDE: side}
            self._count(semconv.MODEL_ERROR, sided, error)
            self._count(semconv.MODEL_LABEL_DEVIATION, sided, deviation)
        self._count(semconv.MODEL_ERROR_SQUARES, base, values.squares)
        self._count(semconv.MODEL_LABEL_DEVIATION_SQUARES, base, values.label_squares)
        # Errors can be negative, so that their sum could fall, which Prometheus would take for a restart.
        self._histogram(semconv.MODEL_ERROR_VALUE, base, values.histogram, total=False)

    def _count(self, metric: semconv.Metric, attributes: Attributes, value: float) -> None:
        points = self._metric(metric).sum.data_points
        key = (metric.name, *attributes.values())
        before = self._sent.get(key)
        if not self._delta and before is None:
            points.append(_number(attributes, self._start_ns, self._last_ns, type(value)(0)))
        self._sent[key] = value
        if self._delta:
            if value == (before or 0):
                return
            points.append(_number(attributes, self._last_ns, self._now_ns, value - (before or 0)))
        else:
            points.append(_number(attributes, self._start_ns, self._now_ns, value))

    def _histogram(
        self, metric: semconv.Metric, attributes: Attributes, histogram: Histogram, total: bool = True
    ) -> None:
        points = self._metric(metric).histogram.data_points
        key = (metric.name, *attributes.values())
        now = histogram.counts.copy(), histogram.total
        before = self._sent.get(key)
        nothing = np.zeros_like(histogram.counts), 0.0
        self._sent[key] = now
        if self._delta:
            counts, whole = now[0] - (before or nothing)[0], now[1] - (before or nothing)[1]
            if not counts.any():
                return
            start = self._last_ns
        else:
            counts, whole, start = now[0], now[1], self._start_ns
            if before is None:
                points.append(_bucketed(metric, attributes, self._start_ns, self._last_ns, *nothing, total=total))
        point = _bucketed(metric, attributes, start, self._now_ns, counts, whole, total=total)
        if not self._delta and histogram.least <= histogram.most:
            point.min, point.max = histogram.least, histogram.most
        points.append(point)

    def _metric(self, metric: semconv.Metric) -> Metric:
        found = self._metrics.get(metric.name)
        if found is None:
            found = self._metrics[metric.name] = Metric(
                name=metric.name, unit=metric.unit, description=metric.description
            )
            temporality = AGGREGATION_TEMPORALITY_DELTA if self._delta else AGGREGATION_TEMPORALITY_CUMULATIVE
            if metric.kind is semconv.Kind.HISTOGRAM:
                found.histogram.aggregation_temporality = temporality
            else:
                found.sum.aggregation_temporality = temporality
                found.sum.is_monotonic = True
        return found


def _number(attributes: Attributes, start_ns: int, now_ns: int, value: float) -> NumberDataPoint:
    point = NumberDataPoint(
        attributes=wire.key_values(attributes), start_time_unix_nano=start_ns, time_unix_nano=now_ns
    )
    if isinstance(value, int):
        point.as_int = value
    else:
        point.as_double = value
    return point


def _bucketed(
    metric: semconv.Metric, attributes: Attributes, start_ns: int, now_ns: int, counts: Any, whole: float, total: bool
) -> HistogramDataPoint:
    point = HistogramDataPoint(
        attributes=wire.key_values(attributes),
        start_time_unix_nano=start_ns,
        time_unix_nano=now_ns,
        count=int(counts.sum()),
        bucket_counts=counts.tolist(),
        explicit_bounds=metric.boundaries,
    )
    if total:
        point.sum = whole
    return point


def _attributes(key: GroupKey) -> Attributes:
    found = _of_model(key.model)
    if key.slice_name:
        found.update({semconv.ML_SLICE_NAME: key.slice_name, semconv.ML_SLICE_VALUE: key.slice_value})
    return found


def _of_model(model: Model) -> Attributes:
    found = {semconv.ML_MODEL_NAME: model.model, semconv.ML_MODEL_VERSION: model.version, semconv.API_NAME: model.api}
    return {name: value for name, value in found.items() if value}


def _truth(value: bool) -> str:
    return "true" if value else "false"
