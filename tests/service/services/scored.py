"""A classifier of two classes that answers the second one's probability alone, one row at a time or many."""

from __future__ import annotations

import os

import bentoml
import numpy as np

from bento_observe import observe


@observe(reference=os.environ.get("TEST_REFERENCE") or None, labels=True)
@bentoml.service
class Scored:
    @bentoml.api
    def risk(self, x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    @bentoml.api
    def risks(self, rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-rows[:, 0]))
