"""One feature's values by drift bin: what PSI, Jensen-Shannon and chi-square compare, and what is exported for them."""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._feature import CategoricalFeature, Feature, NumericFeature
from bento_observe.features._histograms import ExplicitHistogram
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference import FeatureReference, NumericReference

__all__ = ["SMOOTHING", "binned", "bucket_counts", "smoothed"]

SMOOTHING: Final = 0.5
"""Added to every drift bin on both sides, so that an empty one has a logarithm (Jeffreys' prior)."""


def binned(reference: FeatureReference, feature: Feature) -> list[int]:
    """How many values of `feature` each drift bin of its reference has.

    Raises:
        ValueError: see `bucket_counts`.
    """
    counts: list[int] = np.bincount(reference.bins, bucket_counts(reference, feature)).astype(np.int64).tolist()
    return counts


def smoothed(reference: FeatureReference) -> list[float]:
    """The share of the training data in each drift bin, (r + 1/2) / (m + B/2) for r of m values and B bins."""
    counts: FloatArray = np.bincount(reference.bins, reference.counts).astype(np.float64)
    shares: list[float] = ((counts + SMOOTHING) / (reference.count + SMOOTHING * counts.size)).tolist()
    return shares


def bucket_counts(reference: FeatureReference, feature: Feature) -> IntArray:
    """The feature's values by bucket or category, int64, in the order of `reference.counts`.

    Raises:
        ValueError: they differ in kind, number of buckets, or categories; the message does not name the feature.
    """
    if isinstance(reference, NumericReference):
        if not isinstance(feature, NumericFeature):
            raise ValueError("it is numeric in the reference and categorical in the snapshot")
        histogram = feature.histogram
        if not isinstance(histogram, ExplicitHistogram) or histogram.counts.size != reference.counts.size:
            raise ValueError("its edges are not those of the reference")
        return histogram.counts
    if not isinstance(feature, CategoricalFeature):
        raise ValueError("it is categorical in the reference and numeric in the snapshot")
    if not feature.counts.keys() <= set(reference.top):
        raise ValueError("its categories are not those of the reference")
    known = [feature.counts.get(category, 0) for category in reference.top]
    return np.array([*known, feature.other, feature.unseen], np.int64)
