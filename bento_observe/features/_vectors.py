"""Embeddings and other wide vectors: what of a matrix of them, rows x dimensions, becomes features."""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._types import FloatArray

__all__ = ["MAX_COLUMNS", "derived"]

MAX_COLUMNS: Final = 256
"""Rows without names that are wider than that are vectors, not features."""


def derived(matrix: FloatArray, mean: FloatArray | None) -> tuple[tuple[str, ...], FloatArray]:
    """The features of each row of `matrix` (float64, rows x dimensions): their names, and float64, features x rows.

    `norm` is the Euclidean norm, `mean` the mean of the elements, `distance` the Euclidean distance to the vector
    `mean` (float64, one element a dimension; without it there is no such feature), all three of the finite elements;
    `non_finite` is how many others there are. A row with no finite element has NaN for the first three.

    Raises:
        ValueError: `mean` is not as long as the rows are.
    """
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    if mean is not None and mean.shape != matrix.shape[1:]:
        raise ValueError(f"vectors of {matrix.shape[1]} dimensions, a mean of {mean.size}")
    finite = np.isfinite(matrix)
    counts = finite.sum(axis=1)
    clean = matrix if (counts == matrix.shape[1]).all() else np.where(finite, matrix, 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        features = {"norm": np.sqrt((clean * clean).sum(axis=1)), "mean": clean.sum(axis=1) / counts}
        if mean is not None:
            away = clean - mean
            if clean is not matrix:
                away[~finite] = 0.0
            features["distance"] = np.sqrt((away * away).sum(axis=1))
    for values in features.values():
        values[counts == 0] = np.nan
    features["non_finite"] = (matrix.shape[1] - counts).astype(np.float64)
    return tuple(features), np.stack(list(features.values()))
