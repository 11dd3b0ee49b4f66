"""A snapshot in the columns of its reference's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._feature import NumericFeature
from bento_observe.features._histograms import ExplicitHistogram
from bento_observe.features._snapshot import Snapshot
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._bins import bucket_counts
from bento_observe.features.drift._layout import Layout, joined
from bento_observe.features.reference import NumericReference

__all__ = ["Window", "window_of"]

_NUMBERS: Final = attrgetter("count", "missing", "non_finite", "invalid", "min", "max", "mean", "squares")

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
    features = snapshot.features
    counts: list[IntArray] = []
    numbers: list[float] = []
    copies: list[tuple[str, FloatArray, FloatArray]] = []
    for name, expected in zip(layout.names, layout.features, strict=True):
        feature = features.get(name)
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
    flat: IntArray = joined(counts, np.int64)
    columns = np.fromiter(numbers, np.float64, len(numbers)).reshape(-1, len(_ABSENT)).T
    n, missing, non_finite, invalid, low, high, mean, squares = columns
    return Window(
        present=np.array([name in features for name in layout.names], bool),
        counts=flat,
        n=n,
        missing=missing,
        everything=n + missing + non_finite + invalid,
        low=low,
        high=high,
        mean=mean,
        variance=squares / np.maximum(n, 1),
        outside=(flat[layout.last] + flat[layout.first] * layout.numeric).astype(np.float64),
    )


def _check_edges(pairs: Sequence[tuple[str, FloatArray, FloatArray]]) -> None:
    """Edges that came from another process are copies. All at once; only where some differ it is worth asking which."""
    if not pairs:
        return
    _, expected, found = zip(*pairs, strict=True)
    if not np.array_equal(np.concatenate(expected), np.concatenate(found)):
        name = next(name for name, ours, theirs in pairs if not np.array_equal(ours, theirs))
        raise ValueError(f"feature {name!r}: its edges are not those of the reference")
