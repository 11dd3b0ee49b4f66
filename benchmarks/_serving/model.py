"""The model under test, known to the service and to the client that checks its answers."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["FEATURES", "rows", "score"]

FEATURES: Final = 30
_WEIGHTS: Final = np.linspace(-1.0, 1.0, FEATURES)


def rows(count: int) -> npt.NDArray[np.float64]:
    """`count` different inputs, shape (count, 1, 30)."""
    return np.random.default_rng(1).normal(size=(count, 1, FEATURES))


def score(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear scores of shape (n,) for features of shape (n, 30): as cheap as can be, so that serving is measured."""
    scores: npt.NDArray[np.float64] = np.asarray(features, dtype=np.float64) @ _WEIGHTS
    return scores
