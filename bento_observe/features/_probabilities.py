"""Class probabilities: what of a matrix of them, rows x classes, becomes features."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray

__all__ = ["CLASS", "NUMERIC", "derived", "is_probabilities"]

CLASS: Final = "class"
"""The categorical feature that is made of probabilities: the most probable class."""

NUMERIC: Final = ("confidence", "entropy")
"""The numeric ones: the highest probability of a row, and its Shannon entropy in nats."""

_TOLERANCE: Final = 1e-3  # of a row's sum: what half-precision models get wrong


def is_probabilities(matrix: FloatArray) -> bool:
    """Whether every row of `matrix` (float64, rows x columns) is a distribution over two classes or more.

    That is: no element below 0, and a sum within 1e-3 of 1. Rows with NaN are passed over; where no other are left, the
    answer is no.
    """
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        return False
    with np.errstate(invalid="ignore"):
        sums = np.ascontiguousarray(matrix).sum(axis=1)
    known = np.flatnonzero(~np.isnan(matrix).any(axis=1))
    if not known.size:
        return False
    return bool((np.abs(sums[known] - 1) <= _TOLERANCE).all() and (matrix[known] >= 0).all())


def of_scores(scores: FloatArray) -> FloatArray:
    """The probabilities of two classes, float64, rows x 2, of which `scores` are those of the second.

    What is none, missing or not from 0 to 1, is left out.
    """
    scores = scores[(scores >= 0) & (scores <= 1)]
    return np.stack([1.0 - scores, scores], axis=1)


def derived(matrix: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """The most probable class, confidence and entropy of each row of `matrix`, float64, rows x classes.

    The class is a column's position, the first one of equals. Confidence is the highest probability, entropy
    `-sum(p * ln(p))` (C. E. Shannon, "A Mathematical Theory of Communication", 1948) in nats, from 0 to the logarithm
    of the number of classes. A row with an element that is not finite has class -1 and NaN for both.
    """
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    good = np.isfinite(matrix).sum(axis=1) == matrix.shape[1]
    if not good.all():
        matrix = np.where(good[:, None], matrix, 0.0)
    classes = matrix.argmax(axis=1)
    confidence = matrix.max(axis=1)
    # Certainty is 1: a softmax may round to a little more.
    confidence[(confidence > 1) & (confidence <= 1 + _TOLERANCE)] = 1.0
    some = matrix > 0
    terms = matrix * np.log(np.where(some, matrix, 1.0))
    entropy = np.where(some, -terms, 0.0).sum(axis=1) + 0.0
    classes[~good] = -1
    confidence[~good] = entropy[~good] = np.nan
    return classes, confidence, entropy
