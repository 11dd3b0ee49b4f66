"""How far off a regression is to be expected to be, summed up over inputs: direct loss estimation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bento_observe import semconv
from bento_observe.features._picked import picked
from bento_observe.features._types import Arrived
from bento_observe.features.estimate._performance import Estimate
from bento_observe.features.reference import LossTree

__all__ = ["ExpectedLoss", "LossExpectation", "loss_performance"]


@dataclass(frozen=True, slots=True)
class ExpectedLoss:
    """Sums over rows whose labels are not known; additive as `Expected` is.

    Attributes:
        rows: how many there are.
        absolute, squared: the sums of the absolute and of the squared errors that are to be expected.
        absolute_variance, squared_variance: those of their variances.
    """

    rows: int = 0
    absolute: float = 0.0
    squared: float = 0.0
    absolute_variance: float = 0.0
    squared_variance: float = 0.0

    def __add__(self, other: ExpectedLoss) -> ExpectedLoss:
        return ExpectedLoss(
            self.rows + other.rows,
            self.absolute + other.absolute,
            self.squared + other.squared,
            self.absolute_variance + other.absolute_variance,
            self.squared_variance + other.squared_variance,
        )

    def __sub__(self, earlier: ExpectedLoss) -> ExpectedLoss:
        # A difference of sums may be a rounding error below zero.
        return ExpectedLoss(
            self.rows - earlier.rows,
            max(0.0, self.absolute - earlier.absolute),
            max(0.0, self.squared - earlier.squared),
            max(0.0, self.absolute_variance - earlier.absolute_variance),
            max(0.0, self.squared_variance - earlier.squared_variance),
        )


class LossExpectation:
    """Adds up the losses of the leaves that inputs end in. Not thread-safe: the owner holds a lock."""

    def __init__(self, tree: LossTree) -> None:
        self._tree = tree
        self.expected = ExpectedLoss()

    def add(self, arrived: Arrived) -> None:
        """Some inputs. Those without one of the columns, or without a number in one, are left out."""
        matrix = picked(arrived, self._tree.splits.columns)
        if matrix is None:
            return
        matrix = matrix[np.isfinite(matrix).all(axis=1)]
        if len(matrix):
            counts = np.bincount(self._tree.splits.leaves(matrix), minlength=self._tree.rows.size)
            self.expected += ExpectedLoss(len(matrix), *self._tree.sums(counts))


def loss_performance(expected: ExpectedLoss, reference_rows: int) -> dict[str, Estimate]:
    """The mean absolute error and the root of the mean squared one, in the unit of the label.

    Bands are as those of `performance`; that of the root by the delta method.
    """
    if not expected.rows or reference_rows < 1:
        return {}
    n = expected.rows
    spread = 1.0 + n / reference_rows
    root = math.sqrt(expected.squared / n)
    of_root = math.sqrt(expected.squared_variance * spread) / n / (2 * root) if root else 0.0
    return {
        semconv.METRIC_MAE: Estimate(
            expected.absolute / n, math.sqrt(expected.absolute_variance * spread) / n, math.inf
        ),
        semconv.METRIC_RMSE: Estimate(root, of_root, math.inf),
    }
