"""Drift bins: the few groups of buckets that PSI, Jensen-Shannon and chi-square compare.

Buckets are fine, so that quantiles, KS and Wasserstein come out right; but with as many bins as buckets the tests lose
their power, and their distribution is not the one they are compared with (every bin wants some expected values).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._types import IntArray

__all__ = ["BINS", "LEAST", "category_bins", "numeric_bins"]

BINS: Final = 10
"""Drift bins of a feature, at most; one more holds what the training data did not have."""


LEAST: Final = 30
"""A bin smaller than a tenth has so many values of the training data: with fewer its share is hardly known."""

_RARE: Final = 5
"""Where a value is rarer than that in the training data, there are others that it happens not to have (Good 1953)."""


def numeric_bins(counts: IntArray, *, few_values: bool) -> IntArray:
    """The bin, 0 and up, of each bucket of the reference's `counts` (first and last: outside the training range).

    Neighbours share a bin until it holds a tenth of the training data; what lies on either side of a bucket with more
    than half of it makes do with `LEAST` values. Values outside the training range belong to the outermost bins, for a
    few of them are to be expected; but where `few_values` are all there are, and none is rare, they are something new,
    and make a bin of their own.
    """
    inner = counts[1:-1]
    total = left = int(inner.sum())
    bins = np.zeros(counts.size, np.int64)
    current, filled = 0, 0
    most = int(inner.argmax()) + 1 if 2 * int(inner.max(initial=0)) > total else -1
    for position, count in enumerate(inner.tolist(), start=1):
        # Nearly a tenth is a tenth: few rows do not divide evenly. The last bin needs half of one.
        full = filled * BINS >= 0.95 * total and left * BINS >= 0.5 * total
        if full or (position in (most, most + 1) and min(filled, left) >= LEAST):
            current, filled = current + 1, 0
        bins[position] = current
        filled += count
        left -= count
    new = few_values and int(inner[inner > 0].min(initial=total)) >= _RARE
    bins[0], bins[-1] = (current + 1, current + 1) if new else (0, current)
    return bins


def category_bins(counts: IntArray, *, rarest: int) -> IntArray:
    """The bin of each of a categorical reference's `counts` (last two: all other known categories, unseen ones).

    The most frequent categories, of `LEAST` values or more, are a bin each, and all others share one. What was never
    seen in training is one of them where the `rarest` known category (0: not all are known) has hardly been seen
    either; else it is something new, and a bin of its own.
    """
    alone = min(int((counts[:-2] >= LEAST).sum()), BINS - 1)
    bins = np.minimum(np.arange(counts.size), alone)
    if rarest >= _RARE and counts[alone:].any():
        bins[-1] = alone + 1
    return bins
