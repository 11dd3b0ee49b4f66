"""Which rows of data of unknown length the quantiles are taken from."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["SAMPLE_ROWS", "RowSample", "priorities"]

SAMPLE_ROWS: Final = 100_000
"""Quantiles are exact up to so many rows; of more rows, they are those of so many."""

_Unsigned = npt.NDArray[np.uint64]


def priorities(start: int, rows: int) -> _Unsigned:
    """A 64-bit number for each row index from `start` on: no two alike, and in no order.

    It is SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators", 2014) of the
    index, so which rows are chosen depends on nothing but how many there are.
    """
    mixed = (np.arange(start + 1, start + rows + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class RowSample:
    """The rows of lowest priority, chosen as they come; the same ones however they are cut into pieces."""

    def __init__(self, size: int = SAMPLE_ROWS) -> None:
        self._size = size
        self._seen = 0
        self._held = np.zeros(0, np.uint64)
        self._limit = np.uint64(np.iinfo(np.uint64).max)

    def pick(self, rows: int) -> npt.NDArray[np.intp]:
        """The positions, among the next so many rows, of those to be held for now."""
        mixed = priorities(self._seen, rows)
        picked = np.flatnonzero(mixed <= self._limit)
        self._seen += rows
        self._held = np.concatenate([self._held, mixed[picked]])
        return picked

    def settle(self, *, final: bool = False) -> npt.NDArray[np.intp] | None:
        """The positions, among all rows held, of those to keep; None while there are not too many of them."""
        if self._held.size <= (self._size if final else self._size * 3 // 2):
            return None
        kept = np.sort(np.argpartition(self._held, self._size)[: self._size])
        self._held = self._held[kept]
        self._limit = self._held.max()
        return kept
