"""Orders of a shop: what training saw, what drifted ones look like, and a model that guesses what becomes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from bento_observe import Reference

__all__ = [
    "CLASSES", "DIMENSIONS", "WEIGHT", "broken", "drifted", "normal", "outcomes", "probabilities", "reference",
    "transformed",
]  # fmt: skip

CLASSES: Final = ("keep", "return", "refund")
COUNTRIES: Final = ("de", "fr", "it", "nl")
WEIGHT: Final = os.environ.get("ORDERS_WEIGHT", "weight")
"""The name of a column; a test gives it one with all that means something in a query."""

DIMENSIONS: Final = 300
"""More columns without names than that are not features: a vector."""

_TRAINED: Final = 4000
_CERTAINTY: Final = 2.5


def normal(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Orders as in training."""
    return pd.DataFrame(
        {
            "amount": random.lognormal(3.3, 0.6, rows).round(2),
            "items": random.poisson(2.5, rows).astype(float),
            WEIGHT: random.normal(2.0, 1.5, rows).round(3),
            "country": random.choice(COUNTRIES, rows, p=[0.5, 0.25, 0.15, 0.1]),
        }
    )


def drifted(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Dearer and heavier orders, from other countries."""
    frame = normal(rows, random)
    frame["amount"] = (frame["amount"] * 1.9 + 5).round(2)
    frame[WEIGHT] = frame[WEIGHT] + 1.5
    frame["country"] = random.choice(COUNTRIES, rows, p=[0.2, 0.25, 0.25, 0.3])
    return frame


def broken(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Nulls, infinities, values out of range and countries that training did not have."""
    frame = normal(rows, random)
    frame.loc[random.random(rows) < 0.3, "items"] = np.nan
    frame.loc[random.random(rows) < 0.1, WEIGHT] = 60.0
    frame.loc[random.random(rows) < 0.3, "country"] = "pl"
    frame.loc[random.random(rows) < 0.05, "country"] = None
    return frame


def probabilities(rows: pd.DataFrame) -> pd.DataFrame:
    """What the model says of each row, by class."""
    weight, amount = (rows[name].astype(float).fillna(0.0).to_numpy() for name in (WEIGHT, "amount"))
    scores = _CERTAINTY * np.stack([np.ones(len(rows)), amount / 30 - 1, weight / 3 - 1], axis=1)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return pd.DataFrame(exponents / exponents.sum(axis=1, keepdims=True), columns=CLASSES)


def transformed(rows: pd.DataFrame) -> pd.DataFrame:
    """What the model is given beside the request's own columns."""
    return pd.DataFrame({"log_amount": np.log1p(rows["amount"].astype(float))})


def outcomes(rows: pd.DataFrame, random: np.random.Generator, *, others: float = 0.0) -> list[str]:
    """What became of the orders. Of a share of `others` something that has nothing to do with what the model knows."""
    known = probabilities(rows).to_numpy()
    chances = (1 - others) * known + others / len(CLASSES)
    return [str(random.choice(CLASSES, p=row)) for row in chances]


def reference(path: Path) -> Reference:
    """Statistics of the training data, written to `path` too."""
    random = np.random.default_rng(1)
    training = normal(_TRAINED, random)
    made = Reference.from_frame(
        training,
        prediction=probabilities(training),
        label=pd.Series(outcomes(training, random), name="outcomes"),
        features=transformed(training),
        slices=["country"],
    )
    made.save(path)
    return made
