"""What is predicted of one row."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

__all__ = ["MISSING", "Prediction"]


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
