"""Bucket edges of a numeric feature."""

from __future__ import annotations

import math
import sys
from typing import Final

import numpy as np

from bento_observe.features._types import FloatArray

__all__ = ["MAX_EDGES", "few_value_edges", "quantile_edges"]

# Twentieths are enough for PSI and KS, half of them for Wasserstein; the tails are where it goes wrong with fewer.
_TAIL: Final = (0.001, 0.005, 0.01)
_QUANTILES: Final = (*_TAIL, *(step / 40 for step in range(1, 40)), *(1 - q for q in reversed(_TAIL)))

MAX_EDGES: Final = len(_QUANTILES) + 2

_REPEATED: Final = 0.05


def quantile_edges(sample: FloatArray, low: float, high: float) -> FloatArray:
    """Edges for the finite values in `sample`, `low` and `high` being the extremes of all the data.

    The float just below `low`; order statistics of the sample, the smallest value that so large a share of it does not
    exceed (R. J. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996, definition 1); and `high`. They
    are values of the data, not between such, so that ties never straddle an edge.

    A value that more than a twentieth of the data has, such as the zeros of an amount, gets a bucket of its own by a
    further edge just below it: else it could move anywhere within its bucket unseen. It takes the place of at least one
    of the quantiles, which fall on that value together, so that there are never more than `MAX_EDGES`.
    """
    ordered = np.sort(sample)
    positions = np.ceil(np.array(_QUANTILES) * ordered.size - 1e-9).astype(np.intp) - 1
    statistics = ordered[np.clip(positions, 0, ordered.size - 1)] if ordered.size else ordered
    values, counts = np.unique(ordered, return_counts=True)
    with np.errstate(over="ignore"):  # below the lowest float
        below = np.nextafter(values[counts > _REPEATED * ordered.size], -np.inf)
    edges: FloatArray = np.concatenate([[_below(low)], statistics, below[np.isfinite(below)], [high]])
    return np.unique(edges)


def few_value_edges(values: FloatArray) -> FloatArray:
    """Edges for `values`, distinct and increasing, that are all there are: each one of them."""
    return np.unique(np.concatenate([[_below(float(values[0]))], values]))


def _below(low: float) -> float:
    # Nothing finite is below the lowest float, which then shares a bucket with what is out of range.
    return max(math.nextafter(low, -math.inf), -sys.float_info.max)
