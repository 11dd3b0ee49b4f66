# mypy: disable-error-code="untyped-decorator"
"""A service that asks another one, which is a process of its own."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np

from _serving import model
from _serving.switch import watched

# BentoML makes a new session every 100 requests and closes the old one under the requests that still use it, so that
# 2 or 3 of 100 fail (bentoml/BentoML issues 4971 and 5540); so it keeps its session here.
_CONNECTION: Any = {"max_requests": 10**9, "max_age": 1e9}


@watched
@bentoml.service(name="inner", workers=1, runner_connection=_CONNECTION)
class Inner:
    """Serves the linear model."""

    @bentoml.api
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores of shape (n,), float64, for features of shape (n, 30), float64."""
        return model.score(features)


@watched
@bentoml.service(name="outer", workers=1)
class Service:
    """Has it served."""

    inner = bentoml.depends(Inner)

    @bentoml.api
    async def predict(self, features: np.ndarray) -> np.ndarray:
        """The other service's answer."""
        scores: np.ndarray = await self.inner.to_async.predict(features)
        return scores

    @bentoml.api
    def predict_in_thread(self, features: np.ndarray) -> np.ndarray:
        """The same from a handler that is not asynchronous."""
        scores: np.ndarray = self.inner.predict(features)
        return scores
