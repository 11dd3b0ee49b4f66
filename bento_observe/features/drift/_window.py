"""A snapshot in the rows of its reference's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._snapshot import NumericFeature, Snapshot
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._bins import bucket_counts
from bento_observe.features.drift._layout import Layout, joined
from bento_observe.features.reference import NumericReference

__all__ = ["Window", "window_of"]

_ABSENT: Final = (0, 0, 0, nan, nan, nan, nan)


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """One row a feature of the reference, float64 (F,) but for the first two. Those that are not `present` are empty.

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
    edges: list[FloatArray] = []
    numbers: list[float] = []
    for name, expected in zip(layout.names, layout.features, strict=True):
        feature = features.get(name)
        if feature is None:
            counts.append(np.zeros(expected.counts.size, np.int64))
            if isinstance(expected, NumericReference):
                edges.append(expected.edges)
            numbers += _ABSENT
            continue
        try:
            counts.append(bucket_counts(expected, feature))
        except ValueError as error:
            raise ValueError(f"feature {name!r}: {error}") from None
        count, missing = feature.count, feature.missing
        if isinstance(feature, NumericFeature):
            edges.append(feature.edges)
            everything = count + missing + feature.non_finite + feature.invalid
            numbers += (count, missing, everything, feature.min, feature.max, feature.mean, feature.squares)
        else:
            numbers += (count, missing, count + missing + feature.invalid, nan, nan, nan, nan)
    # All edges at once; only where some differ it is worth asking which.
    if not np.array_equal(joined(edges, np.float64), layout.edges):
        raise ValueError(f"feature {_other_edges(layout, edges)!r}: its edges are not those of the reference")
    flat: IntArray = joined(counts, np.int64)
    columns: FloatArray = np.array(numbers, np.float64).reshape(-1, len(_ABSENT)).T
    n, not_there, of_all, low, high, mean, squares = columns
    return Window(
        present=np.array([name in features for name in layout.names], bool),
        counts=flat,
        n=n,
        missing=not_there,
        everything=of_all,
        low=low,
        high=high,
        mean=mean,
        variance=squares / np.maximum(n, 1),
        outside=(flat[layout.last] + flat[layout.first] * layout.numeric).astype(np.float64),
    )


def _other_edges(layout: Layout, edges: Sequence[FloatArray]) -> str:
    features = zip(layout.names, layout.features, strict=True)
    numeric = [(name, one.edges) for name, one in features if isinstance(one, NumericReference)]
    pairs = zip(numeric, edges, strict=True)
    return next(name for (name, expected), found in pairs if not np.array_equal(expected, found))
