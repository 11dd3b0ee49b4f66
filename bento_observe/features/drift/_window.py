"""A snapshot in the columns of its reference's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import nan
from operator import attrgetter, is_
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._feature import Feature, NumericFeature
from bento_observe.features._histograms import ExplicitHistogram
from bento_observe.features._snapshot import Snapshot
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._bins import bucket_counts
from bento_observe.features.drift._layout import Layout, joined
from bento_observe.features.reference import NumericReference

__all__ = ["Window", "window_of"]

_NUMBERS: Final = attrgetter("count", "missing", "non_finite", "invalid", "min", "max", "mean", "squares")

_HISTOGRAM: Final = attrgetter("histogram")
_EDGES: Final = attrgetter("edges")
_COUNTS: Final = attrgetter("counts")

_ABSENT: Final = (0, 0, 0, 0, nan, nan, nan, nan)


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """One element a feature of the reference, float64 (F,) but for the first two. If not `present` it is empty.

    Attributes:
        present: bool (F,).
        counts: int64, the buckets of all features one after the other.
        n: finite values of a numeric, values of a categorical feature.
        missing: values that were missing.
        everything: all values, missing, infinite and invalid ones included.
        low, high, mean, variance: NaN where unknown and for categorical features.
        outside: values that the training data's range or categories do not include.
    """

    present: npt.NDArray[np.bool_]
    counts: IntArray
    n: FloatArray
    missing: FloatArray
    everything: FloatArray
    low: FloatArray
    high: FloatArray
    mean: FloatArray
    variance: FloatArray
    outside: FloatArray


def window_of(layout: Layout, snapshot: Snapshot) -> Window:
    """The features of `snapshot` that the reference has.

    Raises:
        ValueError: a feature is of another kind, or counted in other buckets or categories; the message names it.
    """
    found = list(map(snapshot.features.get, layout.names))
    # The usual case without a step of Python's a feature.
    if layout.numeric.all() and {NumericFeature}.issuperset(map(type, found)):
        histograms = list(map(_HISTOGRAM, found))
        if {ExplicitHistogram}.issuperset(map(type, histograms)) and all(
            map(is_, map(_EDGES, histograms), layout.edges)
        ):
            counts: IntArray = joined(list(map(_COUNTS, histograms)), np.int64)
            numbers = np.fromiter(chain.from_iterable(map(_NUMBERS, found)), np.float64, len(found) * len(_ABSENT))
            return _window(layout, np.ones(len(found), bool), counts, numbers)
    return _aligned(layout, found)


def _aligned(layout: Layout, found: Sequence[Feature | None]) -> Window:
    """Of features of any kind, some of which may not be there, or be counted in copies of the edges."""
    counts: list[IntArray] = []
    numbers: list[float] = []
    copies: list[tuple[str, FloatArray, FloatArray]] = []
    for name, expected, feature in zip(layout.names, layout.features, found, strict=True):
        if feature is None:
            counts.append(np.zeros(expected.counts.size, np.int64))
            numbers += _ABSENT
            continue
        if isinstance(feature, NumericFeature):
            numbers += _NUMBERS(feature)
            histogram = feature.histogram
            if isinstance(histogram, ExplicitHistogram) and isinstance(expected, NumericReference):
                if histogram.edges is expected.edges:
                    counts.append(histogram.counts)
                    continue
                copies.append((name, expected.edges, histogram.edges))
        else:
            numbers += (feature.count, feature.missing, 0, feature.invalid, nan, nan, nan, nan)
        try:
            counts.append(bucket_counts(expected, feature))
        except ValueError as error:
            raise ValueError(f"feature {name!r}: {error}") from None
    _check_edges(copies)
    present = np.array([feature is not None for feature in found], bool)
    return _window(layout, present, joined(counts, np.int64), np.fromiter(numbers, np.float64, len(numbers)))


def _window(layout: Layout, present: npt.NDArray[np.bool_], counts: IntArray, numbers: FloatArray) -> Window:
    n, missing, non_finite, invalid, low, high, mean, squares = numbers.reshape(-1, len(_ABSENT)).T
    return Window(
        present=present,
        counts=counts,
        n=n,
        missing=missing,
        everything=n + missing + non_finite + invalid,
        low=low,
        high=high,
        mean=mean,
        variance=squares / np.maximum(n, 1),
        outside=(counts[layout.last] + counts[layout.first] * layout.numeric).astype(np.float64),
    )


def _check_edges(pairs: Sequence[tuple[str, FloatArray, FloatArray]]) -> None:
    """Edges that came from another process are copies. All at once; only where some differ it is worth asking which."""
    if not pairs:
        return
    _, expected, found = zip(*pairs, strict=True)
    if not np.array_equal(np.concatenate(expected), np.concatenate(found)):
        name = next(name for name, ours, theirs in pairs if not np.array_equal(ours, theirs))
        raise ValueError(f"feature {name!r}: its edges are not those of the reference")
