"""A service that logs through `bentoml.monitor`, in all ways that there are, wrong ones included."""

from __future__ import annotations

import bentoml
import numpy as np
from switch import WORKERS, maybe_observe


@maybe_observe
@bentoml.service(workers=WORKERS)
class Monitored:
    @bentoml.api
    def decide(self, income: float, country: str) -> float:
        score = income / 1000
        with bentoml.monitor("loans") as mon:
            mon.log(income, name="income", role="feature", data_type="numerical")
            mon.log(country, name="country", role="feature", data_type="categorical")
            mon.log(score, name="score", role="prediction", data_type="numerical")
            mon.log(score > 2, name="repaid", role="target", data_type="categorical")
        return score

    @bentoml.api
    async def decide_many(self, incomes: list[float]) -> list[float]:
        values = np.array(incomes)
        with bentoml.monitor("loans") as mon:
            mon.log_batch(values, name="income", role="feature", data_type="numerical")
            mon.log_batch((str(len(incomes)) for _ in incomes), name="country", role="feature", data_type="categorical")
            values /= 1000  # what was logged is a copy
            mon.log_batch(values, name="score", role="prediction", data_type="numerical")
        return values.tolist()

    @bentoml.api
    def table(self, rows: list[list[float]]) -> int:
        schema = {"income": "feature", "score": {"role": "prediction", "type": "numerical"}}
        with bentoml.monitor("loans") as mon:
            mon.log_table(rows, schema)
        return len(rows)

    @bentoml.api
    def embed(self, vectors: list[list[float]]) -> int:
        with bentoml.monitor("texts") as mon:
            mon.log_batch(vectors, name="embedding", role="feature", data_type="numerical_sequence")
            mon.log_batch(set(range(len(vectors))), name="code", role="feature", data_type="categorical")
        return len(vectors)

    @bentoml.api
    def unequal(self, wide: int, narrow: int) -> int:
        with bentoml.monitor("unequal") as mon:
            mon.log_batch([1.0] * wide, name="wide", role="feature", data_type="numerical")
            mon.log_batch([1.0] * narrow, name="narrow", role="prediction", data_type="numerical")
        return wide

    @bentoml.api
    def wrong(self, how: str) -> str:
        with bentoml.monitor("wrong") as mon:
            if how == "raise":
                mon.log(1.0, name="x", role="feature", data_type="numerical")
                raise bentoml.exceptions.InvalidArgument("the handler fails within the block")
            if how == "nested":
                with bentoml.monitor("inner") as inner:
                    inner.log(1.0, name="x", role="feature", data_type="numerical")
            if how == "outside":
                pass
            if how == "batch":
                mon.log_batch(7, name="x", role="feature", data_type="numerical")
            if how == "role":
                mon.log(1.0, name="x", role="colour", data_type="numerical")
            if how == "odd":
                mon.log(object(), name=("a", 1), role="feature", data_type="numerical")
            mon.log(2.0, name="y", role="feature", data_type="numerical")
        if how == "outside":
            mon.log(1.0, name="x", role="feature", data_type="numerical")
        return how

    @bentoml.api
    def many(self, names: int) -> int:
        for number in range(names):
            with bentoml.monitor(f"monitor {number}") as mon:
                mon.log(1.0, name="x", role="feature", data_type="numerical")
        return names
