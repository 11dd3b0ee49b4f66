"""A small network on a GPU, whose answers stay there until BentoML fetches them."""

from __future__ import annotations

import os
import time

import bentoml
import numpy as np
import torch

from bento_observe import observe, record_features


@observe
@bentoml.service(workers=int(os.environ.get("TEST_WORKERS", "1")))
class Network:
    def __init__(self) -> None:
        self._weights = torch.tensor([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0]], device="cuda")

    @bentoml.api
    def predict(self, rows: np.ndarray) -> torch.Tensor:
        inputs = torch.as_tensor(rows, dtype=torch.float32).to("cuda")
        record_features(inputs)
        return torch.softmax(inputs @ self._weights, dim=1)

    @bentoml.api
    def work(self, seconds: float) -> float:
        """Keeps the GPU busy, and some of its memory taken."""
        matrix = torch.randn(8192, 8192, device="cuda")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            matrix = torch.nn.functional.normalize(matrix @ matrix)
            torch.cuda.synchronize()
        return float(matrix.sum())
