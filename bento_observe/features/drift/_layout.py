"""A reference as matrices, one column a feature: all that drift needs of it, worked out once and kept on it."""

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

_ROUNDING: Final = 64 * np.finfo(np.float64).eps
"""How far, relative to the mean, two means of one constant may come out apart."""

_KEY: Final = "drift"


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """F features, at most W buckets and B drift bins. Shorter columns are padded so that their padding adds nothing.

    Attributes:
        names, features: of the reference, in its order.
        edges: of the numeric ones.
        kinds: `numeric`, `boolean`, `categorical`, ..., of each feature.
        numeric: bool (F,).
        first, last: int64 (F,), where the buckets of each feature begin and end among those of all.
        slots: int64, where each bucket of each feature, one after the other, goes in a W x F matrix.
        bin_slots: int64, likewise in which drift bin of a B x F matrix it is.
        bins: int64 (F,), drift bins.
        bin_counts: float64 (B, F), values of the training data by drift bin.
        no_bin: bool (B, F), True on padding.
        bin_shares, log_shares: float64 (B, F), smoothed, 1 and 0 on padding.
        bounds: float64 (W + 1, F), where each bucket begins, and the last one ends; infinite where that is nowhere.
        cdf: float64 (W + 1, F), share of the training data up to each of `bounds`.
        weights: float64 (W, F), half the share in the buckets on either side of each bucket's end.
        steps: float64 (W, F), share in each bucket; 0 where it is of one repeated value, and in the first.
        count, mean, variance, deviation, kurtosis, missing_share: float64 (F,); moments are NaN for categories.
        rounding: float64 (F,), how far two means of one constant of that size may come out apart.
        knows_all: bool (F,), whether values that the training data did not have can be told.
    """

    names: tuple[str, ...]
    features: tuple[FeatureReference, ...]
    edges: tuple[FloatArray, ...]
    kinds: tuple[str, ...]
    numeric: npt.NDArray[np.bool_]
    first: IntArray
    last: IntArray
    slots: IntArray
    bin_slots: IntArray
    bins: IntArray
    bin_counts: FloatArray
    no_bin: npt.NDArray[np.bool_]
    bin_shares: FloatArray
    log_shares: FloatArray
    bounds: FloatArray
    cdf: FloatArray
    weights: FloatArray
    steps: FloatArray
    count: FloatArray
    mean: FloatArray
    variance: FloatArray
    deviation: FloatArray
    rounding: FloatArray
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
    sizes = np.array([one.counts.size for one in features], np.int64)
    ends = sizes.cumsum()
    bins = np.array([int(one.bins.max(initial=0)) + 1 for one in features], np.int64)
    width, most = int(sizes.max(initial=1)), int(bins.max(initial=1))
    owner = np.repeat(np.arange(len(features)), sizes)
    slots = owner + len(features) * joined([np.arange(size) for size in sizes], np.int64)
    bin_slots = owner + len(features) * joined([one.bins for one in features], np.int64)
    counts: FloatArray = joined([one.counts for one in features], np.int64).astype(np.float64)
    total = _floats(one.count for one in features)

    shares = np.zeros((width, len(features)))
    shares.ravel()[slots] = counts / np.maximum(total, 1)[owner]
    after = np.zeros(shares.shape)
    after[:-1] = shares[1:]
    cdf = np.zeros((width + 1, len(features)))
    shares.cumsum(axis=0, out=cdf[1:])
    few_values = np.array([one is None or one.distinct is not None for one in numeric], bool)
    steps = np.where((shares <= _REPEATED) & ~few_values, shares, 0.0)
    steps[0] = 0.0
    bounds = np.full(cdf.shape, np.inf)
    bounds[0] = -np.inf
    for column, one in enumerate(numeric):
        if one is not None:
            bounds[1 : one.counts.size, column] = one.edges

    bin_counts = np.bincount(bin_slots, counts, most * len(features)).reshape(most, -1).astype(np.float64)
    no_bin = np.arange(most)[:, None] >= bins
    bin_shares = np.ones(bin_counts.shape)
    bin_shares.T[~no_bin.T] = [share for one in features for share in smoothed(one)]
    everything = _floats(
        one.count + one.missing + (one.non_finite if isinstance(one, NumericReference) else 0) for one in features
    )
    nan = float("nan")
    mean = _floats(nan if one is None else one.mean for one in numeric)
    variance = _floats(nan if one is None else one.variance for one in numeric)
    return Layout(
        names=tuple(reference.features),
        features=features,
        edges=tuple(one.edges for one in numeric if one is not None),
        kinds=tuple(one.kind for one in features),
        numeric=np.array([one is not None for one in numeric], bool),
        first=ends - sizes,
        last=ends - 1,
        slots=slots,
        bin_slots=bin_slots,
        bins=bins,
        bin_counts=bin_counts,
        no_bin=no_bin,
        bin_shares=bin_shares,
        log_shares=np.log(bin_shares),
        bounds=bounds,
        cdf=cdf,
        weights=(shares + after) / 2,
        steps=steps,
        count=total,
        mean=mean,
        variance=variance,
        deviation=np.sqrt(variance),
        rounding=np.maximum(_ROUNDING * np.abs(mean), np.finfo(np.float64).tiny),
        kurtosis=_floats(nan if one is None else one.kurtosis for one in numeric),
        missing_share=_floats(one.missing for one in features) / np.where(everything > 0, everything, nan),
        knows_all=np.array([one.kind != "high_cardinality" for one in features], bool),
    )


def _floats(values: Iterable[float]) -> FloatArray:
    return np.array(list(values), np.float64)
