"""Array types and limits that the modules of this package share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["CHUNK_VALUES", "MAX_NAME_LENGTH", "Batch", "FloatArray", "IntArray"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

CHUNK_VALUES: Final = 20_480
"""Values counted in one step: small enough to stay in the second-level cache and to end in a fraction of a millisecond,
large enough that the fixed cost of some thirty numpy calls is spread thin."""

MAX_NAME_LENGTH: Final = 256
"""Longer feature names are refused: names become series, and dict keys come from requests."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Values on their way into the statistics: one row of `columns` for each feature of `names`.

    `columns` is float64, C-contiguous, features x rows, and owned by whoever holds the batch. NaN is a missing value,
    or one of the `invalid` many in that feature that were no numbers. `invalid` is None where the data was typed, so
    that every column is known to be numeric.
    """

    names: tuple[str, ...]
    columns: FloatArray
    invalid: IntArray | None = None
