"""Exponential histograms of many features, for those that no reference gives edges for."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from bento_observe.features._histograms import MAX_BUCKETS, MAX_SCALE, Buckets, ExponentialHistogram
from bento_observe.features._types import FloatArray, IntArray

__all__ = ["ExponentialTable", "finest_index"]

_Rows = npt.NDArray[np.intp]
_Index = npt.NDArray[np.int32]

_ZERO = 2 * MAX_BUCKETS  # the slot of zeros, behind the positive and the negative buckets
_SLOTS = _ZERO + 1
_NOTHING = np.iinfo(np.int32).max
_NOWHERE = -_NOTHING // 2  # the start of a window that no index is in


def finest_index(magnitudes: FloatArray) -> _Index:
    """The bucket index of each magnitude at scale 8: the i with `2**(i/256) < x <= 2**((i+1)/256)`.

    `magnitudes` are finite and not negative. Exact powers of two end their bucket, as the OpenTelemetry data model
    has it; subnormals share the bucket below the smallest normal number, zero included, which callers count apart.
    The index at a coarser scale is this one shifted right, which is why histograms merge to the same result whatever
    order their values came in.
    """
    mantissa, exponent = np.frexp(np.maximum(magnitudes, sys.float_info.min))
    np.log2(mantissa, out=mantissa)
    mantissa *= 1 << MAX_SCALE
    index: _Index = np.ceil(mantissa, out=mantissa).astype(np.int32)
    index += exponent << MAX_SCALE
    index -= 1
    return index


class ExponentialTable:
    """Bucket counts of one feature a row: 160 positive, 160 negative buckets and the zeros.

    Each row counts at its own scale into a window of indices. A value outside the window makes the scale as much
    coarser as it must, or only moves the window; with settled data neither happens.
    """

    def __init__(self) -> None:
        self._counts: IntArray = np.zeros((0, _SLOTS), np.int64)
        self._shift: _Index = np.zeros((0, 1), np.int32)
        # By sign, positive first: the index of the window's first bucket.
        self._start: _Index = np.zeros((0, 2), np.int32)

    def __len__(self) -> int:
        return self._shift.size

    def grow(self, size: int) -> None:
        """Makes room for `size` features in all."""
        extra = size - len(self)
        self._counts = np.concatenate([self._counts, np.zeros((extra, _SLOTS), np.int64)])
        self._shift = np.concatenate([self._shift, np.zeros((extra, 1), np.int32)])
        # A window that nothing fits in, so that the first values choose it.
        self._start = np.concatenate([self._start, np.full((extra, 2), _NOWHERE, np.int32)])

    def add(self, rows: _Rows, columns: FloatArray, skipped: IntArray | None) -> None:
        """Counts `columns` (features x rows, `skipped` of each feature NaN, none infinite) into the distinct `rows`."""
        if skipped is not None:
            columns = np.nan_to_num(columns, nan=0.0)
        finest = finest_index(np.abs(columns))
        negative = columns < 0 if columns.min() < 0 else None
        zero = columns == 0
        some_zero = bool(zero.any())

        buckets = self._buckets(rows, finest, negative)
        if some_zero:
            buckets[zero] = 0
        # As unsigned numbers, those below the window are large too.
        outside = (buckets.view(np.uint32) >= MAX_BUCKETS).any(axis=1)
        if outside.any():
            self._widen(rows[outside], finest[outside], columns[outside])
            buckets = self._buckets(rows, finest, negative)
        slots = buckets + (np.arange(rows.size, dtype=np.int32) * _SLOTS)[:, None]
        if negative is not None:
            slots += negative * np.int32(MAX_BUCKETS)
        if some_zero:
            slots[zero] = (np.nonzero(zero)[0] * _SLOTS + _ZERO).astype(np.int32)
        counts = np.bincount(slots.ravel(), minlength=rows.size * _SLOTS).reshape(rows.size, _SLOTS)
        if skipped is not None:
            counts[:, _ZERO] -= skipped
        self._counts[rows] += counts

    def _buckets(self, rows: _Rows, finest: _Index, negative: npt.NDArray[np.bool_] | None) -> _Index:
        start = self._start[rows]
        if negative is None:
            return (finest >> self._shift[rows]) - start[:, :1]
        return (finest >> self._shift[rows]) - np.where(negative, start[:, 1:], start[:, :1])

    def _widen(self, rows: _Rows, finest: _Index, columns: FloatArray) -> None:
        """Chooses scale and windows of `rows` anew, such that `columns` fit, and moves their counts there."""
        old, old_shift, old_start = self._counts[rows], self._shift[rows], self._start[rows]
        feature, slot = np.nonzero(old[:, :_ZERO])
        side, bucket = np.divmod(slot, MAX_BUCKETS)
        index = old_start[feature, side] + bucket

        # The range of indices at the scale so far, of what is counted already and what comes now.
        low, high = np.full_like(old_start, _NOTHING), np.full_like(old_start, -_NOTHING)
        np.minimum.at(low, (feature, side), index)
        np.maximum.at(high, (feature, side), index)
        finest = finest >> old_shift
        for sign, present in enumerate((columns > 0, columns < 0)):
            low[:, sign] = np.minimum(low[:, sign], np.where(present, finest, _NOTHING).min(axis=1))
            high[:, sign] = np.maximum(high[:, sign], np.where(present, finest, -_NOTHING).max(axis=1))
        empty = low > high
        low[empty] = high[empty] = 0

        coarser = np.zeros_like(old_shift)
        while (wide := ((high >> coarser) - (low >> coarser) >= MAX_BUCKETS).any(axis=1, keepdims=True)).any():
            coarser += wide
        low, high = low >> coarser, high >> coarser
        # In the middle of the window, so that the range may grow a little to both sides before this happens again.
        start = np.where(empty, _NOWHERE, low - (MAX_BUCKETS - 1 - (high - low)) // 2)

        new = np.zeros_like(old)
        new[:, _ZERO] = old[:, _ZERO]
        target = side * MAX_BUCKETS + (index >> coarser[feature, 0]) - start[feature, side]
        np.add.at(new, (feature, target), old[feature, slot])
        self._counts[rows], self._shift[rows], self._start[rows] = new, old_shift + coarser, start

    def histogram(self, row: int) -> ExponentialHistogram:
        """A copy of one feature's histogram."""
        counts, start = self._counts[row], self._start[row]
        return ExponentialHistogram(
            scale=MAX_SCALE - int(self._shift[row, 0]),
            zero_count=int(counts[_ZERO]),
            positive=Buckets.trimmed(int(start[0]), counts[:MAX_BUCKETS]),
            negative=Buckets.trimmed(int(start[1]), counts[MAX_BUCKETS:_ZERO]),
        )
