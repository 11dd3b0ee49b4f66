"""Counts by category, of a fixed size whatever arrives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import numpy as np

from bento_observe.features._feature import MAX_CATEGORIES, CategoricalFeature
from bento_observe.features._text import category, is_missing
from bento_observe.features._types import CHUNK_CELLS, FloatArray
from bento_observe.features.reference import CategoricalReference

__all__ = ["CategoryCounts"]

_TEXT: Final = frozenset({str, type(None)})


class CategoryCounts:
    """The counts of one categorical feature.

    With a reference its `top` categories are told apart, and of the others those it knows from those it does not.
    Without one the first `MAX_CATEGORIES` are kept by name.
    """

    def __init__(self, reference: CategoricalReference | None = None) -> None:
        self._missing = 0
        self._invalid = 0
        self._other = 0
        self._unseen = 0
        self._counts: dict[str, int] = {}
        self._known: Mapping[str, int] = {}
        self._growing = reference is None
        self._all_known = reference is not None and reference.kind != "high_cardinality"
        if reference is not None:
            self._counts = dict.fromkeys(reference.top, 0)
            self._known = reference.categories
        # An array of booleans arrives as ones and zeros.
        booleans = bool(self._known) and self._known.keys() <= {"true", "false"}
        self._names = {"1": "true", "0": "false"} if booleans else {}

    def add(self, cells: Collection[object]) -> None:
        """Counts scalars of any kind; numbers and booleans are the categories that `category` makes of them."""
        if _TEXT.issuperset(map(type, cells)):
            counts: Iterable[tuple[object, int]] = Counter(cells).items()
        else:
            # With their types, for 1 and True are equal.
            typed = Counter(zip(map(type, cells), cells, strict=True))
            counts = ((cell, count) for (_, cell), count in typed.items())
        for cell, count in counts:
            if type(cell) is str:
                self.add_category(cell, count)
            elif is_missing(cell):
                self._missing += count
            elif (name := category(cell)) is None:
                self._invalid += count
            else:
                self.add_category(name, count)

    def add_numbers(self, column: FloatArray) -> None:
        """Counts float64 values, NaN being a missing one."""
        for start in range(0, column.size, CHUNK_CELLS):
            some = column[start : start + CHUNK_CELLS]
            present = some[~np.isnan(some)]
            self._missing += some.size - present.size
            values, counts = np.unique(present, return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                self.add_category(category(value) or "", count)

    def add_category(self, name: str, count: int) -> None:
        """Counts one category so many times."""
        if self._names:
            name = self._names.get(name, name)
        if name in self._counts:
            self._counts[name] += count
        elif name in self._known:
            self._other += count
        elif self._growing and len(self._counts) < MAX_CATEGORIES:
            self._counts[name] = count
        elif self._all_known:
            self._unseen += count
        else:
            self._other += count

    def merge(self, other: CategoricalFeature) -> None:
        """Adds what another aggregator has counted."""
        self._missing += other.missing
        self._invalid += other.invalid
        self._other += other.other
        self._unseen += other.unseen
        for name, count in other.counts.items():
            self.add_category(name, count)

    def add_missing(self, count: int) -> None:
        """Counts so many missing values."""
        self._missing += count

    def feature(self) -> CategoricalFeature:
        """A copy of what was counted."""
        count = sum(self._counts.values()) + self._other + self._unseen
        return CategoricalFeature(count, self._missing, self._invalid, self._unseen, self._other, self._counts)
