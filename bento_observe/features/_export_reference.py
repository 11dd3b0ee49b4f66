"""References, and how far serving is from them, as OTLP metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bento_observe import semconv
from bento_observe.features._histograms import ExplicitHistogram
from bento_observe.features._points import Labels, MetricPoints, Times, labels
from bento_observe.features.drift import Measures, null_quantiles, smoothed
from bento_observe.features.reference import FeatureReference, NumericReference, SignalReference

__all__ = ["ReferenceWriter"]

_Pairs = tuple[tuple[str, str], ...]


class ReferenceWriter:
    """The metrics of references and of drift. `temporality` is that of the reference's histograms, which never grow."""

    def __init__(self, times: Times, temporality: int) -> None:
        def points(metric: semconv.Metric) -> MetricPoints:
            return MetricPoints(metric, times, temporality)

        self._bin = points(semconv.FEATURE_REFERENCE)
        self._category = points(semconv.FEATURE_REFERENCE_CATEGORY)
        self._value = points(semconv.FEATURE_REFERENCE_VALUE)
        self._count = points(semconv.FEATURE_REFERENCE_COUNT)
        self._missing = points(semconv.FEATURE_REFERENCE_MISSING)
        self._mean = points(semconv.FEATURE_REFERENCE_MEAN)
        self._deviation = points(semconv.FEATURE_REFERENCE_DEVIATION)
        self._quantile = points(semconv.FEATURE_DRIFT_QUANTILE)
        self._drift = points(semconv.FEATURE_DRIFT)
        self._critical = points(semconv.FEATURE_DRIFT_CRITICAL)
        self.points = (
            self._bin, self._category, self._value, self._count, self._missing, self._mean, self._deviation,
            self._quantile, self._drift, self._critical,
        )  # fmt: skip

    def describe(self, reference: SignalReference, constant: _Pairs, detail: bool) -> None:
        """The training data itself; without `detail` only what drift is computed from."""
        quantiles = null_quantiles(reference)
        for position, (name, feature) in enumerate(reference.features.items()):
            base = labels((*constant, (semconv.ML_FEATURE_NAME, name)))
            self._count.integer(base, feature.count)
            for number, share in enumerate(smoothed(feature)):
                self._bin.real(base, share, semconv.ML_FEATURE_BIN, f"{number:02d}")
            for method, values in quantiles.items():
                if math.isfinite(value := float(values[position])):
                    self._quantile.real(base, value, semconv.ML_DRIFT_METHOD, method)
            if detail:
                self._describe(base, feature)

    def _describe(self, base: Labels, feature: FeatureReference) -> None:
        rows = feature.count + feature.missing
        if isinstance(feature, NumericReference):
            rows += feature.non_finite
            self._value.explicit(base, ExplicitHistogram(feature.edges, feature.counts), feature.count, None)
            self._mean.real(base, feature.mean)
            self._deviation.real(base, math.sqrt(feature.variance))
        elif feature.count:
            names = (*feature.top, semconv.CATEGORY_OTHER, semconv.CATEGORY_UNSEEN)
            counts: Counter[str] = Counter()  # training data may have categories of the names that are ours
            for name, count in zip(names, feature.counts.tolist(), strict=True):
                counts[name] += count
            for name, count in counts.items():
                self._category.real(base, count / feature.count, semconv.ML_FEATURE_CATEGORY, name)
        self._missing.real(base, feature.missing / rows if rows else 0.0)

    def drift(self, measures: Measures, constant: _Pairs, window: str, methods: Sequence[str]) -> None:
        """What can be told of one window by some methods; not enough data is no point."""
        pairs = (*constant, (semconv.ML_DRIFT_WINDOW, window))
        bases = [labels((*pairs, (semconv.ML_FEATURE_NAME, name))) for name in measures.names]
        for points, table in ((self._drift, measures.values), (self._critical, measures.critical)):
            for method in methods:
                for base, value in zip(bases, table[method].tolist(), strict=True):
                    if math.isfinite(value):
                        points.real(base, value, semconv.ML_DRIFT_METHOD, method)
