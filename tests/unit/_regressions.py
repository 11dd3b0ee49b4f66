"""A regression whose error depends on its inputs, for the tests of what is estimated of it without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from bento_observe import Reference, semconv
from bento_observe.features.reference import SignalReference

COLUMNS = ["size", "age"]


def homes(rows: int, seed: int, larger: float = 0.0) -> tuple[pd.DataFrame, Any, Any]:
    """Inputs, predictions and labels: the larger a home is, the less its price is known."""
    random = np.random.default_rng(seed)
    size = random.normal(larger, 1, rows)
    inputs = pd.DataFrame({"size": size, "age": random.integers(0, 90, rows)})
    said = 3 * size
    return inputs, said, said + random.normal(0, np.exp(size / 2))


def tree(leaves: int = 24, frame: bool = True) -> DecisionTreeRegressor:
    """What tells how far off the predictions are, from rows of its own."""
    inputs, said, labels = homes(4000, 100)
    model = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=40, random_state=0)
    return model.fit(inputs if frame else inputs.to_numpy(), np.abs(said - labels))


def reference(rows: int = 5000, seed: int = 1, model: Any = None) -> Reference:
    inputs, said, labels = homes(rows, seed)
    return Reference.from_frame(inputs, prediction=said, label=labels, loss_model=model or tree())


def inputs_of(made: Reference) -> SignalReference:
    return made.signals[semconv.SIGNAL_INPUT]
