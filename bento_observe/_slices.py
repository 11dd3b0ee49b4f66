"""Statistics counted once more for each value of a declared column, such as a country. Runs on the request's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from bento_observe import semconv
from bento_observe.features import FeatureStatistics, category

__all__ = ["Keys", "Slices", "keys_in"]

_MAX_ROWS: Final = 1000
"""Of a larger batch, evenly spaced rows are taken, at most so many: the request's thread takes it apart."""

Keys = str | Sequence[str]
"""The slice of all rows, or of each."""


def keys_in(named: Mapping[str, Any], column: str, names: Sequence[str]) -> Keys | None:
    """The values of `column` in the arguments of a call, by parameter; None where it is in none of them.

    `names` are those of an array's columns.
    """
    if column in named:
        return _keys(named[column])
    for value in named.values():
        found = _found(value, column, names)
        if found is not None:
            return found
    return None


def _found(value: Any, column: str, names: Sequence[str]) -> Keys | None:
    if isinstance(value, np.ndarray):
        if column in names and value.shape[-1:] == (len(names),):
            return _keys(value[..., names.index(column)])
        return None
    if isinstance(value, (list, tuple)):
        if not value:
            return None
        if isinstance(value[0], (list, tuple)):
            return _found(np.array(value, dtype=object), column, names)
        rows = [row if isinstance(row, Mapping) else getattr(row, "__dict__", {}) for row in value]
        return [_key(row.get(column)) for row in rows] if any(column in row for row in rows) else None
    if isinstance(value, Mapping) or hasattr(value, "columns"):
        return _keys(value[column]) if column in value else None
    fields = getattr(value, "__dict__", {})
    return _keys(fields[column]) if column in fields else None


def _keys(value: Any) -> Keys:
    cells = value.tolist() if hasattr(value, "tolist") else value
    return list(map(_key, cells)) if isinstance(cells, (list, tuple)) else _key(cells)


def _key(cell: Any) -> str:
    return category(cell) or semconv.CATEGORY_MISSING


class Slices:
    """One declared column: the statistics of each of its values, made when the value first comes.

    At most `limit` values are told apart, those of the training data where it says which, else the first that come;
    all others are `__other__`.

    Args:
        make: gives the statistics of a value, by signal.
    """

    def __init__(
        self,
        column: str,
        known: Sequence[str],
        limit: int,
        make: Callable[[str, str], Mapping[str, FeatureStatistics]],
    ) -> None:
        self.column: Final = column
        self._limit = limit
        self._make = make
        self._lock = threading.Lock()
        self._frozen = bool(known)
        self.sampled = 0
        """Rows left out of large batches so far."""
        self._slices: dict[str, Mapping[str, FeatureStatistics]] = {}
        for value in dict.fromkeys((*known[:limit], semconv.CATEGORY_OTHER)) if known else ():
            self._slices[value] = make(column, value)

    def told(self, key: str) -> str:
        """What a value of the column is called in telemetry."""
        return self._slice(key)

    def update(self, signal: str, data: Any, keys: Keys) -> bool:
        """Counts `data`, one row or as many as there are keys; False if it has another number of rows."""
        if not isinstance(keys, str):
            distinct = set(keys)
            if len(distinct) != 1:
                return self._split(signal, data, keys)
            keys = keys[0]
        self._add(signal, data, keys)
        return True

    def _split(self, signal: str, data: Any, keys: Sequence[str]) -> bool:
        if _length(data) != len(keys):
            return False
        if (stride := -(-len(keys) // _MAX_ROWS)) > 1:
            whole = len(keys)
            data, keys = _rows(data, range(0, whole, stride)), keys[::stride]
            with self._lock:
                self.sampled += whole - len(keys)
        positions: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            positions.setdefault(self._slice(key), []).append(position)
        for key, rows in positions.items():
            self._add(signal, _rows(data, rows), key)
        return True

    def _add(self, signal: str, data: Any, key: str) -> None:
        statistics = self._slices[self._slice(key)].get(signal)
        if statistics is not None:
            statistics.update(data)

    def _slice(self, key: str) -> str:
        """The slice that a value belongs to, which is there then."""
        if key in self._slices:
            return key
        with self._lock:
            if self._frozen or len(self._slices) >= self._limit:
                key = semconv.CATEGORY_OTHER
            if key not in self._slices:
                self._slices[key] = self._make(self.column, key)
            return key


def _length(data: Any) -> int | None:
    """Rows of an array, a frame, a list or a mapping of columns; None for anything else."""
    if isinstance(data, Mapping):
        lengths = {_length(column) for column in data.values()}
        return lengths.pop() if len(lengths) == 1 else None
    return len(data) if isinstance(data, (list, tuple, np.ndarray)) or hasattr(data, "iloc") else None


def _rows(data: Any, positions: Sequence[int]) -> Any:
    if isinstance(data, Mapping):
        return {name: _rows(column, positions) for name, column in data.items()}
    if isinstance(data, np.ndarray):
        return data[np.asarray(positions)]
    if hasattr(data, "iloc"):
        return data.take(positions)
    return [data[position] for position in positions]
