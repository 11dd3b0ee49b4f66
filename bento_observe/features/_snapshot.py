"""What the statistics say at one moment: immutable, picklable, additive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._types import FloatArray, IntArray

__all__ = ["NumericFeature", "Snapshot"]

Histogram = ExplicitHistogram | ExponentialHistogram


@dataclass(frozen=True, eq=False, slots=True)
class NumericFeature:
    """One numeric feature. `min`, `max`, `mean` and `variance` are NaN while `count` is 0.

    Attributes:
        count: finite values, which are also those in the histogram.
        missing: None, NaN and their like.
        non_finite: infinite values, and integers too large for a float64.
        invalid: values that were no numbers.
        min, max: of the finite values; NaN where unknown, as in a difference of snapshots.
        mean: of the finite values.
        squares: their sum of squared deviations from `mean`.
        histogram: explicit where the reference has edges for this feature, else exponential.
    """

    count: int
    missing: int
    non_finite: int
    invalid: int
    min: float
    max: float
    mean: float
    squares: float
    histogram: Histogram

    @property
    def variance(self) -> float:
        """Population variance (divided by `count`), as `numpy.var` has it."""
        return self.squares / self.count if self.count else math.nan

    @property
    def edges(self) -> FloatArray:
        """Bucket edges, increasing."""
        return self._explicit.edges

    @property
    def counts(self) -> IntArray:
        """`counts[i]` counts `edges[i-1] < x <= edges[i]`, with one more of them than edges."""
        return self._explicit.counts

    @property
    def below(self) -> int | None:
        """Values at or below the reference's first edge; None without reference."""
        return int(self.histogram.counts[0]) if isinstance(self.histogram, ExplicitHistogram) else None

    @property
    def above(self) -> int | None:
        """Values above the reference's last edge; None without reference."""
        return int(self.histogram.counts[-1]) if isinstance(self.histogram, ExplicitHistogram) else None

    @property
    def sum(self) -> float:
        """Sum of the finite values."""
        return self.mean * self.count if self.count else 0.0

    @property
    def _explicit(self) -> ExplicitHistogram:
        return self.histogram if isinstance(self.histogram, ExplicitHistogram) else self.histogram.explicit()

    def __add__(self, other: NumericFeature) -> NumericFeature:
        count = self.count + other.count
        mean, squares = self.mean, self.squares
        if not self.count:
            mean, squares = other.mean, other.squares
        elif other.count:
            # Chan, Golub, LeVeque (1979), equation 1.5, in terms of means.
            distance = other.mean - self.mean
            mean = self.mean + distance * other.count / count
            squares = self.squares + other.squares + distance * distance * self.count * other.count / count
        return NumericFeature(
            count=count,
            missing=self.missing + other.missing,
            non_finite=self.non_finite + other.non_finite,
            invalid=self.invalid + other.invalid,
            min=_known(min, self.min, other.min),
            max=_known(max, self.max, other.max),
            mean=mean,
            squares=squares,
            histogram=_same_kind(self.histogram, other.histogram, lambda a, b: a + b),
        )

    def __sub__(self, earlier: NumericFeature) -> NumericFeature:
        count = self.count - earlier.count
        mean, squares = math.nan, 0.0
        if count and earlier.count:
            mean = self.mean + (self.mean - earlier.mean) * earlier.count / count
            distance = mean - earlier.mean
            between = distance * distance * count * earlier.count / self.count
            squares = max(0.0, self.squares - earlier.squares - between)
        elif count:
            mean, squares = self.mean, self.squares
        return NumericFeature(
            count=count,
            missing=self.missing - earlier.missing,
            non_finite=self.non_finite - earlier.non_finite,
            invalid=self.invalid - earlier.invalid,
            min=math.nan,
            max=math.nan,
            mean=mean,
            squares=squares,
            histogram=_same_kind(self.histogram, earlier.histogram, lambda a, b: a - b),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """All features at one moment. `a + b` adds the numbers of two processes, `later - earlier` is what came between.

    Attributes:
        features: by name, in the order they became known.
        rows_refused: rows that belong to no feature, by reason; `columns`: not as many as the names.
        reference_id: which reference the explicit buckets come from.
    """

    features: Mapping[str, NumericFeature] = field(default_factory=dict)
    rows_refused: Mapping[str, int] = field(default_factory=dict)
    reference_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))
        object.__setattr__(self, "rows_refused", MappingProxyType(dict(self.rows_refused)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Snapshot, (dict(self.features), dict(self.rows_refused), self.reference_id)

    def merge(self, other: Snapshot) -> Snapshot:
        """`self + other`.

        Raises:
            ValueError: the two were counted against different references.
        """
        return self + other

    def __add__(self, other: Snapshot) -> Snapshot:
        refused = {
            reason: self.rows_refused.get(reason, 0) + other.rows_refused.get(reason, 0)
            for reason in {**self.rows_refused, **other.rows_refused}
        }
        features = dict(self.features)
        for name, feature in other.features.items():
            features[name] = features[name] + feature if name in features else feature
        return Snapshot(features, refused, self._common_reference(other))

    def __sub__(self, earlier: Snapshot) -> Snapshot:
        refused = {reason: rows - earlier.rows_refused.get(reason, 0) for reason, rows in self.rows_refused.items()}
        features = {
            name: feature - earlier.features[name] if name in earlier.features else feature
            for name, feature in self.features.items()
        }
        return Snapshot(features, refused, self._common_reference(earlier))

    def with_extremes(self, extremes: Mapping[str, tuple[float, float]]) -> Snapshot:
        """The same snapshot with other minima and maxima, NaN for features that are not in `extremes`."""
        unknown = (math.nan, math.nan)
        features = {}
        for name, feature in self.features.items():
            low, high = extremes.get(name, unknown)
            features[name] = replace(feature, min=low, max=high)
        return Snapshot(features, self.rows_refused, self.reference_id)

    def _common_reference(self, other: Snapshot) -> str | None:
        if self.features and other.features and self.reference_id != other.reference_id:
            raise ValueError(f"references {self.reference_id!r} and {other.reference_id!r}: their counts do not add up")
        return self.reference_id or other.reference_id


def _known(better: Callable[[float, float], float], a: float, b: float) -> float:
    return b if math.isnan(a) else a if math.isnan(b) else better(a, b)


def _same_kind(a: Histogram, b: Histogram, combine: Callable[[Any, Any], Histogram]) -> Histogram:
    if type(a) is not type(b):
        raise ValueError("a feature with explicit buckets and one with exponential buckets do not add up")
    return combine(a, b)
