"""Mean, variance and kurtosis of data that comes in blocks."""

from __future__ import annotations

import math

import numpy as np

from bento_observe.features._types import FloatArray

__all__ = ["PowerSums"]


class PowerSums:
    """Central power sums up to the fourth, of values scaled by a power of two.

    The scale, which is exact, brings the largest magnitude to between a half and one, so that neither squares nor
    fourth powers overflow or vanish. Blocks are combined by the formulas of P. Pebay, "Formulas for Robust, One-Pass
    Parallel Computation of Covariances and Arbitrary-Order Statistical Moments" (2008), equations 2.1 and 3.1, which
    for the variance are those of Chan, Golub and LeVeque. Sums are numpy's pairwise ones. The result depends, in the
    last digits, on where one block ends and the next begins.
    """

    def __init__(self, low: float, high: float) -> None:
        """`low` and `high` are the extremes of all that will come."""
        self.count = 0
        self._exponent = math.frexp(max(abs(low), abs(high)))[1]
        self._mean = self._m2 = self._m3 = self._m4 = 0.0

    def add(self, values: FloatArray) -> None:
        """Adds a block of finite values."""
        if not values.size:
            return
        scaled = np.ldexp(values, -self._exponent)
        # The mean of equal values must be that value: the mean, rounded, of some of them is not always.
        center = float(scaled[0]) if scaled.min() == scaled.max() else float(scaled.mean())
        deviations = scaled - center
        shift = float(deviations.mean())
        deviations -= shift
        squares = deviations * deviations
        self._combine(
            values.size,
            center + shift,
            float(squares.sum()),
            float((squares * deviations).sum()),
            float((squares * squares).sum()),
        )

    def _combine(self, count: int, mean: float, m2: float, m3: float, m4: float) -> None:
        if not self.count:
            self.count, self._mean, self._m2, self._m3, self._m4 = count, mean, m2, m3, m4
            return
        a, b, n = self.count, count, self.count + count
        distance = mean - self._mean
        share = distance / n
        self._m4 += (
            m4
            + share * share * share * distance * a * b * (a * a - a * b + b * b)
            + 6 * share * share * (a * a * m2 + b * b * self._m2)
            + 4 * share * (a * m3 - b * self._m3)
        )
        self._m3 += m3 + share * share * distance * a * b * (a - b) + 3 * share * (a * m2 - b * self._m2)
        self._m2 += m2 + share * distance * a * b
        self._mean += share * b
        self.count = n

    @property
    def mean(self) -> float:
        """NaN of nothing."""
        return math.ldexp(self._mean, self._exponent) if self.count else math.nan

    @property
    def variance(self) -> float:
        """Population variance; NaN of nothing, and where it is too large for a float64."""
        if not self.count:
            return math.nan
        try:
            return math.ldexp(self._m2 / self.count, 2 * self._exponent)
        except OverflowError:
            return math.nan

    @property
    def kurtosis(self) -> float:
        """Fourth central moment over the squared variance; NaN where all values are one."""
        square = self._m2 * self._m2
        return self.count * self._m4 / square if square > 0 else math.nan
