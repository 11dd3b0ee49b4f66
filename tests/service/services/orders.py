"""A model server with nearly everything that a dashboard shows: classes with probabilities, text, a feature with an odd
name, slices, labels, vectors, batches, streams; requests that are slow, fail, are refused, or lose telemetry.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from typing import Final

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import InvalidArgument
from switch import WORKERS

from bento_observe import observe, record_features, record_labels

logger = logging.getLogger("orders")

CLASSES: Final = ("keep", "return", "refund")
ODD: Final = "we\"ird {näme} 100%\\ x'"
"""A column's name with all that means something in PromQL, in Lucene, in a regular expression or in a URL."""


def probabilities(rows: pd.DataFrame) -> pd.DataFrame:
    """What the model says of each row, by class."""
    odd = rows[ODD].fillna(0.0).to_numpy(float)
    scores = np.stack([np.zeros(len(rows)), rows["amount"].fillna(0.0).to_numpy(float) / 40 - 1, odd / 4], axis=1)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return pd.DataFrame(exponents / exponents.sum(axis=1, keepdims=True), columns=CLASSES)


def transformed(rows: pd.DataFrame) -> pd.DataFrame:
    """What the model is given."""
    return pd.DataFrame({"log_amount": np.log1p(rows["amount"].astype(float))})


@observe(reference=os.environ.get("TEST_REFERENCE"), slices=["country"])
@bentoml.service(workers=WORKERS, threads=4)
class Orders:
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
    def score(self, rows: np.ndarray) -> np.ndarray:
        return rows.sum(axis=1)

    @bentoml.api
    def feedback(self, outcomes: list[str]) -> int:
        record_labels(outcomes)
        return len(outcomes)

    @bentoml.api
    def misfit(self, outcomes: list[str]) -> int:
        """Labels with more names than columns: they are dropped, and that is counted."""
        record_labels([[outcome] for outcome in outcomes], names=["one", "two"])
        return len(outcomes)

    @bentoml.api
    def embed(self, vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    @bentoml.api
    def words(self, count: int) -> Generator[str, None, None]:
        for number in range(count):
            yield f"word {number} "
