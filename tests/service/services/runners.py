"""A legacy service: runners in processes of their own, embedded ones, batches, streams, several ways to call them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Generator
from typing import Any

import bentoml
import numpy as np
from bentoml.exceptions import InvalidArgument
from bentoml.io import JSON, NumpyNdarray, Text
from opentelemetry import trace
from switch import maybe_observe, maybe_observe_runner

logger = logging.getLogger("legacy.shop")
tracer = trace.get_tracer("legacy")


class Model(bentoml.legacy.Runnable):
    """Rows in, a number a row out."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def score(self, rows: np.ndarray) -> np.ndarray:
        logger.info("scoring %d", len(rows))
        with tracer.start_as_current_span("look up"):
            return rows.sum(axis=1)

    @bentoml.legacy.Runnable.method(batchable=True, batch_dim=0)
    def batched(self, rows: np.ndarray) -> np.ndarray:
        logger.info("a batch of %d", len(rows))
        return rows.sum(axis=1)

    @bentoml.legacy.Runnable.method
    def weighted(self, rows: np.ndarray, weight: float) -> np.ndarray:
        return rows.sum(axis=1) * weight

    @bentoml.legacy.Runnable.method
    def fails(self, rows: np.ndarray) -> np.ndarray:
        # Of any other exception BentoML leaves the caller waiting until it times out.
        raise InvalidArgument("this runner always fails")

    @bentoml.legacy.Runnable.method
    def words(self, text: str) -> Generator[str, None, None]:
        for word in text.split():
            yield word + ";"

    @bentoml.legacy.Runnable.method
    async def endless(self, text: str) -> AsyncGenerator[str, None]:
        while True:
            await asyncio.sleep(0.01)
            yield text * 100

    @bentoml.legacy.Runnable.method
    async def awords(self, text: str) -> AsyncGenerator[str, None]:
        for word in text.split():
            await asyncio.sleep(0)
            yield word + ";"


remote = maybe_observe_runner(bentoml.legacy.Runner(Model, name="remote", max_batch_size=8, max_latency_ms=10_000))
embedded = maybe_observe_runner(bentoml.legacy.Runner(Model, name="inside", embedded=True))
svc = bentoml.legacy.Service("legacy_shop", runners=[remote, embedded])
if os.environ.get("TEST_SERVICE_OBSERVED") != "0":
    svc = maybe_observe(svc)


@svc.api(input=NumpyNdarray(dtype="float64", shape=(-1, 4)), output=NumpyNdarray())
async def predict(rows: np.ndarray) -> np.ndarray:
    logger.info("asked for %d", len(rows))
    return await remote.score.async_run(rows)


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
def predict_sync(rows: np.ndarray) -> np.ndarray:
    return remote.score.run(rows)


@svc.api(input=NumpyNdarray(dtype="float64", shape=(-1, 4)), output=NumpyNdarray())
async def batch(rows: np.ndarray) -> np.ndarray:
    return await remote.batched.async_run(rows)


@svc.api(input=JSON(), output=JSON())
async def both(asked: dict[str, Any]) -> dict[str, Any]:
    rows = np.array(asked["rows"], dtype=float)
    one, two = await asyncio.gather(remote.score.async_run(rows), remote.weighted.async_run(rows, weight=2.0))
    return {"one": one.tolist(), "two": two.tolist()}


@svc.api(input=JSON(), output=JSON())
async def verdict(asked: dict[str, Any]) -> dict[str, Any]:
    total = await remote.score.async_run(np.array(asked["rows"], dtype=float))
    return {"label": "high" if total[0] > 10 else "low", "confidence": 0.75}


@svc.api(input=JSON(), output=Text())
def feedback(asked: dict[str, Any]) -> str:
    from bento_observe import record_labels

    record_labels(asked["ids"], asked["labels"])
    return "thanks"


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
async def near(rows: np.ndarray) -> np.ndarray:
    return await embedded.score.async_run(rows)


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
def near_sync(rows: np.ndarray) -> np.ndarray:
    return embedded.score.run(rows)


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
async def broken(rows: np.ndarray) -> np.ndarray:
    return await remote.fails.async_run(rows)


@svc.api(input=Text(), output=Text())
async def stream(text: str) -> AsyncGenerator[str, None]:
    return remote.words.async_stream(text)


@svc.api(input=Text(), output=Text())
async def astream(text: str) -> AsyncGenerator[str, None]:
    async for word in remote.awords.async_stream(text):
        yield word


@svc.api(input=Text(), output=Text())
async def endless(text: str) -> AsyncGenerator[str, None]:
    return remote.endless.async_stream(text)


@svc.api(input=Text(), output=Text())
async def near_stream(text: str) -> AsyncGenerator[str, None]:
    return embedded.words.async_stream(text)
