"""The state of all features of one aggregator: what a feature is, and where its values go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bento_observe.features import _compiled
from bento_observe.features._categories import CategoryCounts
from bento_observe.features._decode import to_floats
from bento_observe.features._feature import Feature, NumericFeature
from bento_observe.features._losses import Losses
from bento_observe.features._numbers import NumericTable
from bento_observe.features._schema import Schema
from bento_observe.features._text import NUMBERS, is_missing
from bento_observe.features._types import MAX_NAME_LENGTH, Arrived, Batch, Cells, FloatArray, IntArray

__all__ = ["FeatureState"]

_MAX_PLANS = 64


class FeatureState:
    """Counts what arrived. Not thread-safe: the owner holds a lock.

    What a feature is, numeric or categorical, the reference says, or the first values that come: it is numeric where
    at least half of them are numbers. From then on it stays that. At most `max_features` are kept in all (never fewer
    than the reference has).
    """

    def __init__(self, schema: Schema, max_features: int, losses: Losses) -> None:
        known = len(schema.edges) + len(schema.categories)
        self._max_features = max(max_features, known)
        self._losses = losses
        self._numbers = NumericTable(schema.edges, schema.centers, _compiled.KERNEL)
        self._categories = {name: CategoryCounts(reference) for name, reference in schema.categories.items()}
        # Missing values of columns that held nothing else yet: what they are will be seen.
        self._undecided: dict[str, int] = {}
        # By layout: whether all of its columns are numeric and known, the usual case.
        self._all_numeric: dict[tuple[str, ...], bool] = {}

    def add(self, arrived: Arrived) -> None:
        """Counts what arrived."""
        if isinstance(arrived, Batch):
            self._add_batch(arrived)
        elif isinstance(arrived, Cells):
            self._add_cells(arrived)
        elif (counts := self._category(arrived.name)) is not None:
            counts.add_missing(arrived.missing)
            for name, count in arrived.counts.items():
                counts.add_category(name, count)
        else:
            self._tell(True, sum(arrived.counts.values()) + arrived.missing)

    def _add_batch(self, batch: Batch) -> None:
        if not self._is_plain(batch.names):
            batch = self._numeric_part(batch)
            if not batch.names:
                return
        self._numbers.add(batch.names, batch.columns, batch.invalid)

    def _is_plain(self, names: tuple[str, ...]) -> bool:
        plain = self._all_numeric.get(names)
        if plain is None:
            plain = len(set(names)) == len(names) and all(name in self._numbers for name in names)
            # Layouts that are not wholly known are whatever a request made up: they are not kept.
            if plain:
                if len(self._all_numeric) >= _MAX_PLANS:
                    self._all_numeric.clear()
                self._all_numeric[names] = True
        return plain

    def _numeric_part(self, batch: Batch) -> Batch:
        """The columns of `batch` that are numeric and have a place; the categorical ones are counted here."""
        keep: dict[str, int] = {}
        length = batch.columns.shape[1]
        left_out = False
        for position, name in enumerate(batch.names):
            if name in keep:  # of two columns with one name the first counts
                continue
            if name in self._categories:
                counts = self._categories[name]
                if batch.table is None:
                    counts.add_numbers(batch.columns[position])
                else:
                    counts.add([row[position] for row in batch.table])
            elif name in self._numbers:
                keep[name] = position
            elif not batch.typed and bool(np.isnan(batch.columns[position]).all()):
                self._remember(name, length)
            elif self._has_room(name):
                self._new_number(name)
                keep[name] = position
            else:
                left_out = True
        self._tell(left_out, length)
        kept = list(keep.values())
        invalid = None if batch.invalid is None else batch.invalid[kept]
        return Batch(tuple(keep), batch.columns[kept], invalid)

    def _add_cells(self, cells: Cells) -> None:
        names: list[str] = []
        columns: list[FloatArray] = []
        invalid: list[int] = []
        seen: set[str] = set()
        left_out = False
        for name, column in zip(cells.names, cells.columns, strict=True):
            if name in seen:  # of two columns with one name the first counts
                continue
            seen.add(name)
            if name not in self._categories and name not in self._numbers:
                left_out |= not self._decide(name, column)
            if name in self._categories:
                self._categories[name].add(column)
            elif name in self._numbers:
                floats, others = to_floats(column)
                names.append(name)
                columns.append(floats)
                invalid.append(others)
        self._tell(left_out, max(map(len, cells.columns), default=0))
        if names:
            counted: IntArray = np.array(invalid, dtype=np.int64)
            self._numbers.add(tuple(names), np.stack(columns), counted)

    def _decide(self, name: str, column: Sequence[object]) -> bool:
        """Whether a feature that is not known yet had room; then it is known from here on, if anything can be told."""
        numbers = texts = others = 0
        for cell in column:
            if isinstance(cell, str):
                texts += 1
            elif is_missing(cell):
                continue
            elif isinstance(cell, NUMBERS):
                numbers += 1
            else:
                others += 1
        if not numbers and not texts:
            if not others:
                self._remember(name, len(column))
            return True
        if not self._has_room(name):
            return False
        if numbers >= texts + others:
            self._new_number(name)
        elif texts >= others:
            self._new_category(name)
        return True

    def _category(self, name: str) -> CategoryCounts | None:
        """The counts of the categorical feature `name`, made now if it is new; None if it cannot be one."""
        if name not in self._categories and name not in self._numbers and self._has_room(name):
            self._new_category(name)
        return self._categories.get(name)

    def _new_category(self, name: str) -> None:
        self._categories[name] = counts = CategoryCounts()
        counts.add_missing(self._undecided.pop(name, 0))

    def _new_number(self, name: str) -> None:
        self._numbers.new(name, self._undecided.pop(name, 0))

    def _has_room(self, name: str) -> bool:
        known = len(self._categories) + len(self._numbers)
        return known < self._max_features and len(name) <= MAX_NAME_LENGTH

    def _tell(self, left_out: bool, rows: int) -> None:
        if left_out:
            self._losses.add("too_many_features", rows, "rows with values of features beyond the limit")

    def _remember(self, name: str, missing: int) -> None:
        if name in self._undecided or (len(self._undecided) < self._max_features and len(name) <= MAX_NAME_LENGTH):
            self._undecided[name] = self._undecided.get(name, 0) + missing

    def merge(self, features: Mapping[str, Feature]) -> dict[str, NumericFeature]:
        """Adds the categorical ones of what another aggregator has counted; returns the numeric ones, known from now.

        Raises:
            ValueError: a feature is numeric in one and categorical in the other; nothing has been added then.
        """
        for name, feature in features.items():
            numeric = isinstance(feature, NumericFeature)
            if name in (self._categories if numeric else self._numbers):
                raise ValueError(f"feature {name!r} is numeric in one and categorical in the other: they do not add up")
        numbers = {}
        for name, feature in features.items():
            if isinstance(feature, NumericFeature):
                numbers[name] = feature
                if name not in self._numbers and self._has_room(name):
                    self._new_number(name)
            elif (counts := self._category(name)) is not None:
                counts.merge(feature)
            else:
                self._tell(True, feature.count)
        return numbers

    def settle(self) -> None:
        """To be called after each flush: keeps the sums well conditioned."""
        self._numbers.settle()

    def features(self) -> dict[str, Feature]:
        """A copy of everything, by feature name."""
        return {**self._numbers.features(), **{name: counts.feature() for name, counts in self._categories.items()}}

    @property
    def numeric(self) -> list[str]:
        """The numeric features, in the order of `recent`."""
        return self._numbers.names

    @property
    def recent(self) -> FloatArray:
        """Extremes of the numeric features since the last `take_extremes`, as `NumericTable.recent`."""
        return self._numbers.recent

    def take_extremes(self) -> dict[str, tuple[float, float]]:
        """Minimum and maximum of each numeric feature since the last call; those without a value are left out."""
        return self._numbers.take_extremes()
