"""The state of all features of one aggregator, and the one place where values are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bento_observe.features._exponential import ExponentialTable
from bento_observe.features._histograms import ExplicitHistogram, ExponentialHistogram
from bento_observe.features._losses import Losses
from bento_observe.features._moments import Moments
from bento_observe.features._search import EdgeSearch, slots_for
from bento_observe.features._snapshot import NumericFeature
from bento_observe.features._types import CHUNK_VALUES, MAX_NAME_LENGTH, Batch, FloatArray, IntArray

__all__ = ["FeatureState"]

_Rows = npt.NDArray[np.intp]
_MAX_PLANS = 64


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the columns of one layout go. `explicit` and `exponential` are positions among the columns in `kept`."""

    kept: _Rows
    rows: _Rows
    explicit: _Rows
    search: EdgeSearch | None
    exponential: _Rows
    complete: bool  # no column is left out, so nothing has to be selected


class FeatureState:
    """Counts batches. Not thread-safe: the owner holds a lock.

    Features with edges take the first rows, in the order of the reference; the others follow as they appear, up to
    `max_features` in all (never fewer than the reference has).
    """

    def __init__(self, edges: Mapping[str, FloatArray], max_features: int, losses: Losses) -> None:
        self._edges = list(edges.values())
        self._rows = {name: row for row, name in enumerate(edges)}
        self._max_features = max(max_features, len(edges))
        self._losses = losses
        self._moments = Moments()
        self._moments.grow(len(edges))
        self._slots = slots_for([e.size for e in self._edges]) if edges else 1
        self._explicit: IntArray = np.zeros((len(edges), self._slots), np.int64)
        self._exponential = ExponentialTable()
        self._plans: dict[tuple[str, ...], _Plan] = {}
        # Missing values of columns that held nothing else yet: whether they are numeric will be seen.
        self._undecided: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Counts one batch."""
        if batch.invalid is not None:
            batch = self._numeric_part(batch, batch.invalid)
        if not batch.names:
            return
        plan = self._plan(batch.names)
        columns, invalid = batch.columns, batch.invalid
        if not plan.complete:
            self._losses.add("too_many_features", columns.shape[1], "rows with values of features beyond the limit")
            columns = columns[plan.kept]
            invalid = None if invalid is None else invalid[plan.kept]
        if not plan.rows.size:
            return
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
            self._explicit[plan.rows[plan.explicit]] += counts
        if plan.exponential.size:
            some = columns[plan.exponential] if mixed else columns
            table_rows = plan.rows[plan.exponential] - len(self._edges)
            self._exponential.add(table_rows, some, skipped[plan.exponential])

    def _numeric_part(self, batch: Batch, invalid: IntArray) -> Batch:
        """The columns of `batch` that are numeric: known to be, or, when new, at least half numbers."""
        length = batch.columns.shape[1]
        empty = np.isnan(batch.columns).sum(axis=1)
        keep = []
        for position, name in enumerate(batch.names):
            numbers, others = length - int(empty[position]), int(invalid[position])
            if name in self._rows or (numbers and numbers >= others):
                keep.append(position)
            elif not others and (name in self._undecided or self._may_remember(name)):
                self._undecided[name] = self._undecided.get(name, 0) + length
        if len(keep) == len(batch.names):
            return batch
        return Batch(tuple(batch.names[position] for position in keep), batch.columns[keep], invalid[keep])

    def _may_remember(self, name: str) -> bool:
        return len(self._undecided) < self._max_features and len(name) <= MAX_NAME_LENGTH

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._new_plan(names)
            # Layouts that are not wholly known are whatever a request made up: they are not kept.
            if plan.complete:
                self._plans[names] = plan
        return plan

    def _new_plan(self, names: tuple[str, ...]) -> _Plan:
        first: dict[str, int] = {}  # of two columns with one name the first counts
        for position, name in enumerate(names):
            if self._known(name):
                first.setdefault(name, position)
        kept = list(first.values())
        rows = np.array([self._rows[names[position]] for position in kept], dtype=np.intp)
        explicit = np.flatnonzero(rows < len(self._edges))
        return _Plan(
            kept=np.array(kept, dtype=np.intp),
            rows=rows,
            explicit=explicit,
            search=EdgeSearch([self._edges[row] for row in rows[explicit]], self._slots) if explicit.size else None,
            exponential=np.flatnonzero(rows >= len(self._edges)),
            complete=len(kept) == len(names),
        )

    def _known(self, name: str) -> bool:
        """Whether the feature has a row by now; a new one gets one while there is room."""
        if name in self._rows:
            return True
        if len(self._rows) >= self._max_features or len(name) > MAX_NAME_LENGTH:
            return False
        row = self._rows[name] = len(self._rows)
        self._moments.grow(row + 1)
        self._exponential.grow(row + 1 - len(self._edges))
        self._moments.missing[row] = self._undecided.pop(name, 0)
        return True

    def settle(self) -> None:
        """To be called after each flush: keeps the sums well conditioned."""
        with np.errstate(all="ignore"):
            self._moments.recenter()

    def features(self) -> dict[str, NumericFeature]:
        """A copy of everything, by feature name."""
        moments = self._moments
        with np.errstate(all="ignore"):
            mean = moments.center + moments.s1 / np.maximum(moments.count, 1)
            squares = np.maximum(moments.s2 - moments.s1 * moments.s1 / np.maximum(moments.count, 1), 0.0)
        numbers = zip(
            self._rows.items(), moments.count.tolist(), moments.missing.tolist(), moments.non_finite.tolist(),
            moments.invalid.tolist(), moments.low.tolist(), moments.high.tolist(), mean.tolist(), squares.tolist(),
            strict=True,
        )  # fmt: skip
        found = {}
        for (name, row), count, missing, non_finite, invalid, low, high, average, spread in numbers:
            if not count:
                low = high = average = math.nan
            histogram = self._histogram(row)
            found[name] = NumericFeature(count, missing, non_finite, invalid, low, high, average, spread, histogram)
        return found

    def _histogram(self, row: int) -> ExplicitHistogram | ExponentialHistogram:
        if row >= len(self._edges):
            return self._exponential.histogram(row - len(self._edges))
        edges = self._edges[row]
        return ExplicitHistogram(edges, self._explicit[row, : edges.size + 1].copy())

    def take_extremes(self) -> dict[str, tuple[float, float]]:
        """Minimum and maximum of each feature since the last call; features without a value are left out."""
        low, high = self._moments.take_extremes()
        bounds = zip(self._rows, low.tolist(), high.tolist(), strict=True)
        return {name: (lowest, highest) for name, lowest, highest in bounds if lowest <= highest}
