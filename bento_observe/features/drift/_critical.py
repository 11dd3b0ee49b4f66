"""How large a measure may be where there is no drift, and how small a drift is not worth a word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.drift._distributions import (
    bridge_area_quantile,
    chi2_quantile,
    ks_quantile,
    normal_quantile,
)
from bento_observe.features.drift._layout import Layout, layout_of
from bento_observe.features.reference import CategoricalReference, FeatureReference, SignalReference
from bento_observe.semconv import (
    DRIFT_CHI2,
    DRIFT_JS,
    DRIFT_KS,
    DRIFT_MEAN_Z,
    DRIFT_METHODS,
    DRIFT_PSI,
    DRIFT_VARIANCE_RATIO,
    DRIFT_WASSERSTEIN,
)

__all__ = [
    "FLOORS", "JS_PER_PSI", "METHODS", "MINIMUM", "MINIMUM_PER_BIN", "MINIMUM_TRAINING_PER_BIN", "NUMERIC_METHODS",
    "Limits", "limits_of", "null_quantiles",
]  # fmt: skip

METHODS: Final = DRIFT_METHODS
"""All methods, in the order of `drift`'s columns."""

NUMERIC_METHODS: Final = frozenset({DRIFT_KS, DRIFT_WASSERSTEIN, DRIFT_MEAN_Z, DRIFT_VARIANCE_RATIO})
"""Those that need an order or a distance, which categories do not have."""

JS_PER_PSI: Final = 1 / (8 * math.log(2))
"""Bits of Jensen-Shannon divergence to one of PSI, where both are small: both are then the same quadratic form."""

FLOORS: Final[Mapping[str, float]] = MappingProxyType({
    DRIFT_PSI: 0.02,
    DRIFT_JS: 0.02 * JS_PER_PSI,
    DRIFT_KS: 0.05,
    DRIFT_WASSERSTEIN: 0.04,
    DRIFT_CHI2: 0.02,
    DRIFT_MEAN_Z: 0.1,
    DRIFT_VARIANCE_RATIO: 1.2,
})  # fmt: skip
"""No drift is smaller than that, however many values show it.

For a normal feature 0.02 of PSI (and with it the floors of `js` and `chi2`) and 0.04 of `wasserstein` are a shift by
0.14 standard deviations, 0.05 of `ks` one by 0.125. The floor of `chi2` is of the statistic times (1/n + 1/m), which
grows with the effect alone, that of `mean_z` is in standard deviations of the training data, and that of
`variance_ratio` is for either direction.
"""

MINIMUM_PER_BIN: Final = 30
"""So many values for each of the feature's drift bins are enough for `psi`, `js` and `chi2`: 300 with ten bins. With
fewer the smoothing, which pulls small windows away from a finely divided reference, weighs as much as a drift."""

MINIMUM_TRAINING_PER_BIN: Final = 10
"""Likewise of the training data. The minima of the other methods are those of `MINIMUM` there too."""

MINIMUM: Final[Mapping[str, int]] = MappingProxyType({
    DRIFT_KS: 30,
    DRIFT_WASSERSTEIN: 30,
    DRIFT_MEAN_Z: 100,
    DRIFT_VARIANCE_RATIO: 1000,
})  # fmt: skip
"""So many values are enough for the others. The distribution of `ks` and `wasserstein` is the same for every continuous
feature, and nearly its limit from 30 on; means of skewed features become normal later, variances last of all.

`variance_ratio` depends on the tails all the same: it believes the kurtosis of the training data, which says too little
where tails are heavy. Without drift it calls lognormal features drifted more often than not.
"""

_MOST_TIES: Final = 50

_KEY: Final = "drift_limits"


def null_quantiles(reference: SignalReference, alpha: float = 0.05) -> dict[str, FloatArray]:
    """What is left of the critical values when n, the values in the window, is taken out of them.

    With c one of these, m the feature's values in the training data and r = 1/n + 1/m the critical value is

    - `psi`, `js`: max(floor, c * r), c for so many bins, but no less than a rare bin that is empty by chance needs;
    - `ks`, `wasserstein`: max(floor, c * sqrt(r));
    - `chi2`: max(c, floor / r), c for as many bins as the training data fills; fewer where a bin is too rare in the
      window to count, one more where one that was empty is not;
    - `mean_z`: max(c * k, floor * deviation / error), where the deviation is that of the training data, the error is
      the denominator of `mean_z`, and k >= 1 is by how much the training data's variance, in place of the window's,
      makes that larger: in a skewed feature a low mean comes with a low variance, which would exaggerate it;
    - `variance_ratio`: max(floor, exp(c * sqrt(r))).

    Args:
        reference: one signal's. `alpha` is shared out over all its features, those with too few values included: a
            critical value must not jump when another feature gets its data.
        alpha: probability that any feature of a window without drift is called drifted.

    Returns:
        By method float64, one element a feature in the reference's order; NaN where the method does not apply.

    Raises:
        ValueError: `alpha` is not between 0 and 1.
    """
    return dict(zip(METHODS, limits_of(reference, alpha).quantiles.copy(), strict=True))


@dataclass(frozen=True, eq=False, slots=True)
class Limits:
    """What a reference and `alpha` say before there is a window; M methods in the order of `METHODS`, F features.

    Attributes:
        alpha: as in `null_quantiles`.
        quantiles: float64 (M, F), see there.
        chi2: float64, the quantile of `chi2` by degrees of freedom.
        ties: int64 (F,), see `_ties`.
        needed: float64 (M, F), how many values a window needs; infinite where the method does not apply, or there is
            no training data.
    """

    alpha: float
    quantiles: FloatArray
    chi2: FloatArray
    ties: IntArray
    needed: FloatArray


def limits_of(reference: SignalReference, alpha: float) -> Limits:
    """The limits of `reference`, of which it keeps those of the last `alpha`.

    Raises:
        ValueError: `alpha` is not between 0 and 1.
    """
    limits: Limits | None = reference._cache.get(_KEY)
    if limits is None or limits.alpha != alpha:
        limits = reference._cache[_KEY] = _limits(layout_of(reference), alpha)
    return limits


def _limits(layout: Layout, alpha: float) -> Limits:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}, but a probability between 0 and 1 is needed, such as 0.05")
    tail = alpha / max(1, len(layout.names))
    chi2 = np.array([chi2_quantile(count, tail) for count in range(layout.bin_counts.shape[0] + _MOST_TIES)])
    ties = np.array([_ties(feature) for feature in layout.features], np.int64)
    filled = np.count_nonzero(layout.bin_counts, axis=0)
    # A rare bin that happens to be empty: e values expected and none found is probability exp(-e), and adds to PSI / r
    # about e ln(2e + 1), more than chi-squared allows for with few bins; each further bin adds one on average.
    rare = -np.log(tail)
    empty = np.where(layout.bins > 1, rare * np.log(2 * rare + 1) + layout.bins - 2, 0.0)
    psi = np.maximum(chi2[layout.bins - 1 + ties], empty)
    numeric = np.where(layout.numeric, 1.0, np.nan)
    z = normal_quantile(tail)
    quantiles = {
        DRIFT_PSI: psi,
        DRIFT_JS: psi * JS_PER_PSI,
        DRIFT_KS: numeric * ks_quantile(tail),
        DRIFT_WASSERSTEIN: numeric * bridge_area_quantile(tail),
        DRIFT_CHI2: chi2[np.maximum(filled - 1, 0) + ties],
        DRIFT_MEAN_Z: numeric * z,
        DRIFT_VARIANCE_RATIO: z * np.sqrt(np.maximum(np.nan_to_num(layout.kurtosis - 1), 0.0)) * numeric,
    }
    # Moments come from what differs from the commonest value: 3 in 10 of their minimum have to. Not of a constant.
    usual = np.array([feature.counts.max(initial=0) for feature in layout.features])
    off = layout.count - usual
    spread = np.where(off > 0, np.maximum(1.0, 0.3 * layout.count / np.maximum(off, 1)), 1.0)
    needed = np.empty((len(METHODS), len(layout.names)))
    for row, method in enumerate(METHODS):
        applies = layout.numeric | (method not in NUMERIC_METHODS)
        enough = MINIMUM.get(method, MINIMUM_PER_BIN * layout.bins)
        if method in (DRIFT_MEAN_Z, DRIFT_VARIANCE_RATIO):
            enough = enough * spread
        least = MINIMUM_TRAINING_PER_BIN * layout.bins if method not in MINIMUM else enough
        needed[row] = np.where(applies & (layout.count > 0) & (layout.count >= least), enough, np.inf)
    return Limits(alpha, np.array([quantiles[method] for method in METHODS]), chi2, ties, needed)


def _ties(feature: FeatureReference) -> int:
    """Categories that nearly had a bin of their own: which ones have is chance then, and costs a degree of freedom."""
    if not isinstance(feature, CategoricalReference):
        return 0
    alone = int(feature.bins[-2])
    if not alone:
        return 0
    counts = list(feature.categories.values())
    last = counts[alone - 1]
    return min(sum(count >= last - 2 * math.sqrt(last) for count in counts[alone:]), _MOST_TIES)
