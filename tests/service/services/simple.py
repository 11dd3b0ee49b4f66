"""A small model server: four numbers a row in, one out; and a handler that fails."""

from __future__ import annotations

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from switch import TIMEOUT, WORKERS, maybe_observe

Rows = Annotated[np.ndarray, DType("float64"), Shape((-1, 4))]


@maybe_observe
@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
class Simple:
    @bentoml.api
    def predict(self, rows: Rows) -> np.ndarray:
        return rows.sum(axis=1)

    @bentoml.api
    async def fail(self, rows: Rows) -> np.ndarray:
        raise RuntimeError("this handler always fails")
