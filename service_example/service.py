"""The service: `bentoml serve service_example.service:WineCultivar`, after `python -m service_example.train`."""

from __future__ import annotations

import logging
from typing import Annotated

import bentoml
import joblib
import numpy as np
import pandas as pd
from bentoml.models import BentoModel
from bentoml.validators import DataframeSchema
from pydantic import AfterValidator, BaseModel, NonNegativeFloat

from bento_observe import observe
from service_example.wine import FEATURES, MODEL, PIPELINE_FILE

logger = logging.getLogger("wine")


def _in_order(samples: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model knows, in its order, as float64; `null` becomes NaN."""
    missing = [name for name in FEATURES if name not in samples.columns]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    return samples[list(FEATURES)].astype(np.float64)


Samples = Annotated[pd.DataFrame, DataframeSchema(orient="records"), AfterValidator(_in_order)]


class Wine(BaseModel):
    """What the laboratory measured in one wine."""

    alcohol: NonNegativeFloat
    malic_acid: NonNegativeFloat
    ash: NonNegativeFloat
    alcalinity_of_ash: NonNegativeFloat
    magnesium: NonNegativeFloat
    total_phenols: NonNegativeFloat
    flavanoids: NonNegativeFloat
    nonflavanoid_phenols: NonNegativeFloat
    proanthocyanins: NonNegativeFloat
    color_intensity: NonNegativeFloat
    hue: NonNegativeFloat
    od280_od315: NonNegativeFloat
    proline: NonNegativeFloat


class Verdict(BaseModel):
    """The most likely cultivar and how likely it is."""

    cultivar: int
    probability: float


@observe(labels=True)
@bentoml.service(workers=2)
class WineCultivar:
    """Tells the cultivar of a wine from its chemistry."""

    model = BentoModel(f"{MODEL}:latest")

    def __init__(self) -> None:
        self._pipeline = joblib.load(self.model.path_of(PIPELINE_FILE))

    @bentoml.api
    def classify(self, samples: Samples) -> np.ndarray:
        """How likely each cultivar is for each sample: rows of the 13 features in, rows of 3 probabilities out."""
        probabilities = self._pipeline.predict_proba(samples)
        logger.info("classified %d samples", len(samples))
        return probabilities

    @bentoml.api
    def classify_one(self, wine: Wine) -> Verdict:
        """The cultivar of one wine, with its probability."""
        probabilities = self._pipeline.predict_proba(pd.DataFrame([wine.model_dump()]))[0]
        cultivar = int(np.argmax(probabilities))
        logger.info("classified one wine")
        return Verdict(cultivar=cultivar, probability=float(probabilities[cultivar]))
