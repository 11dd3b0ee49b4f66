"""Array types and limits that the modules of this package share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "CHUNK_CELLS", "CHUNK_VALUES", "MAX_NAME_LENGTH", "Arrived", "Batch", "Cells", "FloatArray", "IntArray", "Tally",
]  # fmt: skip

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

CHUNK_VALUES: Final = 16_384
"""Values counted in one step: small enough to stay in the second-level cache and to end in a fraction of a millisecond,
large enough that the fixed cost of some thirty numpy calls is spread thin."""

CHUNK_CELLS: Final = 4096
"""Python objects looked at in one step: they take ten to fifty times as long as numbers in an array."""

MAX_NAME_LENGTH: Final = 256
"""Longer feature names are refused: names become series, and dict keys come from requests."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Values on their way into the statistics: one row of `columns` for each feature of `names`.

    `columns` is float64, features x rows, of any layout and not to be changed. NaN is a missing value, or one of the
    `invalid` many in that feature that were no numbers. Where the data was not `typed`, a column that holds nothing
    need not be numeric. `table` is the rows that `columns` were made of where they were Python objects: of a category,
    1 and True are two.
    """

    names: tuple[str, ...]
    columns: FloatArray
    invalid: IntArray | None = None
    typed: bool = True
    table: Sequence[Sequence[object]] | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """Columns of scalars of any kind, all of one length, one for each of `names`; what they are is yet to be seen."""

    names: tuple[str, ...]
    columns: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Tally:
    """Categories of one feature that are counted already."""

    name: str
    counts: Mapping[str, int]
    missing: int


Arrived = Batch | Cells | Tally
