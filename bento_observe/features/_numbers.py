"""The counts of all numeric features of one aggregator, and the one place where numbers are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._exponential import ExponentialTable
from bento_observe.features._feature import Deviations, NumericFeature
from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._moments import Moments, Rows
from bento_observe.features._search import EdgeSearch, slots_for
from bento_observe.features._types import CHUNK_VALUES, FloatArray, IntArray
from bento_observe.features._workspace import WORKSPACE

__all__ = ["NumericTable"]

_MAX_PLANS = 64
_LONG: Final = 1024  # rows from which on numpy's work for each row of an array no longer shows


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of one layout that are counted alike: their positions among all columns, and the tables' rows."""

    positions: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]
    search: EdgeSearch | None


class NumericTable:
    """One row of every table a feature: those with edges first, in the order of the reference, then the others."""

    def __init__(self, edges: Mapping[str, FloatArray], centers: Mapping[str, tuple[float, float]]) -> None:
        self._edges = list(edges.values())
        self._rows = {name: row for row, name in enumerate(edges)}
        self._moments = Moments()
        self._moments.grow(len(edges))
        for name, (center, reach) in centers.items():
            if math.isfinite(center):
                self._moments.fix(self._rows[name], center, reach)
        self._slots = slots_for([e.size for e in self._edges]) if edges else 1
        width = max((e.size for e in self._edges), default=0) + 1
        self._explicit: IntArray = np.zeros((len(edges), width), np.int64)
        self._exponential = ExponentialTable()
        self._plans: dict[tuple[str, ...], list[_Part]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def new(self, name: str, missing: int) -> None:
        """Adds a feature, of which so many values are known to be missing."""
        row = self._rows[name] = len(self._rows)
        self._moments.grow(row + 1)
        self._exponential.grow(row + 1 - len(self._edges))
        self._moments.missing[row] = missing

    def add(self, names: tuple[str, ...], columns: FloatArray, invalid: IntArray | None) -> None:
        """Counts `columns`, features x rows, of any layout, read only; all `names` are known and distinct."""
        with np.errstate(all="ignore"):
            for part in self._plan(names):
                self._add_part(part, columns, invalid)

    def _add_part(self, part: _Part, columns: FloatArray, invalid: IntArray | None) -> None:
        """Counts the columns of one part, chunk by chunk: of many rows few columns at a time."""
        width, length = part.rows.size, columns.shape[1]
        blocks = max(1, -(-width * min(length, _LONG) // CHUNK_VALUES))
        block = -(-width // blocks)
        step = max(1, CHUNK_VALUES // block)
        for first in range(0, width, block):
            positions = part.positions[first : first + block]
            rows = _as_slice(part.rows[first : first + block])
            chosen = columns[_as_slice(positions)]
            known = None if invalid is None else invalid[positions]
            for start in range(0, length, step):
                self._count(part.search, first, rows, WORKSPACE.columns(chosen[:, start : start + step]), known)
                known = None

    def _count(
        self, search: EdgeSearch | None, first: int, rows: Rows, columns: FloatArray, invalid: IntArray | None
    ) -> None:
        skipped = self._moments.add(rows, columns, invalid)
        if search is not None:
            counts = np.bincount(search(columns, first).ravel(), minlength=len(columns) * self._slots)
            counts = counts.reshape(len(columns), self._slots)
            counts[:, 0] -= skipped  # where the search puts NaN
            self._explicit[rows] += counts[:, : self._explicit.shape[1]]
        else:
            self._exponential.add(np.r_[rows] - len(self._edges), columns, skipped)

    def _plan(self, names: tuple[str, ...]) -> Sequence[_Part]:
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            rows = np.array([self._rows[name] for name in names], dtype=np.intp)
            plan = []
            if (explicit := np.flatnonzero(rows < len(self._edges))).size:
                search = EdgeSearch([self._edges[row] for row in rows[explicit]], self._slots)
                plan.append(_Part(explicit, rows[explicit], search))
            if (exponential := np.flatnonzero(rows >= len(self._edges))).size:
                plan.append(_Part(exponential, rows[exponential], None))
            self._plans[names] = plan
        return plan

    def settle(self) -> None:
        """To be called after each flush: keeps the sums well conditioned."""
        with np.errstate(all="ignore"):
            self._moments.recenter()

    def features(self) -> dict[str, NumericFeature]:
        """A copy of everything, by feature name."""
        moments = self._moments
        with np.errstate(all="ignore"):
            mean, squares = moments.means()
        numbers = zip(
            self._rows.items(), moments.count.tolist(), moments.missing.tolist(), moments.non_finite.tolist(),
            moments.invalid.tolist(), moments.low.tolist(), moments.high.tolist(), mean.tolist(), squares.tolist(),
            self._deviations(), strict=True,
        )  # fmt: skip
        explicit = self._explicit.copy()
        explicit.flags.writeable = False
        found = {}
        for (name, row), count, missing, non_finite, invalid, low, high, average, spread, deviations in numbers:
            if not count:
                low = high = average = math.nan
            histogram: ExplicitHistogram | ExponentialHistogram
            if row < len(self._edges):
                edges = self._edges[row]
                histogram = ExplicitHistogram(edges, explicit[row, : edges.size + 1])
            else:
                histogram = self._exponential.histogram(row - len(self._edges))
            found[name] = NumericFeature(
                count, missing, non_finite, invalid, low, high, average, spread, histogram, deviations
            )
        return found

    def _deviations(self) -> list[Deviations | None]:
        moments = self._moments
        sums = zip(
            moments.fixed.tolist(), moments.center.tolist(), moments.above.tolist(), moments.below.tolist(),
            moments.s2.tolist(), strict=True,
        )  # fmt: skip
        return [Deviations(*numbers) if fixed else None for fixed, *numbers in sums]

    def take_extremes(self) -> dict[str, tuple[float, float]]:
        """Minimum and maximum of each feature since the last call; features without a value are left out."""
        low, high = self._moments.take_extremes()
        bounds = zip(self._rows, low.tolist(), high.tolist(), strict=True)
        return {name: (lowest, highest) for name, lowest, highest in bounds if lowest <= highest}


def _as_slice(indices: npt.NDArray[np.intp]) -> Rows:
    """The same as a slice, where the indices follow one another."""
    first, last = int(indices[0]), int(indices[-1])
    if last - first == indices.size - 1 and (indices[1:] > indices[:-1]).all():
        return slice(first, last + 1)
    return indices
