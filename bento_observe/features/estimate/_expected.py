"""What calibrated probabilities let one expect, summed up: additive over rows, workers and time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference import Calibration

__all__ = ["Expectation", "Expected"]


@dataclass(frozen=True, eq=False, slots=True)
class Expected:
    """Sums over rows whose labels are not known; `q` is a row's calibrated probability of a class.

    `a + b` adds the rows of two processes, `later - earlier` is what came between.

    Attributes:
        predicted: int64, one element a class: rows whose most probable class it is.
        hits: float64, likewise: the sum of its q over those rows, so many of which are expected to be of that class.
        misses: the sum of its q over all other rows, so many of which are expected to be of it unnoticed.
        hits_variance, misses_variance: the sums of q (1 - q) over the same rows.
        positives, negatives: float64, classes x bins: the sums of q and of 1 - q by the bin of its probability, the
            lowest first.
    """

    predicted: IntArray
    hits: FloatArray
    misses: FloatArray
    hits_variance: FloatArray
    misses_variance: FloatArray
    positives: FloatArray
    negatives: FloatArray

    def __add__(self, other: Expected) -> Expected:
        return Expected(*(a + b for a, b in zip(self._sums(), other._sums(), strict=True)))

    def __sub__(self, earlier: Expected) -> Expected:
        # A difference of sums may be a rounding error below zero.
        return Expected(*(np.maximum(a - b, 0) for a, b in zip(self._sums(), earlier._sums(), strict=True)))

    def _sums(self) -> tuple[npt.NDArray[Any], ...]:
        return tuple(getattr(self, one.name) for one in fields(self))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.predicted.sum())


class Expectation:
    """Adds up what comes. All sums only ever grow. Not thread-safe: the owner holds a lock."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._classes = classes = len(calibration.curves)
        self._bins = bins = 1 + max(edges.size for edges in calibration.edges)
        self._by_class = np.zeros((5, classes))
        self._by_bin = np.zeros((2, classes * bins))

    def add(self, matrix: FloatArray, predicted: npt.NDArray[np.intp]) -> None:
        """Rows of probabilities, float64, rows x classes, and the most probable class of each; -1 leaves one out."""
        known = predicted >= 0
        if not known.all():
            matrix, predicted = matrix[known], predicted[known]
        if len(matrix):
            self.add_known(matrix, predicted, self._calibration(matrix))

    def add_known(self, matrix: FloatArray, predicted: npt.NDArray[np.intp], chances: FloatArray) -> None:
        """The same with the q of each row and class; with 0 and 1 for them, the sums are what happened."""
        classes = self._classes
        # A power of e.g. 1 + 1e-16 must not make a sum fall.
        chances = np.clip(chances, 0.0, 1.0)
        doubt = chances * (1.0 - chances)
        rows = np.arange(predicted.size)
        hit, hit_doubt = chances[rows, predicted], doubt[rows, predicted]
        missed, missed_doubt = chances.copy(), doubt.copy()
        missed[rows, predicted] = missed_doubt[rows, predicted] = 0.0
        self._by_class += (
            np.bincount(predicted, minlength=classes),
            np.bincount(predicted, hit, classes),
            missed.sum(axis=0),
            np.bincount(predicted, hit_doubt, classes),
            missed_doubt.sum(axis=0),
        )
        # A bin of a class is a place in one row of all bins of all classes.
        places = np.stack(
            [np.searchsorted(edges, matrix[:, k]) + k * self._bins for k, edges in enumerate(self._calibration.edges)],
            axis=1,
        ).ravel()
        for sums, weights in zip(self._by_bin, (chances, 1.0 - chances), strict=True):
            sums += np.bincount(places, weights.ravel(), sums.size)

    def expected(self) -> Expected:
        """A copy of the sums."""
        predicted, hits, misses, hits_variance, misses_variance = self._by_class.copy()
        positives, negatives = self._by_bin.copy().reshape(2, self._classes, self._bins)
        counts = predicted.astype(np.int64)
        return Expected(counts, hits, misses, hits_variance, misses_variance, positives, negatives)
