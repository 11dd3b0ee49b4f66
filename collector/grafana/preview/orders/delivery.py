"""Another service, which the first one calls: how many days a parcel takes, and, when it has come, how many it took."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import InvalidArgument

from bento_observe import Reference, observe, prediction_ids, record_labels

__all__ = ["Delivery", "parcels", "reference"]

_TRAINED: Final = 4000
_MOST_ON_THE_WAY: Final = 10_000


def parcels(rows: int, random: np.random.Generator, *, farther: float = 0.0) -> pd.DataFrame:
    """Parcels as in training, or to places that are `farther` away, in hundreds of kilometres."""
    return pd.DataFrame(
        {"distance": random.gamma(2.0, 1.5, rows) + farther, "volume": random.lognormal(2.0, 0.5, rows)}
    )


def _promised(rows: pd.DataFrame) -> pd.Series:
    return 1 + 0.6 * rows["distance"] + 0.02 * rows["volume"]


def _taken(rows: pd.DataFrame, random: np.random.Generator, late: float = 0.0) -> pd.Series:
    """The farther away, the less it is known when."""
    return _promised(rows) + late + random.normal(0, 0.2 + 0.15 * rows["distance"].to_numpy())


def reference(path: Path) -> Reference:
    """Statistics of the training data, with a model of how far off the promises are; written to `path` too."""
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(2)
    training, held_out = parcels(_TRAINED, random), parcels(_TRAINED, random)
    off = (_taken(training, random) - _promised(training)).abs()
    losses = DecisionTreeRegressor(max_leaf_nodes=16, min_samples_leaf=50, random_state=0).fit(training, off)
    made = Reference.from_frame(
        held_out,
        prediction=_promised(held_out).rename("days"),
        label=_taken(held_out, random).rename("taken"),
        loss_model=losses,
    )
    made.save(path)
    return made


@observe(reference=os.environ.get("DELIVERY_REFERENCE"))
@bentoml.service(workers=1, threads=4)
class Delivery:
    def __init__(self) -> None:
        self._random = np.random.default_rng(3)
        # Ids of promises and what was promised of which parcel, until it has come.
        self._on_the_way: deque[tuple[str, pd.DataFrame]] = deque(maxlen=_MOST_ON_THE_WAY)

    @bentoml.api
    def days(self, rows: pd.DataFrame) -> list[float]:
        if rows.empty:
            raise InvalidArgument("no parcels")
        promised = _promised(rows).tolist()
        for number, one in enumerate(prediction_ids(promised)):
            self._on_the_way.append((one, rows[number : number + 1]))
        return promised

    @bentoml.api
    def arrived(self, late: float) -> int:
        """All parcels that are on the way do, so many days late."""
        come = []
        with suppress(IndexError):  # another thread may have taken the last one
            while self._on_the_way:
                come.append(self._on_the_way.popleft())
        if come:
            taken = _taken(pd.concat([row for _, row in come]), self._random, late)
            record_labels([one for one, _ in come], taken.tolist())
        return len(come)
