"""The second pass over training data: what is counted, in blocks that do not depend on how the data came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bento_observe.features.reference._columns import Codes, Column, read
from bento_observe.features.reference._scan import CategoricalPlan, NumericPlan
from bento_observe.features.reference._source import Chunk, columns_of
from bento_observe.features.reference._tally import CategoricalTally, NumericTally, tally_for
from bento_observe.features.reference._types import BLOCK_ROWS, CategoricalReference, FeatureReference

__all__ = ["Counts", "Key", "blocks"]

_Array = npt.NDArray[Any]
Key = tuple[str, str]
"""A signal, and a feature of it."""


class Counts:
    """Tallies of everything in all rows, and in each slice of them."""

    def __init__(self, plans: Mapping[Key, NumericPlan | CategoricalPlan], values: Mapping[str, list[str]]) -> None:
        self._plans = plans
        self._values = {name: {value: code for code, value in enumerate(found)} for name, found in values.items()}
        # Of all rows the categories are counted already.
        self._keys = [key for key, plan in plans.items() if values or isinstance(plan, NumericPlan)]
        self._all = {key: tally_for(plans[key]) for key in self._keys}
        self._slices = {
            (name, value): {key: tally_for(plans[key]) for key in self._keys}
            for name, found in values.items()
            for value in found
        }

    def arrays(self, chunk: Chunk, classes: Mapping[str, Any]) -> list[_Array]:
        """What is to be counted in a chunk, an array for each feature, and the codes of the columns of slices."""
        columns: dict[str, dict[str, Column]] = {}
        arrays: list[_Array] = []
        for signal, name in self._keys:
            if signal not in columns:
                columns[signal] = columns_of(chunk, signal, signal in classes)
            column, tally = columns[signal][name], self._all[signal, name]
            if isinstance(tally, NumericTally):
                arrays.append(column.floats)
            else:
                arrays.append(tally.codes(*column.categories()))
        for name, known in self._values.items():
            codes, names = read(chunk.slices[name]).categories()
            arrays.append(np.array([known.get(value, -1) for value in names] + [-1], np.intp)[codes])
        return arrays

    def add(self, block: list[_Array]) -> None:
        """Counts a block."""
        features = dict(zip(self._keys, block, strict=False))
        self._add(self._all, features, None)
        for (name, known), codes in zip(self._values.items(), block[len(self._keys) :], strict=True):
            for value, code in known.items():
                rows = np.flatnonzero(codes == code)
                if rows.size:
                    self._add(self._slices[name, value], features, rows)

    @staticmethod
    def _add(
        tallies: Mapping[Key, NumericTally | CategoricalTally], features: Mapping[Key, _Array], rows: Codes | None
    ) -> None:
        for key, tally in tallies.items():
            if rows is not None or isinstance(tally, NumericTally):
                tally.add(features[key] if rows is None else features[key][rows])

    def of_all(self) -> dict[Key, FeatureReference]:
        """The features in all rows."""
        return {
            key: CategoricalReference(plan.kind, plan.count, plan.missing, plan.distinct, plan.categories)
            if isinstance(plan, CategoricalPlan)
            else self._all[key].result()
            for key, plan in self._plans.items()
        }

    def of_slice(self, name: str, value: str) -> dict[Key, FeatureReference]:
        """The features in the rows that have this value in that column."""
        return {key: tally.result() for key, tally in self._slices[name, value].items()}


def blocks(chunks: Iterable[list[_Array]]) -> Iterator[list[_Array]]:
    """The same arrays, all of them cut anew after every `BLOCK_ROWS` rows."""
    waiting: list[list[_Array]] = []
    rows = 0
    for chunk in chunks:
        if not chunk:
            continue
        waiting.append(chunk)
        rows += chunk[0].size
        while rows >= BLOCK_ROWS:
            joined = [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*waiting, strict=True)]
            yield [array[:BLOCK_ROWS] for array in joined]
            waiting = [[array[BLOCK_ROWS:] for array in joined]]
            rows -= BLOCK_ROWS
    if rows:
        yield [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
