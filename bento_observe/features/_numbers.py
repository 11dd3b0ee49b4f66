"""The counts of all numeric features of one aggregator, and the one place where numbers are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._compiled import Kernel
from bento_observe.features._exponential import ExponentialTable
from bento_observe.features._feature import Deviations, NumericFeature
from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._moments import Moments, Rows
from bento_observe.features._search import EdgeSearch, padded, slots_for
from bento_observe.features._types import CHUNK_VALUES, FloatArray, IntArray
from bento_observe.features._workspace import WORKSPACE

__all__ = ["NumericTable"]

_MAX_PLANS = 64
_BUFFER: Final = 1024
"""Elements of numpy's buffers while counting. Into buffers that take several rows numpy copies what is the same for all
of a row, an edge or a center, once for each element; with shorter ones it does not, which halves the time of
comparing."""
_LONG: Final = 1024  # rows from which on numpy's work for each row of an array no longer shows


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of one layout that are counted alike: their positions among all columns, and the tables' rows.

    `search` is there where edges are to be found with numpy; `compiled` where the kernel does it.
    """

    positions: IntArray
    rows: IntArray
    search: EdgeSearch | None
    compiled: bool


class NumericTable:
    """One row of every table a feature: those with edges first, in the order of the reference, then the others.

    Args:
        edges: bucket edges by feature.
        centers: mean in training and reach by feature.
        kernel: what counts features with edges, all of it at once; None for numpy.
    """

    def __init__(
        self,
        edges: Mapping[str, FloatArray],
        centers: Mapping[str, tuple[float, float]],
        kernel: Kernel | None = None,
    ) -> None:
        self._kernel = kernel
        self._edges = list(edges.values())
        self._rows = {name: row for row, name in enumerate(edges)}
        self._moments = Moments()
        self._moments.grow(len(edges))
        for name, (center, reach) in centers.items():
            if math.isfinite(center):
                self._moments.fix(self._rows[name], center, reach)
        self._centers_stay = bool(self._moments.fixed.all())
        self._slots, self._group = slots_for([e.size for e in self._edges])
        self._padded = padded(self._edges if kernel else [], self._slots)
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
                if part.compiled:
                    self._add_compiled(part, columns, invalid)
                    continue
                buffered = np.setbufsize(_BUFFER)
                try:
                    self._add_part(part, columns, invalid)
                finally:
                    np.setbufsize(buffered)

    def _add_part(self, part: _Part, columns: FloatArray, invalid: IntArray | None) -> None:
        """Counts the columns of one part, chunk by chunk: of many rows few columns at a time."""
        width, length = part.rows.size, columns.shape[1]
        blocks = max(1, -(-width * min(length, _LONG) // CHUNK_VALUES))
        block = -(-width // blocks)
        for first in range(0, width, block):
            positions = part.positions[first : first + block]
            rows = _as_slice(part.rows[first : first + block])
            chosen = columns[_as_slice(positions)]
            known = None if invalid is None else invalid[positions]
            start = 0
            while start < length:
                stop = start + max(1, WORKSPACE.chunk() // block)
                self._count(part.search, first, rows, WORKSPACE.columns(chosen[:, start:stop]), known)
                start, known = stop, None

    def _add_compiled(self, part: _Part, columns: FloatArray, invalid: IntArray | None) -> None:
        """Counts the columns of one part, some rows at a time."""
        if invalid is not None:
            self._moments.add_invalid(part.rows, invalid[part.positions])
        length, step = columns.shape[1], max(1, CHUNK_VALUES // part.rows.size)
        for start in range(0, length, step):
            self._count_compiled(part, columns, start, min(start + step, length))

    def _count_compiled(self, part: _Part, columns: FloatArray, start: int, stop: int) -> None:
        moments, kernel = self._moments, self._kernel
        assert kernel is not None
        if not self._centers_stay:
            moments.choose_centers(part.rows, columns[:, start:stop], part.positions)
        kernel(
            columns, start, stop, self._group, part.positions, part.rows, self._padded, moments.center, moments.reach,
            moments.sums, moments.recent, self._explicit, moments.count, moments.missing, moments.non_finite,
        )  # fmt: skip

    def _count(
        self, search: EdgeSearch | None, first: int, rows: Rows, columns: FloatArray, invalid: IntArray | None
    ) -> None:
        skipped = self._moments.add(rows, columns, invalid)
        if search is not None:
            counts = np.bincount(search(columns, first).ravel(), minlength=len(columns) * self._slots)
            counts = counts.reshape(len(columns), self._slots)
            if skipped is not None:
                counts[:, 0] -= skipped  # where the search puts NaN
            self._explicit[rows] += counts[:, : self._explicit.shape[1]]
        else:
            self._exponential.add(np.r_[rows] - len(self._edges), columns, skipped)

    def _plan(self, names: tuple[str, ...]) -> Sequence[_Part]:
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            rows: IntArray = np.array([self._rows[name] for name in names], dtype=np.int64)
            plan = []
            if (explicit := np.flatnonzero(rows < len(self._edges)).astype(np.int64)).size:
                compiled = self._kernel is not None
                search = None if compiled else self._search(rows[explicit])
                plan.append(_Part(explicit, rows[explicit], search, compiled))
            if (exponential := np.flatnonzero(rows >= len(self._edges)).astype(np.int64)).size:
                plan.append(_Part(exponential, rows[exponential], None, False))
            self._plans[names] = plan
        return plan

    def _search(self, rows: IntArray) -> EdgeSearch:
        return EdgeSearch([self._edges[row] for row in rows], self._slots, self._group)

    def settle(self) -> None:
        """To be called after each flush: keeps the sums well conditioned."""
        with np.errstate(all="ignore"):
            self._moments.recenter()

    def features(self) -> dict[str, NumericFeature]:
        """A copy of everything, by feature name."""
        moments = self._moments
        with np.errstate(all="ignore"):
            mean, squares = moments.means()
            low_most, high_most = moments.extremes()
        numbers = zip(
            self._rows.items(), moments.count.tolist(), moments.missing.tolist(), moments.non_finite.tolist(),
            moments.invalid.tolist(), low_most.tolist(), high_most.tolist(), mean.tolist(), squares.tolist(),
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

    @property
    def names(self) -> list[str]:
        """All features, in the order of the tables' rows."""
        return list(self._rows)

    @property
    def recent(self) -> FloatArray:
        """Since the last `take_extremes`: the minimum of each feature, and the maximum with its sign turned."""
        return self._moments.recent

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
