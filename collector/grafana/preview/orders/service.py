"""The service: `bentoml serve collector.grafana.preview.orders.service:Orders`.

Classes with probabilities, text, slices, transformed features, labels with ids and without, outcomes, vectors, batches,
streams, calls of another service; requests that are slow, fail, are refused, or lose telemetry.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from typing import Annotated

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import InvalidArgument
from bentoml.validators import Shape
from pydantic import BaseModel

from bento_observe import observe, record_features, record_labels, record_outcomes
from collector.grafana.preview.orders.data import DIMENSIONS, probabilities, transformed
from collector.grafana.preview.orders.delivery import Delivery, parcels

logger = logging.getLogger("orders")


class Outcomes(BaseModel):
    """What was said of some orders, by class, and what became of them."""

    said: list[list[float]]
    outcomes: list[str]


@observe(reference=os.environ.get("ORDERS_REFERENCE"), slices=["country"], labels=True)
@bentoml.service(workers=int(os.environ.get("ORDERS_WORKERS", "1")), threads=4)
class Orders:
    delivery = bentoml.depends(Delivery)

    def __init__(self) -> None:
        self._random = np.random.default_rng()

    @bentoml.api
    def classify(self, rows: pd.DataFrame) -> np.ndarray:
        record_features(transformed(rows))
        logger.info("classified %d rows", len(rows))
        return probabilities(rows).to_numpy()

    @bentoml.api
    def slow(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @bentoml.api
    def fail(self, text: str) -> str:
        raise RuntimeError(f"no answer to {text!r}")

    @bentoml.api
    def refuse(self, text: str) -> str:
        raise InvalidArgument(f"not {text!r}")

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=2000)
    def words_in(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    @bentoml.api
    def feedback(self, told: Outcomes) -> int:
        record_labels(told.outcomes)
        record_outcomes(told.said, told.outcomes)
        return len(told.outcomes)

    @bentoml.api
    def misfit(self, outcomes: list[str]) -> int:
        """Labels that cannot be counted: they are dropped, or the call is an error; both are told of."""
        record_labels([[outcome] for outcome in outcomes], names=["one", "two"])
        record_labels(outcomes, names=7)  # type: ignore[arg-type]
        return len(outcomes)

    @bentoml.api
    def promise(self, count: int, farther: float) -> list[float]:
        """When so many parcels will come; none are refused by the other service."""
        return self.delivery.days(parcels(count, self._random, farther=farther))

    @bentoml.api
    def arrive(self, late: float) -> int:
        return self.delivery.arrived(late)

    @bentoml.api
    def embed(self, vectors: Annotated[np.ndarray, Shape((-1, DIMENSIONS))]) -> list[float]:
        lengths: list[float] = np.linalg.norm(vectors, axis=1).tolist()
        return lengths

    @bentoml.api
    def words(self, count: int) -> Generator[str, None, None]:
        for number in range(count):
            yield f"word {number} "
