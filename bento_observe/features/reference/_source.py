"""Training data as it is read: chunks of rows, and the columns of one signal of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bento_observe.features import _probabilities
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._columns import Column, of_codes, read

__all__ = ["Chunk", "Source", "columns_of", "matrix_of"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows in a row: columns by signal and name, and those that make slices, all pandas Series or 1-D arrays.

    `names` are what all columns of a signal are called, repeated names included; not there for wide vectors.
    """

    rows: int
    signals: Mapping[str, Mapping[str, Any]]
    slices: Mapping[str, Any]
    names: Mapping[str, tuple[str, ...]]


class Source(Protocol):
    """Training data that can be read several times."""

    @property
    def vectors(self) -> Mapping[str, FloatArray]:
        """The mean vector of each signal whose columns are made of wide vectors."""
        ...

    def columns(self, signal: str) -> int:
        """How many columns the signal has."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """All rows, in chunks of any sizes."""
        ...

    def as_text(self, names: set[str]) -> bool:
        """Asks for these columns as text from now on; whether that made a difference."""
        ...


def matrix_of(columns: Iterable[Column]) -> FloatArray:
    """Columns as numbers, float64, rows x columns."""
    return np.stack([column.floats for column in columns], axis=1)


def columns_of(chunk: Chunk, signal: str, probabilities: bool) -> dict[str, Column]:
    """The columns of one signal by name; of `probabilities`, what is made of them."""
    columns = {name: read(cells) for name, cells in chunk.signals[signal].items()}
    if not probabilities:
        return columns
    classes, *numeric = _probabilities.derived(matrix_of(columns.values()))
    made = {_probabilities.CLASS: of_codes(classes, list(columns))}
    return made | dict(zip(_probabilities.NUMERIC, map(read, numeric), strict=True))
