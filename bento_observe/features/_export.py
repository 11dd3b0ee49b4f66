"""Snapshots as OTLP metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bento_observe import semconv
from bento_observe.features._exemplars import Exemplar
from bento_observe.features._feature import CategoricalFeature, NumericFeature
from bento_observe.features._histograms import ExplicitHistogram
from bento_observe.features._points import Labels, MetricPoints, Times, labels
from bento_observe.features._snapshot import Snapshot
from bento_observe.features.reference import CategoricalReference, FeatureReference, NumericReference, SignalReference

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2

    from bento_observe.features._export_estimate import EstimateWriter
    from bento_observe.features._export_reference import ReferenceWriter
    from bento_observe.features.drift import Measures
    from bento_observe.features.estimate import Estimate

__all__ = ["Group", "encode"]

_CUMULATIVE = 2


@dataclass(frozen=True)
class Group:
    """What is sent of one aggregator.

    Attributes:
        attributes: what all its points carry.
        snapshot: what was counted.
        reference: what it was counted against, for drift bins.
        drift: what came of comparing the two, by the name of the window.
        methods: those of drift that are sent.
        estimates: of predicted probabilities, what they are expected to come to, by the name of the window.
        describe: whether the reference itself is sent as well. One worker is enough, it is the same in all.
        detail: whether more than drift bins and drift is sent; of slices the rest would be too many series.
        exemplars: single values with their spans, by feature.
    """

    attributes: Mapping[str, str]
    snapshot: Snapshot
    reference: SignalReference | None = None
    drift: Mapping[str, Measures] = field(default_factory=dict)
    methods: Sequence[str] = semconv.DRIFT_METHODS
    estimates: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    describe: bool = False
    detail: bool = True
    exemplars: Mapping[str, Sequence[Exemplar]] = field(default_factory=dict)


def encode(
    groups: Iterable[Group],
    start_time_unix_nano: int,
    time_unix_nano: int,
    temporality: int,
    began_unix_nano: int | None = None,
) -> list[metrics_pb2.Metric]:
    """The `ml.feature.*`, `ml.estimate.*` and `ml.performance.*` metrics of all groups, without empty ones.

    `temporality` is a value of OTLP's `AggregationTemporality`; a delta wants the snapshots of
    `FeatureStatistics.delta`, and leaves out what did not change. References are cumulative in any case, since they
    never change, and start at `began_unix_nano` (default: the start of what is sent). Counters start at zero as soon
    as their feature is known, so that a rate sees the first increment.

    A metric holds one kind of histogram, so features with explicit and features with exponential buckets are two
    metrics of one name; Prometheus stores them apart anyway (`ml_feature_value_bucket` and `ml_feature_value`).

    Explicit histograms never carry a `sum`: features can be negative, and the OTLP data model wants it left out then,
    because Prometheus would take every decrease of `_sum` for a restart; it copes with none. Exponential ones do:
    Prometheus' native histograms have no absent sum, so that it would become a wrong mean of 0, and their sum takes
    no part in the detection of restarts.
    """
    times = Times(start_time_unix_nano, time_unix_nano)
    values = _ValueWriter(times, temporality)
    began = start_time_unix_nano if began_unix_nano is None else began_unix_nano
    references: ReferenceWriter | None = None
    estimates: EstimateWriter | None = None
    for group in groups:
        constant = dict(group.attributes)
        if group.snapshot.reference_id is not None:
            constant[semconv.ML_REFERENCE_ID] = group.snapshot.reference_id
        pairs = tuple(constant.items())
        values.add(group, pairs)
        if group.reference is None:
            continue
        if references is None:
            # Imported here, as all of drift: a worker without a reference does without.
            from bento_observe.features._export_reference import ReferenceWriter

            references = ReferenceWriter(Times(began, time_unix_nano), _CUMULATIVE)
        if group.describe:
            references.describe(group.reference, pairs, group.detail)
        for window, measures in group.drift.items():
            references.drift(measures, pairs, window, group.methods)
        if group.reference.calibration is not None or group.reference.losses is not None:
            if estimates is None:
                from bento_observe.features._export_estimate import EstimateWriter

                estimates = EstimateWriter(times, temporality)
            estimates.add(group, pairs)
    written = values.points + (references.points if references is not None else ())
    written += estimates.points if estimates is not None else ()
    return [metric for points in written for metric in points.metrics()]


class _ValueWriter:
    """The metrics of what was counted."""

    def __init__(self, times: Times, temporality: int) -> None:
        self._delta = temporality != _CUMULATIVE

        def points(metric: semconv.Metric, exponential: bool = False) -> MetricPoints:
            return MetricPoints(metric, times, temporality, exponential)

        self._explicit = points(semconv.FEATURE_VALUE)
        self._exponential = points(semconv.FEATURE_VALUE, exponential=True)
        self._missing = points(semconv.FEATURE_MISSING)
        self._invalid = points(semconv.FEATURE_INVALID)
        self._out_of_range = points(semconv.FEATURE_OUT_OF_RANGE)
        self._category = points(semconv.FEATURE_CATEGORY)
        self._bin = points(semconv.FEATURE_BIN)
        self._deviation = points(semconv.FEATURE_DEVIATION)
        self._squares = points(semconv.FEATURE_DEVIATION_SQUARES)
        self.points = (
            self._explicit, self._exponential, self._missing, self._invalid, self._out_of_range, self._category,
            self._bin, self._deviation, self._squares,
        )  # fmt: skip

    def add(self, group: Group, constant: tuple[tuple[str, str], ...]) -> None:
        """All points of one group."""
        known: Mapping[str, FeatureReference] = {}
        if group.reference is not None:
            from bento_observe.features.drift import binned

            known = group.reference.features
        for name, feature in group.snapshot.features.items():
            base = labels((*constant, (semconv.ML_FEATURE_NAME, name)))
            reference = known.get(name)
            if isinstance(feature, NumericFeature):
                if group.detail:
                    exemplars = group.exemplars.get(name, ())
                    self._add_numeric(base, feature, isinstance(reference, NumericReference), exemplars)
            elif group.detail:
                self._add_categorical(base, feature, reference)
            if reference is not None and (feature.count or not self._delta):
                for number, count in enumerate(binned(reference, feature)):
                    self._count(self._bin, base, count, semconv.ML_FEATURE_BIN, f"{number:02d}")
        for reason, rows in group.snapshot.rows_refused.items():
            self._count(self._invalid, labels(constant), rows, semconv.REASON, reason)

    def _count(self, counter: MetricPoints, base: Labels, value: int, key: str = "", label: str = "") -> None:
        if value or not self._delta:
            counter.integer(base, value, key, label)

    def _sum(self, counter: MetricPoints, base: Labels, value: float, key: str = "", label: str = "") -> None:
        if (value or not self._delta) and math.isfinite(value):
            counter.real(base, value, key, label)

    def _add_numeric(
        self, base: Labels, feature: NumericFeature, in_reference: bool, exemplars: Sequence[Exemplar]
    ) -> None:
        histogram = feature.histogram
        extremes = None if math.isnan(feature.min) else (feature.min, feature.max)
        if not feature.count and self._delta:
            pass
        elif isinstance(histogram, ExplicitHistogram):
            self._explicit.explicit(base, histogram, feature.count, extremes, exemplars)
        else:
            total = feature.sum if math.isfinite(feature.sum) else None
            self._exponential.exponential(base, histogram, feature.count, total, extremes, exemplars)
        self._count(self._missing, base, feature.missing)
        self._count(self._invalid, base, feature.non_finite, semconv.REASON, semconv.REASON_INFINITE)
        self._count(self._invalid, base, feature.invalid, semconv.REASON, semconv.REASON_NOT_A_NUMBER)
        if in_reference:
            self._count(self._out_of_range, base, feature.below or 0, semconv.REASON, semconv.SIDE_BELOW)
            self._count(self._out_of_range, base, feature.above or 0, semconv.REASON, semconv.SIDE_ABOVE)
        if feature.deviations is not None:
            self._sum(self._deviation, base, feature.deviations.above, semconv.ML_DEVIATION_SIDE, semconv.SIDE_ABOVE)
            self._sum(self._deviation, base, feature.deviations.below, semconv.ML_DEVIATION_SIDE, semconv.SIDE_BELOW)
            self._sum(self._squares, base, feature.deviations.squares)

    def _add_categorical(self, base: Labels, feature: CategoricalFeature, reference: FeatureReference | None) -> None:
        self._count(self._missing, base, feature.missing)
        self._count(self._invalid, base, feature.invalid, semconv.REASON, semconv.REASON_NOT_A_CATEGORY)
        # Names that no reference gives could be anything, what a person typed included: they do not leave.
        known = isinstance(reference, CategoricalReference)
        named = {semconv.CATEGORY_OTHER: sum(feature.counts.values())}
        counts = Counter(dict(feature.counts) if known else named)
        # Added, not set: training data may have categories of these names.
        counts[semconv.CATEGORY_OTHER] += feature.other
        if isinstance(reference, CategoricalReference) and reference.kind != "high_cardinality":
            counts[semconv.CATEGORY_UNSEEN] += feature.unseen
        counts[semconv.CATEGORY_MISSING] += feature.missing
        for name, count in counts.items():
            self._count(self._category, base, count, semconv.ML_FEATURE_CATEGORY, name)
