"""Loans: raw inputs, features that a handler makes of them, probabilities out, feedback in; sliced by country."""

from __future__ import annotations

import os
from typing import Annotated

import bentoml
import numpy as np
import pandas as pd
from bentoml.validators import DataframeSchema
from pydantic import BaseModel

from bento_observe import observe, record_features, record_labels

FEATURES = ["log_income", "debt_ratio"]
Loans = Annotated[pd.DataFrame, DataframeSchema(orient="records")]


class Loan(BaseModel):
    income: float | None
    debt: float
    country: str | None = None


def transformed(loans: pd.DataFrame) -> np.ndarray:
    """log of the income and share of debt, rows x 2."""
    income = loans["income"].astype(float)
    return np.stack([np.log(income), loans["debt"] / income], axis=1)


def probabilities(features: np.ndarray) -> np.ndarray:
    """Of repaying and of defaulting, rows x 2."""
    default = 1 / (1 + np.exp(-(features[:, 1] - 1)))
    return np.stack([1 - default, default], axis=1)


@observe(reference=os.environ.get("TEST_REFERENCE") or None, slices=["country"], slice_values=2)
@bentoml.service(workers=int(os.environ.get("TEST_WORKERS", "1")))
class Lender:
    @bentoml.api
    def decide(self, loans: Loans) -> np.ndarray:
        features = transformed(loans)
        record_features(features, names=FEATURES)
        return probabilities(features)

    @bentoml.api
    async def decide_one(self, loan: Loan) -> list[float]:
        features = transformed(pd.DataFrame([loan.model_dump()]))
        record_features({name: float(value) for name, value in zip(FEATURES, features[0], strict=True)})
        return probabilities(features)[0].tolist()

    @bentoml.api
    def feedback(self, outcomes: list[str]) -> int:
        record_labels(outcomes)
        return len(outcomes)
