"""What the probabilities of a classifier are worth: fitted on predictions whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference._isotonic import isotonic

__all__ = ["LEAST_ROWS", "MAX_BIN_EDGES", "MAX_CLASSES", "Calibration", "Curve", "calibrated"]

MAX_CLASSES: Final = 20
"""Each class has series of its own, some 65 of them."""

LEAST_ROWS: Final = 100
"""With fewer rows a curve says nothing."""

_TRIED_ROWS: Final = 20_000
"""With more rows a curve is hardly ever worse than none, and trying it takes long."""

_FOLDS: Final = 10
_ERROR_BINS: Final = 10
_QUANTILES: Final = np.arange(1, 12) / 12

MAX_BIN_EDGES: Final = 2 * _QUANTILES.size


@dataclass(frozen=True, eq=False)
class Curve:
    """How often a score is right: `shares` at the `scores` that are its knots, straight lines between.

    Attributes:
        scores: float64, increasing.
        shares: float64, as many, not decreasing, 0 to 1.
    """

    scores: FloatArray
    shares: FloatArray

    def __call__(self, scores: FloatArray) -> FloatArray:
        """The share at each of `scores`, NaN where one is NaN."""
        found: FloatArray = np.interp(scores, self.scores, self.shares)
        return found


_AS_IT_IS: Final = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the predictions of a classifier for rows with labels say of its probabilities.

    Attributes:
        rows: how many rows with a label it was made of.
        curves: of each class, in their order: from its probability to how often the label is that class. Those that
            were no better than the probabilities themselves are straight.
        edges: of each class, the edges of the few bins of its probability that the area under the ROC curve is
            computed from: float64, increasing.
        labels: what the labels call the classes, in the order of the classes.
        measured: what the predictions came to, by `semconv.PERFORMANCE_METRICS`; precision, recall, F1 and the area
            under the ROC curve are means of all classes that it can be told of.
    """

    rows: int
    curves: tuple[Curve, ...]
    edges: tuple[FloatArray, ...]
    labels: tuple[str, ...]
    measured: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", MappingProxyType(dict(self.measured)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rows, self.curves, self.edges, self.labels, dict(self.measured))

    def __call__(self, matrix: FloatArray) -> FloatArray:
        """Calibrated probabilities of `matrix`, finite float64, rows x classes; as large, and rows add up to 1.

        Each class is calibrated against all others and then divided by the sum of all (Zadrozny & Elkan 2002). A row of
        which all curves say 0 stays as it is.
        """
        made = np.stack([curve(matrix[:, k]) for k, curve in enumerate(self.curves)], axis=1)
        sums = made.sum(axis=1, keepdims=True)
        return np.where(sums > 0, made / np.where(sums > 0, sums, 1.0), matrix)

    def right(self, predicted: npt.NDArray[np.intp], confidence: FloatArray) -> FloatArray:
        """How likely predictions are to be right of which no more is known than the class and its probability.

        That is all there is to know of two classes, since the rest of the row follows. Of more it is what the curve of
        the class says alone: what the row would have to be divided by is not known. One curve for all classes would do
        worse: a model that favours one of them is right about the others more often than about that one.

        Args:
            predicted: the position of each predicted class.
            confidence: finite float64, its probability.
        """
        rows = np.arange(predicted.size)
        if len(self.curves) == 2:
            row = np.empty((predicted.size, 2))
            row[rows, predicted], row[rows, 1 - predicted] = confidence, 1.0 - confidence
            return self(row)[rows, predicted]
        found = np.empty(predicted.size)
        for position in np.unique(predicted).tolist():
            here = predicted == position
            found[here] = self.curves[position](confidence[here])
        return found


def calibrated(matrix: FloatArray, truth: IntArray) -> Calibration:
    """Of `matrix`, finite float64, rows x classes, and the position of the right class in each row, -1 for none.

    `labels` and `measured` are left empty.
    """
    curves, edges = [], []
    for position in range(matrix.shape[1]):
        scores, is_it = np.ascontiguousarray(matrix[:, position]), truth == position
        curves.append(_curve(scores, is_it))
        edges.append(_bin_edges(scores, is_it))
    return Calibration(len(matrix), tuple(curves), tuple(edges), (), {})


def _curve(scores: FloatArray, is_it: Any) -> Curve:
    """From scores to how often `is_it`; the scores as they are where that is no worse for rows not fitted on.

    A curve of few rows has more noise than a model has bias. So each tenth of the rows is tried on a curve of the
    others, and the expected calibration errors are compared (M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well
    calibrated probabilities using Bayesian binning", 2015).
    """
    truths = is_it.astype(np.float64)
    if is_it.all() or not is_it.any():
        return _AS_IT_IS
    if scores.size <= _TRIED_ROWS:
        fold = np.arange(scores.size) % _FOLDS
        tried = np.empty_like(scores)
        for number in range(_FOLDS):
            here = fold == number
            tried[here] = Curve(*isotonic(scores[~here], truths[~here]))(scores[here])
        if _calibration_error(scores, truths) <= _calibration_error(tried, truths):
            return _AS_IT_IS
    return Curve(*isotonic(scores, truths))


def _calibration_error(chances: FloatArray, truths: FloatArray) -> float:
    """The mean distance of what was said and what was true, over bins of as many rows each."""
    apart = (truths - chances)[np.argsort(chances, kind="stable")]
    return float(sum(abs(part.sum()) for part in np.array_split(apart, _ERROR_BINS)) / chances.size)


def _bin_edges(scores: FloatArray, is_it: Any) -> FloatArray:
    """Twelfths of the scores of a class and of those of all others, so that neither is all in one bin."""
    parts = [part for part in (scores[is_it], scores[~is_it]) if part.size]
    found = [np.quantile(part, _QUANTILES, method="inverted_cdf") for part in parts]
    edges: FloatArray = np.unique(np.concatenate(found))
    return edges
