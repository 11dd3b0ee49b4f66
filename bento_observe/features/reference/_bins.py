"""Drift bins: the few groups of buckets that PSI, Jensen-Shannon and chi-square compare.

Buckets are fine, so that quantiles, KS and Wasserstein come out right; but with as many bins as buckets the tests lose
their power, and their distribution is not the one they are compared with (every bin wants some expected values).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._types import IntArray

__all__ = ["BINS", "category_bins", "numeric_bins"]

BINS: Final = 10
"""Drift bins of a feature, at most; one more holds what the training data did not have."""


def numeric_bins(counts: IntArray, *, few_values: bool) -> IntArray:
    """The bin, 0 and up, of each bucket of the reference's `counts` (first and last: outside the training range).

    Neighbours share a bin until it holds a tenth of the training data. Values outside the training range belong to the
    outermost bins, for a few of them are to be expected; but where `few_values` are all there are, they are something
    new, and make a bin of their own.
    """
    inner = counts[1:-1]
    total = left = int(inner.sum())
    bins = np.zeros(counts.size, np.int64)
    current, filled = 0, 0
    for position, count in enumerate(inner.tolist(), start=1):
        # Nearly a tenth is a tenth: few rows do not divide evenly. The last bin needs half of one.
        if filled * BINS >= 0.95 * total and left * BINS >= 0.5 * total:
            current, filled = current + 1, 0
        bins[position] = current
        filled += count
        left -= count
    bins[0], bins[-1] = (current + 1, current + 1) if few_values else (0, current)
    return bins


def category_bins(counts: IntArray, *, all_known: bool) -> IntArray:
    """The bin of each of a categorical reference's `counts` (last two: all other known categories, unseen ones).

    The most frequent categories are a bin each, all further known ones share one, and what was never seen in training
    is a bin of its own, unless not `all_known`, when that cannot be told.
    """
    known = counts.size - 2
    bins = np.minimum(np.arange(counts.size), BINS - 1)
    last = min(known, BINS - 1)
    bins[known:] = last
    if all_known and (counts[known] or known > last):
        bins[-1] = last + 1
    return bins
