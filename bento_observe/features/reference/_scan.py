"""The first pass over training data: what each column is, its range, its quantiles, its categories.

Nothing here depends on how the data is cut into pieces, only on the order of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import FloatArray
from bento_observe.features.reference._columns import Column
from bento_observe.features.reference._edges import few_value_edges, quantile_edges
from bento_observe.features.reference._types import (
    MAX_FEW_VALUES,
    MAX_KNOWN_CATEGORIES,
    TOP_CATEGORIES,
    CategoricalKind,
    NumericKind,
)

__all__ = ["CategoricalPlan", "ColumnScan", "NumericPlan", "Plan"]

_COUNTED_CATEGORIES: Final = 20_000  # of free text the first so many are counted, to find the frequent ones
_FEW_ROWS: Final = 100  # of fewer values nothing is said about how many of them differ


@dataclass(frozen=True, slots=True)
class NumericPlan:
    """A column to be counted into buckets."""

    kind: NumericKind
    distinct: int | None
    low: float
    high: float
    edges: FloatArray


@dataclass(frozen=True, slots=True)
class CategoricalPlan:
    """A column of categories, counted: `categories` as `CategoricalReference` has them."""

    kind: CategoricalKind
    count: int
    missing: int
    distinct: int
    categories: Mapping[str, int]


Plan = NumericPlan | CategoricalPlan | str
"""What to do with a column: count it, or leave it out and say why."""


class ColumnScan:
    """One column, seen piece by piece."""

    def __init__(self, *, output: bool, grouping: bool = False) -> None:
        """`output` columns are predictions or labels, where whole numbers are classes; `grouping` ones make slices."""
        self._output = output
        self._grouping = grouping
        self._rows = self._booleans = self._numbers = self._texts = self._others = self._finite = 0
        self._other = ""
        self._integers = self._whole = True
        self._low, self._high = math.inf, -math.inf
        self._distinct: FloatArray | None = np.zeros(0)
        self._sample: list[FloatArray] = []
        self._categories: dict[str, int] = {}

    @property
    def mixed(self) -> bool:
        """Whether there are values of more than one kind."""
        return (self._booleans > 0) + (self._numbers > 0) + (self._texts > 0) > 1

    def add(self, column: Column, picked: npt.NDArray[np.intp]) -> None:
        """Looks at the next piece; `picked` are the positions of the rows that go into the sample."""
        self._rows += column.floats.size
        self._booleans += column.booleans
        self._numbers += column.numbers
        self._texts += column.texts
        self._others += column.others
        self._other = self._other or column.other
        self._integers &= column.integers
        self._sample.append(column.floats[picked])
        if column.booleans or column.numbers:
            self._add_numbers(column.floats)
        if not column.typed or self._grouping or (self._output and self._distinct is not None):
            self._add_categories(column)

    def _add_numbers(self, floats: FloatArray) -> None:
        finite = floats[np.isfinite(floats)]
        if not finite.size:
            return
        self._finite += finite.size
        self._low = min(self._low, float(finite.min()))
        self._high = max(self._high, float(finite.max()))
        if self._output:
            self._whole &= bool((finite == np.floor(finite)).all())
        if self._distinct is not None:
            distinct = np.unique(np.concatenate([self._distinct, finite]))
            self._distinct = distinct if distinct.size <= MAX_FEW_VALUES else None

    def _add_categories(self, column: Column) -> None:
        codes, names = column.categories()
        counts = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
        for name, count in zip(names, counts, strict=True):
            if name in self._categories:
                self._categories[name] += count
            elif len(self._categories) < _COUNTED_CATEGORIES:
                self._categories[name] = count

    def keep(self, positions: npt.NDArray[np.intp]) -> None:
        """Keeps only these rows of the sample."""
        self._sample = [np.concatenate(self._sample)[positions]]

    def most_frequent(self, limit: int) -> list[str]:
        """The most frequent categories, of equals the first by name."""
        return list(self._ordered())[:limit]

    @property
    def too_many_values(self) -> bool:
        """Whether most values are different, or they are numbers of more values than a category has: no slices."""
        distinct, present = len(self._categories), self._booleans + self._numbers + self._texts
        return (
            distinct == _COUNTED_CATEGORIES
            or (present >= _FEW_ROWS and 2 * distinct > present)
            or (self._numbers > 0 and distinct > MAX_KNOWN_CATEGORIES)
        )

    def _ordered(self) -> dict[str, int]:
        return dict(sorted(self._categories.items(), key=lambda item: (-item[1], item[0])))

    def plan(self) -> Plan:
        """What the column is, now that all of it has been seen."""
        numbers, present = self._booleans + self._numbers, self._booleans + self._numbers + self._texts + self._others
        if not present:
            return "all values are missing"
        if 2 * self._others > present:
            return f"holds {self._other}: neither numbers nor categories"
        if 2 * numbers <= present or (self._output and self._is_class_label(present)):
            return self._categorical(present - self._others)
        if not self._finite:
            return "no value is finite"
        return self._numeric("boolean" if self._booleans == present else "numeric")

    def _is_class_label(self, present: int) -> bool:
        if self._booleans == present:
            return True
        # Whole numbers of which some are missing arrive as floats.
        integers = self._integers or present < self._rows
        return self._finite == present and self._whole and integers and self._distinct is not None

    def _categorical(self, count: int) -> CategoricalPlan:
        categories = self._ordered()
        distinct = len(categories)
        kind: CategoricalKind = "constant" if distinct == 1 else "categorical"
        if distinct > MAX_KNOWN_CATEGORIES or (count >= _FEW_ROWS and 2 * distinct > count):
            kind = "high_cardinality"
            categories = dict(list(categories.items())[:TOP_CATEGORIES])
        return CategoricalPlan(kind, count, self._rows - count, distinct, categories)

    def _numeric(self, kind: NumericKind) -> NumericPlan:
        if self._distinct is not None:
            kind = "constant" if kind == "numeric" and self._distinct.size == 1 else kind
            edges = few_value_edges(self._distinct)
            return NumericPlan(kind, self._distinct.size, self._low, self._high, edges)
        sample = np.concatenate(self._sample)
        edges = quantile_edges(sample[np.isfinite(sample)], self._low, self._high)
        return NumericPlan(kind, None, self._low, self._high, edges)
