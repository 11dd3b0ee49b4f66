"""The measures themselves, of all features at once: a column a feature, as the layout has them.

Empty windows and constants divide by zero here: NaN and infinity are what is meant, and the caller silences numpy.
"""

from __future__ import annotations

import numpy as np

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._bins import SMOOTHING
from bento_observe.features.drift._distributions import chi2_tail
from bento_observe.features.drift._layout import Layout
from bento_observe.features.drift._window import Window

__all__ = ["chi_square", "divergences", "mean_z", "transport", "variance_ratio"]

_EXPECTED = 10.0

_TINY = np.finfo(np.float64).tiny


def divergences(layout: Layout, bins: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Population stability index and Jensen-Shannon divergence in bits, float64 (F,) each.

    With p = (c + 1/2) / (n + B/2) for the window's values in a drift bin, q = (r + 1/2) / (m + B/2) for the training's:
    PSI = sum((p - q) ln(p / q)), Jeffreys' divergence (1946); JS = (KL(p | h) + KL(q | h)) / 2 with h = (p + q) / 2
    (Lin 1991). Without drift PSI / (1/n + 1/m) is about chi-squared distributed with B - 1 degrees of freedom.

    Args:
        bins: float64 (B, F), the window's values by drift bin.
    """
    q, log_q = layout.bin_shares, layout.log_shares
    p = (bins + SMOOTHING) / (n + SMOOTHING * layout.bins)
    p[layout.no_bin] = 1.0
    log_p, log_half = np.log(p), np.log((p + q) / 2)
    psi = ((p - q) * (log_p - log_q)).sum(axis=0)
    js = (p * (log_p - log_half) + q * (log_q - log_half)).sum(axis=0) / (2 * np.log(2))
    return psi, np.maximum(js, 0.0)


def chi_square(layout: Layout, bins: FloatArray, n: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Pearson's statistic of homogeneity of two samples on the drift bins, its degrees of freedom, its p value; (F,).

    sum((sqrt(m/n) c - sqrt(n/m) r)^2 / (c + r)), equal to the sum over both of (observed - expected)^2 / expected. Bins
    of which the smaller sample is to have less than 10 values (twice what Cochran 1954 asks, as the tails here are far)
    count with the largest one: a single value in a bin that the training data left empty would otherwise add m/n. Bins
    with no values at all are no bins.
    """
    m = layout.count
    both = bins + layout.bin_counts
    rare = both * (np.minimum(n, m) / np.maximum(n + m, 1)) < _EXPECTED
    largest = both.argmax(axis=0), np.arange(n.size)
    rare[largest] = False
    ours, theirs = np.where(rare, 0.0, bins), np.where(rare, 0.0, layout.bin_counts)
    ours[largest] += n - ours.sum(axis=0)
    theirs[largest] += m - theirs.sum(axis=0)
    root = np.sqrt(m / n)
    difference = root * ours - theirs / root
    statistic = (difference * difference / np.maximum(ours + theirs, 1.0)).sum(axis=0)
    degrees: IntArray = rare.shape[0] - 1 - rare.sum(axis=0)
    known = np.isfinite(statistic)
    p = np.where(known, chi2_tail(np.where(known, statistic, 0.0), degrees), np.nan)
    return statistic, degrees, p


def transport(layout: Layout, window: Window) -> tuple[FloatArray, FloatArray]:
    """Kolmogorov-Smirnov and Wasserstein distance, float64 (F,) each; of use for numeric features only.

    D is the difference of the two distribution functions, known at the edges. KS is the largest |D| there, and where
    the window begins and ends: just below its minimum it has nothing yet, at its maximum all. What the reference has
    up to there is interpolated within its bucket.

    Wasserstein is the area under |D| over the reference's distribution function, D linear between edges, its zeros
    included: the distance W1 between both samples once each value x is replaced by the share of the training data
    below it plus half of those equal to it. So its unit is quantiles: 0.1 is a move past a tenth of the training data.
    """
    difference = np.zeros(layout.steps.shape)
    difference.ravel()[layout.slots] = window.counts.astype(np.float64)
    np.cumsum(difference, axis=0, out=difference)
    difference /= np.maximum(window.n, 1)
    difference -= layout.cdf[1:]
    size = np.abs(difference)
    ks = np.maximum(size.max(axis=0), _at_extremes(layout, window))

    area = np.einsum("ij,ij->j", size, layout.weights)
    # Where D changes its sign between two edges, |D| is two triangles instead of a trapezium, which are smaller by
    # |left * right| / (|left| + |right|). Not so in a bucket of one repeated value, which has no step: there D jumps,
    # half way, and the trapezium is right.
    crossing = np.minimum(difference[:-1] * difference[1:], 0.0)
    crossing /= np.maximum(size[:-1] + size[1:], _TINY)
    return ks, area + np.einsum("ij,ij->j", crossing, layout.steps[1:])


def _at_extremes(layout: Layout, window: Window) -> FloatArray:
    """The larger |D| of those just below the window's minimum and at its maximum; 0 where they are not known."""
    values = np.array([window.low, window.high])
    window_below = np.array([[0.0], [1.0]])
    bucket = (layout.bounds[1:] < values[:, None]).argmin(axis=1)  # the first that does not end below it
    columns = np.arange(values.shape[1])
    at = bucket, columns
    begin, mass = layout.bounds[at], layout.steps[at]
    part = (values - begin) / (layout.bounds[bucket + 1, columns] - begin)
    # A minimum on the edge itself may be a value that repeats: only what is surely below counts. NaN is below none.
    part = np.where(part < np.array([[1.0], [np.inf]]), part, 0.0)
    sizes = np.abs(window_below - (layout.cdf[at] + mass * part))
    larger: FloatArray = np.where(mass > 0, sizes, 0.0).max(axis=0)
    return larger


def mean_z(layout: Layout, window: Window) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Welch's statistic, the difference of the means over its standard error, float64 (F,).

    An error below what rounding does to a mean is taken for that, so that a constant has 0 as long as it is the same.

    Returns:
        The statistic; how much larger the error is with the training data's variance in place of the window's, at
        least 1; and the training data's standard deviation in such errors.
    """
    expected = np.sqrt(layout.variance * (1 / layout.count + 1 / window.n))
    # Of a constant the training data cannot say what its variance is: the window's stands for it.
    theirs = np.where(layout.variance > layout.rounding**2, layout.variance, window.variance)
    error = np.sqrt(theirs / layout.count + window.variance / window.n)
    error = np.maximum(error, layout.rounding)
    z = (window.mean - layout.mean) / error
    return z, np.maximum(expected / error, 1.0), layout.deviation / error


def variance_ratio(layout: Layout, window: Window) -> FloatArray:
    """The window's variance over the reference's, float64 (F,): 1 for two constants, infinite where only the latter is,
    NaN where so few values differ that the training data may have missed them.

    A variance below what rounding makes that of a constant counts as none.
    """
    rounding = layout.rounding**2 + _TINY
    ratio = window.variance / layout.variance
    surely = window.outside * np.minimum(1.0, layout.count / window.n) >= _EXPECTED  # not missed by chance in training
    constant = np.where(window.variance > rounding, np.where(surely, np.inf, np.nan), 1.0)
    return np.where(layout.variance > rounding, ratio, np.where(np.isnan(window.mean), np.nan, constant))
