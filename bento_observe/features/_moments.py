"""Counts, extremes and power sums of many features, additive and numerically stable."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features._workspace import WORKSPACE

__all__ = ["Moments", "Rows"]

Rows: TypeAlias = "npt.NDArray[np.intp] | slice"
"""Which slots of a table columns go to: a slice with start and stop where they follow one another, which is quicker."""

_EMPTY: Final = {"reach": np.inf, "_extremes": np.inf, "recent": np.inf}

_LONG_DOT: Final = 8192
"""Longer rows are not left to BLAS, which would start threads for them."""


class Moments:
    """One slot of every array for each feature, filled in the order features become known.

    `above` and `below` are the sums of the distances from `center` of the values on either side, `s2` that of the
    squares. Where `fixed`, the center is the mean of the training data, the sums only ever grow, and a value further
    away than `reach` counts as that far. Else it is the first finite value and then follows the mean (`recenter`),
    which keeps the variance right where the mean is much larger than the spread (T. F. Chan, G. H. Golub,
    R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979); of `above` and
    `below` only the difference means anything then.

    A chunk is a few thousand values in twenty features or so: what is done once a feature is done for all sums, or both
    extremes, in one call, because the calls would else cost as much as the values.
    """

    def __init__(self) -> None:
        self.count: IntArray = np.zeros(0, np.int64)
        self.missing: IntArray = np.zeros(0, np.int64)
        self.non_finite: IntArray = np.zeros(0, np.int64)
        self.invalid: IntArray = np.zeros(0, np.int64)
        self.fixed: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.center: FloatArray = np.zeros(0)
        self.reach: FloatArray = np.zeros(0)
        # Rows: above, below, s2.
        self.sums: FloatArray = np.zeros((3, 0))
        # Rows: the minimum, and the maximum with its sign turned. First those up to the last `take_extremes`, then
        # those since: for delta temporality the only numbers that do not subtract.
        self._extremes: FloatArray = np.zeros((2, 0))
        self.recent: FloatArray = np.zeros((2, 0))

    @property
    def above(self) -> FloatArray:
        """Sums of the distances of values above the centers."""
        row: FloatArray = self.sums[0]
        return row

    @property
    def below(self) -> FloatArray:
        """Sums of the distances of values below the centers."""
        row: FloatArray = self.sums[1]
        return row

    @property
    def s2(self) -> FloatArray:
        """Sums of the squared distances."""
        row: FloatArray = self.sums[2]
        return row

    def extremes(self) -> tuple[FloatArray, FloatArray]:
        """Minima and maxima, +inf and -inf where nothing came."""
        low, high = np.fmin(self._extremes, self.recent)
        return low, -high

    def grow(self, size: int) -> None:
        """Makes room for `size` features in all; the new ones start at zero."""
        extra = size - self.count.size
        for name, array in vars(self).items():
            more = np.full((*array.shape[:-1], extra), _EMPTY.get(name, 0), dtype=array.dtype)
            setattr(self, name, np.concatenate([array, more], axis=-1))

    def fix(self, row: int, center: float, reach: float) -> None:
        """Gives the feature in slot `row`, of which nothing is counted yet, a center that stays, and a reach."""
        self.center[row], self.reach[row], self.fixed[row] = center, reach, True

    def add(self, rows: Rows, columns: FloatArray, invalid: IntArray | None) -> IntArray | None:
        """Counts `columns` (C-contiguous, features x rows, at most `CHUNK_VALUES`) into the slots `rows`, all distinct.

        Infinite values in `columns` become NaN in place. Returns for each feature how many values are NaN now, None
        where there are none.
        """
        fixed = self.fixed[rows]
        any_fixed = bool(fixed.any())
        if not (any_fixed and fixed.all()):
            self.choose_centers(rows, columns)
        features, length = columns.shape
        deviations = np.subtract(columns, self.center[rows, None], out=WORKSPACE.scratch(columns.shape))
        sums = np.empty((3, features))
        above, below, squares = sums
        _squared(deviations, squares)
        # NaN, infinity and what is out of reach all show in the sum of squares, so clean data needs no pass to look for
        # them. Finite values whose squares overflow come this way too and lose nothing by it.
        skipped = None
        reach = self.reach[rows]
        if not (squares < reach * reach).all():
            skipped = self._leave_out(rows, columns, deviations, squares)
            # Within reach a whole chunk's squares do not come near this.
            if (squares > reach * reach).any():
                np.clip(deviations, -reach[:, None], reach[:, None], out=deviations)
                _squared(deviations, squares)
        if invalid is not None:
            self.add_invalid(rows, invalid)
        self.count[rows] += length if skipped is None else length - skipped
        np.add.reduce(deviations, axis=1, out=below)
        if any_fixed:
            np.add.reduce(np.abs(deviations, out=deviations), axis=1, out=above)
        else:
            np.abs(below, out=above)
        above += below
        above /= 2
        np.subtract(above, below, out=below)
        # Rounding must not make a sum that only grows smaller.
        self.sums[:, rows] += np.fmax(sums, 0.0, out=sums)
        # Without NaN, `minimum` is several times quicker than `fmin`; both agree then.
        lowest, highest = (np.minimum, np.maximum) if skipped is None else (np.fmin, np.fmax)
        extremes = np.empty((2, features))
        lowest.reduce(columns, axis=1, out=extremes[0])
        np.negative(highest.reduce(columns, axis=1, out=extremes[1]), out=extremes[1])
        self.recent[:, rows] = np.fmin(self.recent[:, rows], extremes, out=extremes)
        return skipped

    def _leave_out(
        self, rows: Rows, columns: FloatArray, deviations: FloatArray, squares: FloatArray
    ) -> IntArray | None:
        """Counts the values that are missing or infinite; they are NaN in `columns` then, and no deviation."""
        length = columns.shape[1]
        finite = np.isfinite(columns, out=WORKSPACE.bits(columns.shape))
        skipped: IntArray = length - np.count_nonzero(finite, axis=1)
        if not skipped.any():
            return None
        missing = length - np.count_nonzero(~np.isnan(columns), axis=1)
        np.logical_not(finite, out=finite)
        np.copyto(deviations, 0.0, where=finite)
        np.copyto(columns, np.nan, where=finite)
        _squared(deviations, squares)
        self.missing[rows] += missing
        self.non_finite[rows] += skipped - missing
        return skipped

    def add_invalid(self, rows: Rows, invalid: IntArray) -> None:
        """So many of the values that count as missing were no numbers."""
        self.invalid[rows] += invalid
        self.missing[rows] -= invalid

    def choose_centers(self, rows: Rows, columns: FloatArray, positions: IntArray | None = None) -> None:
        """Gives the slots `rows` that have no center yet the first finite value of their columns, which are those of
        `columns` at `positions`, or all."""
        new = np.flatnonzero((self.count[rows] == 0) & ~self.fixed[rows])
        if new.size and columns.shape[1]:
            values = columns[new if positions is None else positions[new]]
            finite = np.isfinite(values)
            first = values[np.arange(new.size), finite.argmax(axis=1)]
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
        self.sums = np.where(good, np.maximum([s1, -s1, s2], 0.0), self.sums)

    def means(self) -> tuple[FloatArray, FloatArray]:
        """The mean of each feature, and the sum of the squared distances from it."""
        s1 = self.above - self.below
        counted = np.maximum(self.count, 1)
        return self.center + s1 / counted, np.maximum(self.s2 - s1 * s1 / counted, 0.0)

    def take_extremes(self) -> tuple[FloatArray, FloatArray]:
        """Minima and maxima since the last call, +inf and -inf where nothing came."""
        low, high = self.recent
        self._extremes = np.fmin(self._extremes, self.recent)
        self.recent = np.full_like(self.recent, np.inf)
        return low, -high


def _squared(deviations: FloatArray, out: FloatArray) -> None:
    """The sum of squares of each row."""
    if deviations.shape[1] > _LONG_DOT:
        np.einsum("ij,ij->i", deviations, deviations, out=out)
    else:
        np.matmul(deviations[:, None, :], deviations[:, :, None], out=out[:, None, None])
