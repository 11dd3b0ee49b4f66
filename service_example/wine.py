"""The wines: chemistry of 178 Italian wines of three cultivars, shipped inside scikit-learn.

Source: M. Forina et al., PARVUS, 1991; UCI Machine Learning Repository, "Wine".
"""

from __future__ import annotations

from typing import Final

import pandas as pd

__all__ = ["FEATURES", "MODEL", "PIPELINE_FILE", "PREDICTION", "load"]

MODEL: Final = "wine_cultivar"
"""The model's name in BentoML's model store."""

PIPELINE_FILE: Final = "pipeline.joblib"
"""The file in the model that holds the scikit-learn pipeline."""

PREDICTION: Final = "cultivar"
"""What the model predicts."""

FEATURES: Final = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280_od315",
    "proline",
)
"""The columns, in the order in which the model was trained."""


def load() -> tuple[pd.DataFrame, pd.Series[int]]:
    """All wines, shape (178, 13) of float64, and the cultivar (0, 1 or 2) of each."""
    from sklearn.datasets import load_wine  # the service needs the names only

    wines = load_wine(as_frame=True)
    return wines.data.set_axis(list(FEATURES), axis="columns"), wines.target
