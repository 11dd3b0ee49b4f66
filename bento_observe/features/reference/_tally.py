"""The second pass over training data: counts and moments of all rows and of each slice of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference._columns import Codes
from bento_observe.features.reference._power_sums import PowerSums
from bento_observe.features.reference._scan import CategoricalPlan, NumericPlan
from bento_observe.features.reference._types import CategoricalReference, NumericReference

__all__ = ["CategoricalTally", "NumericTally", "Tally", "tally_for"]


class NumericTally:
    """Counts float64 values into the buckets of a plan."""

    def __init__(self, plan: NumericPlan) -> None:
        self._plan = plan
        self._missing = self._non_finite = 0
        self._low, self._high = math.inf, -math.inf
        self._sums = PowerSums(plan.low, plan.high)
        self._counts: IntArray = np.zeros(plan.edges.size + 1, np.int64)

    def add(self, values: FloatArray) -> None:
        """Counts a block; NaN is missing."""
        finite = np.isfinite(values)
        known = values if finite.all() else values[finite]
        missing = int(np.isnan(values).sum()) if known is not values else 0
        self._missing += missing
        self._non_finite += values.size - known.size - missing
        if known.size:
            # Of values in order, only the edges have to be searched for.
            self._low, self._high = min(self._low, float(known.min())), max(self._high, float(known.max()))
            ends = np.searchsorted(np.sort(known), self._plan.edges, side="right")
            self._counts += np.diff(ends, prepend=0, append=known.size)
            self._sums.add(known)

    def result(self) -> NumericReference:
        """What was counted; extremes and moments are NaN where there was nothing."""
        some = self._sums.count > 0
        distinct = self._plan.distinct
        return NumericReference(
            kind=self._plan.kind,
            count=self._sums.count,
            missing=self._missing,
            non_finite=self._non_finite,
            min=self._low if some else math.nan,
            max=self._high if some else math.nan,
            mean=min(max(self._sums.mean, self._low), self._high) if some else math.nan,
            variance=self._sums.variance,
            kurtosis=self._sums.kurtosis,
            distinct=None if distinct is None else int(np.count_nonzero(self._counts)),
            edges=self._plan.edges,
            counts=self._counts,
        )


class CategoricalTally:
    """Counts the categories of a plan."""

    def __init__(self, plan: CategoricalPlan) -> None:
        self._plan = plan
        self._missing = self._rows = 0
        self._positions = {name: position for position, name in enumerate(plan.categories)}
        self._counts: IntArray = np.zeros(len(plan.categories), np.int64)

    def codes(self, own: Codes, names: list[str]) -> Codes:
        """Codes into `names` as codes into the plan's categories: -1 for a missing value, -2 for another category."""
        table = np.array([self._positions.get(name, -2) for name in names] + [-1], np.intp)
        return table[own]

    def add(self, codes: Codes) -> None:
        """Counts a block of what `codes` made."""
        self._rows += codes.size
        self._missing += int((codes == -1).sum())
        self._counts += np.bincount(codes[codes >= 0], minlength=self._counts.size)

    def result(self) -> CategoricalReference:
        """What was counted, with the categories in the plan's order."""
        counts: Mapping[str, int] = dict(zip(self._positions, self._counts.tolist(), strict=True))
        count = self._rows - self._missing
        distinct = int(np.count_nonzero(self._counts))
        return CategoricalReference(self._plan.kind, count, self._missing, distinct, counts)


Tally = NumericTally | CategoricalTally


def tally_for(plan: NumericPlan | CategoricalPlan) -> Tally:
    """An empty tally of the plan's sort."""
    return NumericTally(plan) if isinstance(plan, NumericPlan) else CategoricalTally(plan)
