"""A model of the store as a legacy runner, in each way that it can be served."""

from __future__ import annotations

import warnings

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import NotFound
from bentoml.io import NumpyNdarray, PandasDataFrame
from sklearn.linear_model import LinearRegression

from bento_observe import Reference, observe, observe_runner

warnings.simplefilter("ignore")


def _stored() -> bentoml.Model:
    """The model with its reference; the supervisor, which imports this first, makes it."""
    try:
        return bentoml.models.get("scores:latest")
    except NotFound:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(500, 2))
        made = bentoml.sklearn.save_model(
            "scores", LinearRegression().fit(rows, rows.sum(axis=1)), signatures={"predict": {"batchable": True}}
        )
        frame = pd.DataFrame(rows, columns=["width", "height"])
        Reference.from_frame(frame, prediction=pd.Series(rows.sum(axis=1), name="value")).save_with(made.tag)
        return made


def _runner(name: str, **kwargs: object) -> object:
    return bentoml.sklearn.get(_stored().tag).to_runner(name=name, **kwargs)


runner = _runner("scorer")
svc = observe(bentoml.legacy.Service("scores_api", runners=[runner]))


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
async def score(rows: np.ndarray) -> np.ndarray:
    return await runner.predict.async_run(rows)


checked = observe(bentoml.legacy.Service("checked_api"), reference=_stored().tag)


@checked.api(input=PandasDataFrame(columns=["width", "height"]), output=NumpyNdarray())
def sums(rows: pd.DataFrame) -> np.ndarray:
    return rows.sum(axis=1).to_numpy()


@checked.api(input=NumpyNdarray(shape=(-1, 5)), output=NumpyNdarray())
def others(rows: np.ndarray) -> np.ndarray:
    return rows.sum(axis=1)


local = observe_runner(_runner("local"))  # here, for within a worker BentoML cannot make one


@observe
@bentoml.service
class Migrated:
    def __init__(self) -> None:
        self.runner = local
        self.runner.init_local(quiet=True)

    @bentoml.api
    def score(self, rows: np.ndarray) -> np.ndarray:
        return self.runner.predict.run(rows)
