"""Counts, extremes and power sums of many features, additive and numerically stable."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features._workspace import WORKSPACE

__all__ = ["Moments", "Rows"]

Rows: TypeAlias = "npt.NDArray[np.intp] | slice"
"""Which slots of a table columns go to: a slice with start and stop where they follow one another, which is quicker."""

_EMPTY = {"reach": np.inf, "low": np.inf, "high": -np.inf, "_recent_low": np.inf, "_recent_high": -np.inf}


class Moments:
    """One slot of every array for each feature, filled in the order features become known.

    `above` and `below` are the sums of the distances from `center` of the values on either side, `s2` that of the
    squares. Where `fixed`, the center is the mean of the training data, the sums only ever grow, and a value further
    away than `reach` counts as that far. Else it is the first finite value and then follows the mean (`recenter`),
    which keeps the variance right where the mean is much larger than the spread (T. F. Chan, G. H. Golub,
    R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979); of `above` and
    `below` only the difference means anything then.
    """

    def __init__(self) -> None:
        self.count: IntArray = np.zeros(0, np.int64)
        self.missing: IntArray = np.zeros(0, np.int64)
        self.non_finite: IntArray = np.zeros(0, np.int64)
        self.invalid: IntArray = np.zeros(0, np.int64)
        self.fixed: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.center: FloatArray = np.zeros(0)
        self.reach: FloatArray = np.zeros(0)
        self.above: FloatArray = np.zeros(0)
        self.below: FloatArray = np.zeros(0)
        self.s2: FloatArray = np.zeros(0)
        self.low: FloatArray = np.zeros(0)
        self.high: FloatArray = np.zeros(0)
        # Extremes since the last `take_extremes`, for delta temporality: the only numbers that do not subtract.
        self._recent_low: FloatArray = np.zeros(0)
        self._recent_high: FloatArray = np.zeros(0)

    def grow(self, size: int) -> None:
        """Makes room for `size` features in all; the new ones start at zero."""
        extra = size - self.count.size
        for name, array in vars(self).items():
            start = _EMPTY.get(name, 0)
            setattr(self, name, np.concatenate([array, np.full(extra, start, dtype=array.dtype)]))

    def fix(self, row: int, center: float, reach: float) -> None:
        """Gives the feature in slot `row`, of which nothing is counted yet, a center that stays, and a reach."""
        self.center[row], self.reach[row], self.fixed[row] = center, reach, True

    def add(self, rows: Rows, columns: FloatArray, invalid: IntArray | None) -> IntArray:
        """Counts `columns` (C-contiguous, features x rows, at most `CHUNK_VALUES`) into the slots `rows`, all distinct.

        Infinite values in `columns` become NaN in place. Returns for each feature how many values are NaN now.
        """
        self._choose_centers(rows, columns)
        features, length = columns.shape
        deviations = np.subtract(columns, self.center[rows][:, None], out=WORKSPACE.scratch(columns.shape))
        s2 = np.einsum("ij,ij->i", deviations, deviations)
        skipped = np.zeros(features, np.int64)
        # NaN and infinity both show in the sum of squares, so clean data needs no pass to look for them. Finite values
        # whose squares overflow come this way too and lose nothing by it.
        clean = bool(np.isfinite(s2).all())
        if not clean:
            finite = np.isfinite(columns, out=WORKSPACE.bits(columns.shape))
            skipped = length - np.count_nonzero(finite, axis=1)
            if clean := not skipped.any():
                missing = skipped
            else:
                missing = length - np.count_nonzero(~np.isnan(columns), axis=1)
                np.logical_not(finite, out=finite)
                np.copyto(deviations, 0.0, where=finite)
                np.copyto(columns, np.nan, where=finite)
                s2 = np.einsum("ij,ij->i", deviations, deviations)
            self.missing[rows] += missing
            self.non_finite[rows] += skipped - missing
        # Within reach a whole chunk's squares do not come near this.
        reach = self.reach[rows]
        if (s2 > reach * reach).any():
            np.clip(deviations, -reach[:, None], reach[:, None], out=deviations)
            s2 = np.einsum("ij,ij->i", deviations, deviations)
        if invalid is not None:
            self.invalid[rows] += invalid
            self.missing[rows] -= invalid
        self.count[rows] += length - skipped
        difference = deviations.sum(axis=1)
        sizes = np.abs(difference)
        if self.fixed[rows].any():
            sizes = np.abs(deviations, out=deviations).sum(axis=1)
        above = (sizes + difference) / 2
        # Rounding must not make a sum that only grows smaller.
        self.above[rows] += np.fmax(above, 0.0)
        self.below[rows] += np.fmax(above - difference, 0.0)
        self.s2[rows] += s2
        # Without NaN, `min` is several times quicker than `fmin`; both agree then.
        reduce_low, reduce_high = (np.minimum, np.maximum) if clean else (np.fmin, np.fmax)
        low, high = reduce_low.reduce(columns, axis=1), reduce_high.reduce(columns, axis=1)
        for lows, highs in ((self.low, self.high), (self._recent_low, self._recent_high)):
            lows[rows] = np.fmin(lows[rows], low)
            highs[rows] = np.fmax(highs[rows], high)
        return skipped

    def _choose_centers(self, rows: Rows, columns: FloatArray) -> None:
        new = np.flatnonzero((self.count[rows] == 0) & ~self.fixed[rows])
        if new.size:
            finite = np.isfinite(columns[new])
            first = columns[new, finite.argmax(axis=1)]
            if isinstance(rows, slice):
                rows = np.arange(rows.start, rows.stop)
            self.center[rows[new]] = np.where(finite.any(axis=1), first, 0.0)

    def recenter(self) -> None:
        """Moves the centers that are not fixed to the mean so far; to be called now and then, once a flush, say."""
        if self.fixed.all():
            return
        s1 = self.above - self.below
        moved = self.center + s1 / np.maximum(self.count, 1)
        shift = moved - self.center  # as far as it really went, after rounding
        s2 = np.maximum(self.s2 - shift * (2 * s1 - self.count * shift), 0.0)
        good = np.isfinite(moved) & np.isfinite(s2) & ~self.fixed
        s1 -= self.count * shift
        self.center = np.where(good, moved, self.center)
        self.above = np.where(good, np.maximum(s1, 0.0), self.above)
        self.below = np.where(good, np.maximum(-s1, 0.0), self.below)
        self.s2 = np.where(good, s2, self.s2)

    def means(self) -> tuple[FloatArray, FloatArray]:
        """The mean of each feature, and the sum of the squared distances from it."""
        s1 = self.above - self.below
        counted = np.maximum(self.count, 1)
        return self.center + s1 / counted, np.maximum(self.s2 - s1 * s1 / counted, 0.0)

    def take_extremes(self) -> tuple[FloatArray, FloatArray]:
        """Minima and maxima since the last call, +inf and -inf where nothing came."""
        low, high = self._recent_low, self._recent_high
        self._recent_low, self._recent_high = np.full_like(low, np.inf), np.full_like(high, -np.inf)
        return low, high
