"""A model server with a reference, whose answers tell which worker gave them."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import pandas as pd
from switch import TIMEOUT, WORKERS

from bento_observe import observe


@observe(reference=os.environ["TEST_REFERENCE"], slices=["country"])
@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
class Drifting:
    @bentoml.api
    def predict(self, rows: pd.DataFrame, context: bentoml.Context) -> np.ndarray:
        context.response.headers["x-worker"] = str(os.getpid())
        return np.tanh(rows["amount"].to_numpy(float))
