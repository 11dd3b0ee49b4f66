"""Where a value came from: looked for in what was just counted, and left open where that cannot be told."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from bento_observe.features import _decode, _frames, _probabilities
from bento_observe.features._derived import Derived
from bento_observe.features._exemplars import Wanted
from bento_observe.features._intake import Intake
from bento_observe.features._pending import Item
from bento_observe.features._types import CHUNK_VALUES, FloatArray

__all__ = ["OriginSearch"]

_Names: TypeAlias = "tuple[str, ...] | None"


class OriginSearch:
    """Finds, in the items of one step of a flush, which of them has a value; of several the first of its kind.

    Args:
        names: the columns of arrays and lists.
        intake: tells which arrays are vectors.
        derived: tells what arrays were made into.
    """

    def __init__(self, names: _Names, intake: Intake, derived: Derived) -> None:
        self._names = names
        self._intake = intake
        self._derived = derived

    def __call__(self, wanted: Wanted, items: Sequence[Item]) -> Mapping[tuple[str, float], object]:
        """Origins by feature and value; what is not found, or was made of several Python objects, is not there."""
        left = _Left(wanted)
        groups: dict[Hashable, list[Item]] = defaultdict(list)
        for item in items:
            groups[item[0]].append(item)
        for key, group in groups.items():
            if isinstance(key, tuple):
                self._in_arrays(key, group, left)
            elif key is _decode.records:
                self._in_records(group, left)
            elif key is _decode.rows:
                self._in_rows([(row, item[3]) for item in group for row in item[1]], left)
            elif key is _decode.values and self._names is not None and len(self._names) > 1:
                self._in_rows([(item[1], item[3]) for item in group], left)
            elif key in _COLUMNS:
                self._in_columns(_COLUMNS[key], group, left)
        return left.found

    def _in_arrays(self, shape: tuple[int, ...], group: Sequence[Item], left: _Left) -> None:
        """In raw float64 of one shape."""
        if len(shape) > 2 or 0 in shape:
            return
        vectors = self._intake.is_vector(shape)
        names = () if vectors else _decode.array_names(shape, self._names) or ()
        width = shape[-1] if vectors and self._derived.vector_width in (None, shape[-1]) else len(names)
        if not width:
            return
        rows_each = math.prod(shape) // width
        above = 0
        payloads = [item[1] for item in group]
        matrices: Iterator[FloatArray]
        if len(payloads) * math.prod(shape) <= CHUNK_VALUES:  # the usual case, without looking at each
            matrices = iter([np.frombuffer(b"".join(payloads), dtype=np.float64).reshape(-1, width)])
        else:
            matrices = _decode.matrices(payloads, width)
        for matrix in matrices:
            counted, columns = names, matrix.T
            if vectors:
                batch = self._derived.of_vectors(matrix)
                counted, columns = batch.names, batch.columns
            elif self._replaced(names):
                counted, columns = _probabilities.NUMERIC, np.stack(_probabilities.derived(matrix)[1:])
            positions = _positions(counted)
            places = [(name, value, positions[name]) for name, value in left.values() if name in positions]
            if places:
                values = np.array([value for _, value, _ in places])
                hits = columns[[position for _, _, position in places]] == values[:, None]
                first = hits.argmax(axis=1)
                sure = hits[np.arange(len(places)), first]
                for (name, value, _), row, hit in zip(places, first.tolist(), sure.tolist(), strict=True):
                    if hit:
                        left.strike(name, value, group[(above + row) // rows_each][3])
            above += len(matrix)

    def _in_records(self, group: Sequence[Item], left: _Left) -> None:
        found = [(record, item[3]) for item in group for record in item[1] if not self._replaced(record)]
        for name in left.names():
            left.look(name, [record.get(name) for record, _ in found], [origin for _, origin in found])

    def _in_rows(self, found: Sequence[tuple[Sequence[object], object]], left: _Left) -> None:
        known = self._names
        names: Sequence[str] = known or list(map(str, range(max([len(row) for row, _ in found], default=0))))
        fitting = [
            (row, origin)
            for row, origin in found
            if (known is None or len(row) == len(known)) and not self._replaced(names[: len(row)])
        ]
        for position, name in enumerate(names):
            if name in left and names.index(name) == position:
                chosen = [(row[position], origin) for row, origin in fitting if len(row) > position]
                left.look(name, [cell for cell, _ in chosen], [origin for _, origin in chosen])

    def _in_columns(self, column: _Column, group: Sequence[Item], left: _Left) -> None:
        for name in left.names():
            for _, payload, _, origin in group:
                cells = column(payload, name, self._names)
                left.look(name, cells, [origin] * len(cells))
                if name not in left:
                    break

    def _replaced(self, names: Iterable[str]) -> bool:
        return self._derived.replaces(tuple(names))


@lru_cache(maxsize=16)
def _positions(names: tuple[str, ...]) -> Mapping[str, int]:
    """Of two columns with one name the first counts."""
    return {name: position for position, name in reversed(list(enumerate(names)))}


class _Left:
    """What is still looked for, and what was found: the origin by feature and value."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = {name: list(values) for name, values in wanted.items()}
        self.found: dict[tuple[str, float], object] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._wanted

    def names(self) -> list[str]:
        """Features of which something is looked for."""
        return list(self._wanted)

    def values(self) -> list[tuple[str, float]]:
        """What is looked for, by feature."""
        return [(name, value) for name, values in self._wanted.items() for value in values]

    def look(self, name: str, cells: Sequence[object], origins: Sequence[object]) -> None:
        """Among the cells of one column, each of its own origin."""
        for value in self._wanted[name][:]:
            # Raised where it is not there, or what is there cannot be compared.
            with suppress(Exception):
                position = cells.index(value)
                # Looked at as it was counted: a float32 may equal a float and yet be another number.
                if _decode.to_floats(cells[position : position + 1])[0][0] == value:
                    self.strike(name, value, origins[position])

    def strike(self, name: str, value: float, origin: object) -> None:
        """Found."""
        self.found[name, value] = origin
        values = self._wanted[name]
        values.remove(value)
        if not values:
            del self._wanted[name]


_Column: TypeAlias = "Callable[[Any, str, _Names], Sequence[object]]"


def _of_values(payload: Sequence[object], name: str, names: _Names) -> Sequence[object]:
    return payload if name == (names[0] if names else _decode.SINGLE_FEATURE) else ()


def _of_columns(payload: Mapping[str, Sequence[object]], name: str, _names: _Names) -> Sequence[object]:
    return payload.get(name, ())


def _of_frames(payload: _frames.Taken, name: str, _names: _Names) -> Sequence[object]:
    if name in payload.numeric:
        first, width = payload.numeric.index(name), len(payload.numeric)
        cells: list[object] = np.frombuffer(payload.raw)[first::width].tolist()
        return cells
    return payload.cells[payload.others.index(name)] if name in payload.others else ()


# Tables of objects are left out: they come of arrays that are hardly numbers.
_COLUMNS: dict[Hashable, _Column] = {
    _decode.values: _of_values, _decode.columns: _of_columns, _frames.frames: _of_frames,
}  # fmt: skip
