"""What is predicted of one row."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

__all__ = ["EMPTY", "MISSING", "Prediction", "is_absent"]

_ABSENT: Final = ("NoneType", "NAType", "NaTType")  # the latter two are of pandas


class Prediction(NamedTuple):
    """Of one row: `name` is the class, None where a `value` was predicted, empty where it was a text, which is neither.

    `confidence` is NaN where nobody said. `of` is how many classes there are, 0 where that is not known.
    """

    name: str | None
    value: float = math.nan
    confidence: float = math.nan
    of: int = 0


MISSING: Final = Prediction(None)
"""Of a row among predictions that has none which can be read, as NaN is; that row has no id."""

EMPTY: Final = Prediction(None, of=-1)
"""Of an empty text among predictions: nothing was said, which has no id either, and nothing is lost."""


def is_absent(cell: Any) -> bool:
    """Whether a cell is what stands for none."""
    return type(cell).__name__ in _ABSENT
