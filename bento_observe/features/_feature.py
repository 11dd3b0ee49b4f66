"""One feature's statistics: immutable, picklable, additive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._types import FloatArray, IntArray

__all__ = ["MAX_CATEGORIES", "CategoricalFeature", "Deviations", "Feature", "NumericFeature"]

Histogram = ExplicitHistogram | ExponentialHistogram

MAX_CATEGORIES: Final = 256
"""So many categories are kept by name where no reference says which ones matter."""


@dataclass(frozen=True, slots=True)
class Deviations:
    """Sums around a center that never moves, the reference's mean, which is why each of them only grows and adds up.

    Attributes:
        center: the reference's mean.
        above: sum of `x - center` over the values above it.
        below: sum of `center - x` over the values below it.
        squares: sum of `(x - center) ** 2`.

    A value more than a thousand training ranges away counts as that far: these sums last as long as the worker.
    """

    center: float
    above: float
    below: float
    squares: float

    def plus(self, other: Deviations, sign: int = 1) -> Deviations:
        """`self + sign * other`.

        Raises:
            ValueError: they have different centers.
        """
        if self.center != other.center:
            raise ValueError("deviations from different centers do not add up")
        return Deviations(
            self.center,
            self.above + sign * other.above,
            self.below + sign * other.below,
            self.squares + sign * other.squares,
        )


@dataclass(frozen=True, eq=False, slots=True)
class NumericFeature:
    """One numeric feature. `min`, `max`, `mean` and `variance` are NaN while `count` is 0.

    Attributes:
        count: finite values, which are also those in the histogram.
        missing: None, NaN and their like.
        non_finite: infinite values, and integers too large for a float64.
        invalid: values that were no numbers.
        min, max: of the finite values; NaN where unknown, as in a difference of snapshots.
        mean: of the finite values; with a reference of the values as `Deviations` counts them.
        squares: their sum of squared deviations from `mean`.
        histogram: explicit where the reference has edges for this feature, else exponential.
        deviations: where the reference has a mean for this feature.
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
    deviations: Deviations | None = None

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
            deviations=_combined(self.deviations, other.deviations, 1),
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
            deviations=_combined(self.deviations, earlier.deviations, -1),
        )


@dataclass(frozen=True, eq=False, slots=True)
class CategoricalFeature:
    """One categorical feature.

    Attributes:
        count: values that are not missing, those of `counts`, `other` and `unseen` together.
        missing: None, NaN and their like.
        invalid: values that are no categories, such as lists.
        unseen: values that the training data did not have; 0 where no reference, or one of a feature with too many
            categories to know them all, tells.
        other: values of categories that are not told apart.
        counts: the others by category: those of the reference's `top`, zeros included; without a reference the first
            `MAX_CATEGORIES` that came, cut to 128 characters.
    """

    count: int
    missing: int
    invalid: int
    unseen: int
    other: int
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return CategoricalFeature, (
            self.count, self.missing, self.invalid, self.unseen, self.other, dict(self.counts)
        )  # fmt: skip

    def __add__(self, other: CategoricalFeature) -> CategoricalFeature:
        return self._plus(other, 1)

    def __sub__(self, earlier: CategoricalFeature) -> CategoricalFeature:
        return self._plus(earlier, -1)

    def _plus(self, other: CategoricalFeature, sign: int) -> CategoricalFeature:
        counts = dict(self.counts)
        folded = 0
        for category, count in other.counts.items():
            if category in counts or len(counts) < MAX_CATEGORIES:
                counts[category] = counts.get(category, 0) + sign * count
            else:
                folded += sign * count
        return CategoricalFeature(
            count=self.count + sign * other.count,
            missing=self.missing + sign * other.missing,
            invalid=self.invalid + sign * other.invalid,
            unseen=self.unseen + sign * other.unseen,
            other=self.other + sign * other.other + folded,
            counts=counts,
        )


Feature = NumericFeature | CategoricalFeature


def _known(better: Callable[[float, float], float], a: float, b: float) -> float:
    return b if math.isnan(a) else a if math.isnan(b) else better(a, b)


def _combined(a: Deviations | None, b: Deviations | None, sign: int) -> Deviations | None:
    return None if a is None or b is None else a.plus(b, sign)


def _same_kind(a: Histogram, b: Histogram, combine: Callable[[Any, Any], Histogram]) -> Histogram:
    if type(a) is not type(b):
        raise ValueError("a feature with explicit buckets and one with exponential buckets do not add up")
    return combine(a, b)
