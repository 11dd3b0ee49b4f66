"""How good predictions are to be expected to be, with a band, from sums over them and no label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.estimate._expected import Expected

__all__ = ["BAND", "Estimate", "performance", "performance_of_classes"]

BAND: Final = 1.96
"""Half of a band, in standard errors: 19 of 20 windows without concept drift are to lie within."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An expected figure, 0 to `most`, and the `error`, a standard error; `low` and `high` are the ends of the band."""

    value: float
    error: float
    most: float = 1.0

    @property
    def low(self) -> float:
        return max(0.0, self.value - BAND * self.error)

    @property
    def high(self) -> float:
        return min(self.most, self.value + BAND * self.error)


def performance(expected: Expected, reference_rows: int) -> dict[str, Estimate]:
    """By `semconv.PERFORMANCE_METRICS`; those of classes are means of all classes that they can be told of.

    The band is of what the labels of these rows would say, were they known: with n rows, m of them in the reference,
    and V the variance of a row's contribution, the standard error is √(V (1/n + 1/m)), the first part for the chance in
    n labels, the second for that in the m labels that the calibration was made of. Of a mean of classes it is the mean
    of their standard errors, the most that it can be.

    A figure that cannot be told (of no rows, say) is not there.
    """
    n = expected.rows
    if not n or reference_rows < 1:
        return {}
    spread = 1.0 + n / reference_rows
    share = float(expected.hits.sum()) / n
    made = {semconv.METRIC_ACCURACY: Estimate(share, float(np.sqrt(expected.hits_variance.sum() * spread)) / n)}
    for metric, (values, errors) in performance_of_classes(expected, reference_rows).items():
        known = np.isfinite(values)
        if known.any():
            made[metric] = Estimate(float(values[known].mean()), float(errors[known].mean()))
    return made


def performance_of_classes(expected: Expected, reference_rows: int) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Values and standard errors, one element a class, NaN where there is nothing to tell one of.

    With P rows of which a class was predicted, A hits and B misses to be expected, precision is A / P, recall
    A / (A + B) and F1 2A / (P + A + B). The hits and the misses are of different rows, so independent, each a sum of
    Bernoulli variables (a Poisson binomial); the errors are those of the delta method. That of the area under the ROC
    curve is from J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", 1982.
    """
    spread = 1.0 + expected.rows / reference_rows
    chosen, hits, misses = expected.predicted.astype(np.float64), expected.hits, expected.misses
    hits_variance, misses_variance = expected.hits_variance * spread, expected.misses_variance * spread
    positives = hits + misses
    both = chosen + positives
    area, area_error = _area(expected.positives, expected.negatives)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, precision_error = hits / chosen, np.sqrt(hits_variance) / chosen
        recall = hits / positives
        recall_error = np.sqrt(misses**2 * hits_variance + hits**2 * misses_variance) / positives**2
        f1 = 2 * hits / both
        f1_error = 2 * np.sqrt((chosen + misses) ** 2 * hits_variance + hits**2 * misses_variance) / both**2
    return {
        semconv.METRIC_PRECISION: (precision, precision_error),
        semconv.METRIC_RECALL: (recall, recall_error),
        semconv.METRIC_F1: (f1, f1_error),
        semconv.METRIC_ROC_AUC: (area, area_error * np.sqrt(spread)),
    }


def _area(positives: FloatArray, negatives: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each class: how often a positive is in a higher bin than a negative, in the same one half of the time."""
    p, n = positives.sum(axis=1), negatives.sum(axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        area = (positives * below).sum(axis=1) / (p * n)
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        rest = (p - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
        variance = (area * (1 - area) + rest) / (p * n)
    return area, np.sqrt(np.maximum(variance, 0.0))
