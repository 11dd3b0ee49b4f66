# mypy: disable-error-code="untyped-decorator"
"""One row a request; BentoML makes batches of them, of 32 at most."""

from __future__ import annotations

import bentoml
import numpy as np

from _serving import model
from _serving.switch import watched


@watched
@bentoml.service(name="batches", workers=1)
class Service:
    """Serves the linear model."""

    # The latency is one that no benchmark reaches: BentoML refuses requests that would wait for longer.
    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scores of shape (n,), float64, for features of shape (n, 30), float64, of n requests."""
        return model.score(features)
