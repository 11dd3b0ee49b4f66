"""What a reference holds: the training data, summed up feature by feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference._bins import category_bins, numeric_bins
from bento_observe.features.reference._calibration import Calibration
from bento_observe.features.reference._loss_tree import LossTree

__all__ = [
    "BLOCK_ROWS", "MAX_FEW_VALUES", "MAX_KNOWN_CATEGORIES", "TOP_CATEGORIES", "CategoricalKind", "CategoricalReference",
    "FeatureReference", "NumericKind", "NumericReference", "Profile", "SignalReference", "VectorReference",
]  # fmt: skip

NumericKind = Literal["numeric", "boolean", "constant"]
CategoricalKind = Literal["categorical", "constant", "high_cardinality"]

BLOCK_ROWS: Final = 65_536
"""Moments are combined from blocks of so many rows, so that they do not depend on how the data came."""

MAX_FEW_VALUES: Final = 20
"""A numeric feature with no more distinct values than that gets a bucket for each of them."""

TOP_CATEGORIES: Final = 20
"""So many categories of a feature are told apart in telemetry, the most frequent ones of the training data."""

MAX_KNOWN_CATEGORIES: Final = 1000
"""A feature with more categories than that is `high_cardinality`: which values are new cannot be told."""


@dataclass(frozen=True, eq=False)
class NumericReference:
    """A numeric feature in the training data.

    Attributes:
        kind: `numeric`, `boolean` (kept as 0 and 1) or `constant` (one distinct value).
        count: finite values.
        missing, non_finite: the others.
        min, max, mean: of the finite values.
        variance: population variance.
        kurtosis: fourth central moment over the squared variance (3 for a normal distribution); NaN for a constant.
        distinct: how many different values there are, None where there are more than `MAX_FEW_VALUES`.
        edges: float64, increasing. The first is the float just below `min`, the last is `max`, so that the first and
            the last bucket are what lies outside the training range. Where `distinct` is a number, each value is an
            edge; else they are order statistics at fixed quantiles.
        counts: int64, `len(edges) + 1`, as `NumericFeature.counts` has it; first and last are 0.
    """

    kind: NumericKind
    count: int
    missing: int
    non_finite: int
    min: float
    max: float
    mean: float
    variance: float
    kurtosis: float
    distinct: int | None
    edges: FloatArray
    counts: IntArray

    def __post_init__(self) -> None:
        self.edges.flags.writeable = False
        self.counts.flags.writeable = False

    @cached_property
    def bins(self) -> IntArray:
        """The drift bin of each bucket, int64 of `len(counts)`; see `numeric_bins`."""
        return numeric_bins(self.counts, few_values=self.distinct is not None)


@dataclass(frozen=True, eq=False)
class CategoricalReference:
    """A categorical feature in the training data.

    Attributes:
        kind: `categorical`, `constant` (one category) or `high_cardinality` (identifiers, free text).
        count: values that are not missing.
        missing: the others.
        distinct: how many categories; for `high_cardinality` at least so many.
        categories: count by category, the most frequent first, then by name. All of them, except for
            `high_cardinality`, which keeps the `TOP_CATEGORIES` first.
    """

    kind: CategoricalKind
    count: int
    missing: int
    distinct: int
    categories: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", MappingProxyType(dict(self.categories)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, self.count, self.missing, self.distinct, dict(self.categories))

    @cached_property
    def top(self) -> tuple[str, ...]:
        """The categories that telemetry tells apart, the most frequent first."""
        return tuple(self.categories)[:TOP_CATEGORIES]

    @cached_property
    def counts(self) -> IntArray:
        """int64, `len(top) + 2`: of each of `top`, of all others, and of unseen ones (0)."""
        import numpy as np

        top = list(self.categories.values())[:TOP_CATEGORIES]
        return np.array([*top, self.count - sum(top), 0], dtype=np.int64)

    @cached_property
    def bins(self) -> IntArray:
        """The drift bin of each of `counts`, int64; see `category_bins`."""
        known = self.kind != "high_cardinality"
        return category_bins(self.counts, rarest=min(self.categories.values(), default=0) if known else 0)


FeatureReference = NumericReference | CategoricalReference


@dataclass(frozen=True, eq=False)
class VectorReference:
    """Embeddings and other vectors too wide to be features: `mean` is float64, one element a dimension."""

    mean: FloatArray


@dataclass(frozen=True, eq=False)
class SignalReference:
    """One of the four signals in the training data.

    Attributes:
        id: of the reference it belongs to.
        features: by name, in the order of the training data's columns.
        classes: where the signal is a matrix of probabilities, what its columns are called; then `features` are those
            that are made of it, see `features._probabilities`.
        vector: where the signal is a wide vector; then `features` are those that are made of it, see
            `features._vectors`.
        columns: what all columns of the data are called, in their order, those included of which there is no feature,
            and with repeated names; empty for a wide vector. By default they are the classes or else the features.
        calibration: where the signal is predicted probabilities and the data has labels, what the ones are worth.
        losses: where the signal is the inputs of a regression, how far off it is for which of them, if that was given.
    """

    id: str
    features: Mapping[str, FeatureReference]
    classes: tuple[str, ...] | None = None
    vector: VectorReference | None = None
    columns: tuple[str, ...] = ()
    calibration: Calibration | None = None
    losses: LossTree | None = None
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))
        if not self.columns and self.vector is None:
            object.__setattr__(self, "columns", self.classes or tuple(self.features))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self.id, dict(self.features), self.classes, self.vector, self.columns, self.calibration,
            self.losses,
        )  # fmt: skip

    @property
    def edges(self) -> Mapping[str, FloatArray]:
        """Bucket edges of the numeric features."""
        return {name: one.edges for name, one in self.features.items() if isinstance(one, NumericReference)}


@dataclass(frozen=True, slots=True)
class Profile:
    """All that was found in the training data, the ids of the signals yet to be set."""

    rows: int
    signals: Mapping[str, SignalReference]
    slices: Mapping[str, Mapping[str, Mapping[str, SignalReference]]]
    skipped: Mapping[str, str]
