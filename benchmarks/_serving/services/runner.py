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

    @bentoml.legacy.Runnable.method(batchable=True)
    def predict_batch(self, features: np.ndarray) -> np.ndarray:
        """The same for several calls at once."""
        return model.score(features)


# The latency is one that no benchmark reaches: BentoML refuses calls that would wait for longer.
_runner = bentoml.legacy.Runner(Scorer, name="scorer", max_batch_size=32, max_latency_ms=60_000)
service = watched(bentoml.legacy.Service("legacy", runners=[_runner]))


@service.api(input=NumpyNdarray(), output=NumpyNdarray())
async def predict(features: np.ndarray) -> np.ndarray:
    """The runner's answer."""
    scores: np.ndarray = await _runner.predict.async_run(features)
    return scores


@service.api(input=NumpyNdarray(), output=NumpyNdarray())
async def predict_batch(features: np.ndarray) -> np.ndarray:
    """The answer of the runner, which makes batches of calls."""
    scores: np.ndarray = await _runner.predict_batch.async_run(features)
    return scores
