"""A reference as matrices, one row a feature: all that drift needs of it, worked out once and kept on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._bins import smoothed
from bento_observe.features.reference import FeatureReference, NumericReference, SignalReference

__all__ = ["Layout", "joined", "layout_of"]

_REPEATED: Final = 0.05
"""A bucket with more of the training data than that, twice what quantile edges leave, holds a value that repeats."""

_KEY: Final = "drift"


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """F features, at most W buckets and B drift bins. Shorter rows are padded so that their padding adds nothing.

    Attributes:
        names, features: of the reference, in its order.
        numeric: bool (F,).
        sizes: buckets of each feature.
        edges: those of the numeric features, one after the other.
        first, last: int64 (F,), where the buckets of each feature begin and end among those of all.
        slots: int64, where each bucket of each feature, one after the other, goes in an F x W matrix.
        bin_slots: int64, likewise in which drift bin of an F x B matrix it is.
        bins: int64 (F,), drift bins.
        bin_counts: float64 (F, B), values of the training data by drift bin.
        bin_shares, log_shares: float64 (F, B), smoothed, 1 and 0 on padding.
        cdf: float64 (F, W), share of the training data up to each bucket's end.
        weights: float64 (F, W), half the share in the buckets on either side of each edge.
        steps: float64 (F, W - 1), share in the bucket after each edge, 0 where that bucket is of one repeated value.
        lower, upper: float64 (F, W), ends of each bucket; infinite where there are none.
        count, mean, variance, kurtosis, missing_share: float64 (F,); moments are NaN for categorical features.
        knows_all: bool (F,), whether values that the training data did not have can be told.
    """

    names: tuple[str, ...]
    features: tuple[FeatureReference, ...]
    numeric: npt.NDArray[np.bool_]
    sizes: tuple[int, ...]
    edges: FloatArray
    first: IntArray
    last: IntArray
    slots: IntArray
    bin_slots: IntArray
    bins: IntArray
    bin_counts: FloatArray
    bin_shares: FloatArray
    log_shares: FloatArray
    cdf: FloatArray
    weights: FloatArray
    steps: FloatArray
    lower: FloatArray
    upper: FloatArray
    count: FloatArray
    mean: FloatArray
    variance: FloatArray
    kurtosis: FloatArray
    missing_share: FloatArray
    knows_all: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


def layout_of(reference: SignalReference) -> Layout:
    """The layout of `reference`, made at the first call."""
    layout: Layout | None = reference._cache.get(_KEY)
    if layout is None:
        layout = reference._cache[_KEY] = _layout(reference)
    return layout


def joined(arrays: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    """All of `arrays` one after the other, of which there may be none."""
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)


def _layout(reference: SignalReference) -> Layout:
    features = tuple(reference.features.values())
    numeric = [one if isinstance(one, NumericReference) else None for one in features]
    sizes = tuple(one.counts.size for one in features)
    ends = np.cumsum(sizes, dtype=np.int64)
    width = max(sizes, default=1)
    bins = np.array([int(one.bins.max(initial=0)) + 1 for one in features], np.int64)
    most = int(bins.max(initial=1))
    rows = np.repeat(np.arange(len(features)), sizes)
    slots: IntArray = joined([row * width + np.arange(size) for row, size in enumerate(sizes)], np.int64)
    bin_slots = rows * most + joined([one.bins for one in features], np.int64)
    counts: FloatArray = joined([one.counts for one in features], np.int64).astype(np.float64)
    total = _floats(one.count for one in features)

    shape = len(features), width
    shares = np.zeros(shape)
    shares.ravel()[slots] = counts / np.maximum(total, 1)[rows]
    few_values = np.array([one is None or one.distinct is not None for one in numeric], bool)
    after = np.zeros(shape)
    after[:, :-1] = shares[:, 1:]
    edges: FloatArray = joined([one.edges for one in numeric if one is not None], np.float64)
    upper = np.full(shape, np.inf)
    on_edge = np.isin(np.arange(shape[0] * width), slots).reshape(shape)
    on_edge[np.arange(shape[0]), np.array(sizes, np.int64) - 1] = False
    on_edge[[one is None for one in numeric]] = False
    upper[on_edge] = edges
    lower = np.full(shape, -np.inf)
    lower[:, 1:] = upper[:, :-1]

    bin_counts = np.bincount(bin_slots, counts, shape[0] * most).reshape(shape[0], most).astype(np.float64)
    real = np.arange(most) < bins[:, None]
    bin_shares = np.ones(bin_counts.shape)
    bin_shares[real] = [share for one in features for share in smoothed(one)]
    everything = _floats(
        one.count + one.missing + (one.non_finite if isinstance(one, NumericReference) else 0) for one in features
    )
    nan = float("nan")
    return Layout(
        names=tuple(reference.features),
        features=features,
        numeric=np.array([one is not None for one in numeric], bool),
        sizes=sizes,
        edges=edges,
        first=ends - np.array(sizes, np.int64),
        last=ends - 1,
        slots=slots,
        bin_slots=bin_slots,
        bins=bins,
        bin_counts=bin_counts,
        bin_shares=bin_shares,
        log_shares=np.log(bin_shares),
        cdf=shares.cumsum(axis=1),
        weights=(shares + after) / 2,
        steps=np.where((after <= _REPEATED) & ~few_values[:, None], after, 0.0)[:, :-1],
        lower=lower,
        upper=upper,
        count=total,
        mean=_floats(nan if one is None else one.mean for one in numeric),
        variance=_floats(nan if one is None else one.variance for one in numeric),
        kurtosis=_floats(nan if one is None else one.kurtosis for one in numeric),
        missing_share=_floats(one.missing for one in features) / np.where(everything > 0, everything, nan),
        knows_all=np.array([one.kind != "high_cardinality" for one in features], bool),
    )


def _floats(values: Iterable[float]) -> FloatArray:
    return np.array(list(values), np.float64)
