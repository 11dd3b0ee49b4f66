"""The data that ours and the peers count. Needs nothing but numpy and pandas, in any version that a peer wants.

Values are lognormal: positive, since the OpenTelemetry SDK's histogram drops all others, and with a tail.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "CURRENT_ROWS", "DRIFT_FEATURES", "NUMERIC", "REFERENCE_ROWS", "TEXT", "matrix", "mixed_frame", "names",
    "numeric_frame", "records", "words",
]  # fmt: skip

REFERENCE_ROWS = 10_000
CURRENT_ROWS = 1000
DRIFT_FEATURES = 100

NUMERIC, TEXT = 20, 10
"""The columns of mixed data."""

_CATEGORIES = 12
_REFERENCE_SEED, _SEED = 0, 1


def names(columns: int) -> list[str]:
    """What numeric columns are called."""
    return [f"f{i}" for i in range(columns)]


def matrix(rows: int, columns: int, seed: int = _SEED) -> npt.NDArray[np.float64]:
    """Float64 of rows x columns, the same for the same arguments."""
    return np.random.default_rng(seed).lognormal(size=(rows, columns))


def numeric_frame(columns: int) -> pd.DataFrame:
    """The training data of `matrix`."""
    return pd.DataFrame(matrix(REFERENCE_ROWS, columns, _REFERENCE_SEED), columns=names(columns))


def words(count: int, seed: int = _SEED) -> list[str]:
    """So many category names, a few of them frequent. Every one is an object of its own, as from a parsed request:
    a string that was looked up before knows its hash.
    """
    weights = 1 / np.arange(1, _CATEGORIES + 1)
    picked = np.random.default_rng(seed).choice(_CATEGORIES, size=count, p=weights / weights.sum())
    return ["".join(("category-", str(number))) for number in picked.tolist()]


def mixed_frame(rows: int, seed: int = _SEED) -> pd.DataFrame:
    """`NUMERIC` columns of numbers and `TEXT` columns of categories."""
    columns = dict(zip(names(NUMERIC), matrix(rows, NUMERIC, seed).T, strict=True))
    text = {f"s{i}": words(rows, seed + i) for i in range(TEXT)}
    return pd.DataFrame({**columns, **text})


def records(count: int) -> list[dict[str, object]]:
    """The rows of a `mixed_frame` as JSON would give them."""
    found: list[dict[str, object]] = []
    text = words(count * TEXT)
    for index, row in enumerate(matrix(count, NUMERIC).tolist()):
        categories = text[index * TEXT : (index + 1) * TEXT]
        found.append({**dict(zip(names(NUMERIC), row, strict=True)), **{f"s{i}": c for i, c in enumerate(categories)}})
    return found
