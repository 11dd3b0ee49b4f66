"""Predictions of several kinds whose labels come later: classes with a confidence, values, batches, ids by hand."""

from __future__ import annotations

import bentoml
import numpy as np
from pydantic import BaseModel
from switch import WORKERS

from bento_observe import observe, prediction_ids, record_labels


class Verdict(BaseModel):
    label: str
    confidence: float


class Case(BaseModel):
    number: float
    country: str = "DE"


@observe(labels=True, slices=["country"])
@bentoml.service(workers=WORKERS, threads=4)
class Labelled:
    @bentoml.api
    async def verdict(self, case: Case) -> Verdict:
        return Verdict(label="abc"[int(case.number) % 3], confidence=0.5 + (case.number % 7) / 14)

    @bentoml.api
    async def fraud(self, numbers: np.ndarray) -> np.ndarray:
        """Probabilities of two classes."""
        scores = (numbers % 101) / 100
        return np.stack([1 - scores, scores], axis=1)

    @bentoml.api
    def price(self, number: float) -> float:
        return number * 2

    @bentoml.api(batchable=True, max_batch_size=16)
    def batched(self, numbers: np.ndarray) -> np.ndarray:
        return numbers.astype(int) % 2

    @bentoml.api
    def by_hand(self, numbers: np.ndarray) -> dict:
        classes = numbers.astype(int) % 2
        return {"classes": classes.tolist(), "ids": prediction_ids(classes, np.full(len(classes), 0.75))}

    @bentoml.api
    def explain(self, number: float) -> str:
        return f"The number is {number}, which is what was asked for; nothing else is known about it."

    @bentoml.api
    def nothing(self, text: str) -> None:
        return None

    @bentoml.api
    def feedback(self, ids: list[str], labels: list[str]) -> int:
        record_labels(ids, labels)
        return len(ids)

    @bentoml.api
    def nested(self, number: float) -> float:
        return self.price(number) + 1
