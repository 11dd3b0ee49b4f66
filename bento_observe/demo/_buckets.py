"""Prometheus' histograms as buckets that a picture can be made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bento_observe.dev.pictures import Buckets
from bento_observe.stack.query import Sample

__all__ = ["buckets"]


def buckets(samples: Sequence[Sample]) -> Buckets:
    """Series of a histogram with explicit buckets: each counts the values up to its label `le`; the last is `+Inf`."""
    up_to = sorted((float(sample.labels["le"]), sample.value or 0.0) for sample in samples)
    bounds = [bound for bound, _ in up_to[:-1]]
    return Buckets.explicit(bounds, np.diff([count for _, count in up_to], prepend=0.0).tolist())
