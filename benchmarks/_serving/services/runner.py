# mypy: disable-error-code="untyped-decorator, misc"
"""A service of BentoML before 1.2 with a runner, which is a process of its own."""

from __future__ import annotations

import bentoml
import numpy as np
from bentoml.io import NumpyNdarray

from _serving import model
from _serving.switch import watched


class Scorer(bentoml.legacy.Runnable):
    """Runs the linear model."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True  # one process

    @bentoml.legacy.Runnable.method
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores of shape (n,), float64, for features of shape (n, 30), float64."""
        return model.score(features)


_runner = bentoml.legacy.Runner(Scorer, name="scorer")
service = watched(bentoml.legacy.Service("legacy", runners=[_runner]))


@service.api(input=NumpyNdarray(), output=NumpyNdarray())
async def predict(features: np.ndarray) -> np.ndarray:
    """The runner's answer."""
    scores: np.ndarray = await _runner.predict.async_run(features)
    return scores
