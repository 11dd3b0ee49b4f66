"""The counts of all numeric features of one aggregator, and the one place where numbers are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bento_observe.features._exponential import ExponentialTable
from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._moments import Moments
from bento_observe.features._search import EdgeSearch, slots_for
from bento_observe.features._snapshot import Deviations, NumericFeature
from bento_observe.features._types import CHUNK_VALUES, FloatArray, IntArray

__all__ = ["NumericTable"]

_Rows = npt.NDArray[np.intp]
_MAX_PLANS = 64


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the columns of one layout go. `explicit` and `exponential` are positions among the columns."""

    rows: _Rows
    explicit: _Rows
    search: EdgeSearch | None
    exponential: _Rows


class NumericTable:
    """One row of every table a feature: those with edges first, in the order of the reference, then the others."""

    def __init__(self, edges: Mapping[str, FloatArray], centers: Mapping[str, float]) -> None:
        self._edges = list(edges.values())
        self._rows = {name: row for row, name in enumerate(edges)}
        self._moments = Moments()
        self._moments.grow(len(edges))
        for name, center in centers.items():
            if math.isfinite(center):
                self._moments.fix(self._rows[name], center)
        self._slots = slots_for([e.size for e in self._edges]) if edges else 1
        width = max((e.size for e in self._edges), default=0) + 1
        self._explicit: IntArray = np.zeros((len(edges), width), np.int64)
        self._exponential = ExponentialTable()
        self._plans: dict[tuple[str, ...], _Plan] = {}

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
        """Counts `columns`, features x rows, C-contiguous, which it may change; all `names` are known and distinct."""
        plan = self._plan(names)
        step = max(1, CHUNK_VALUES // plan.rows.size)
        with np.errstate(all="ignore"):
            for start in range(0, columns.shape[1], step):
                self._count(plan, columns[:, start : start + step], invalid)
                invalid = None

    def _count(self, plan: _Plan, columns: FloatArray, invalid: IntArray | None) -> None:
        skipped = self._moments.add(plan.rows, columns, invalid)
        mixed = plan.search is not None and plan.exponential.size > 0
        if plan.search is not None:
            some = columns[plan.explicit] if mixed else columns
            counts = np.bincount(plan.search(some).ravel(), minlength=plan.explicit.size * self._slots)
            counts = counts.reshape(plan.explicit.size, self._slots)
            counts[:, 0] -= skipped[plan.explicit]  # where the search puts NaN
            self._explicit[plan.rows[plan.explicit]] += counts[:, : self._explicit.shape[1]]
        if plan.exponential.size:
            some = columns[plan.exponential] if mixed else columns
            table_rows = plan.rows[plan.exponential] - len(self._edges)
            self._exponential.add(table_rows, some, skipped[plan.exponential])

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            rows = np.array([self._rows[name] for name in names], dtype=np.intp)
            explicit = np.flatnonzero(rows < len(self._edges))
            plan = self._plans[names] = _Plan(
                rows=rows,
                explicit=explicit,
                search=EdgeSearch([self._edges[row] for row in rows[explicit]], self._slots) if explicit.size else None,
                exponential=np.flatnonzero(rows >= len(self._edges)),
            )
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
