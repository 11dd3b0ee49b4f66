"""A service with two dependencies, one of which makes batches; and every way of calling them."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Generator
from typing import Any

import bentoml
import numpy as np
from bentoml.exceptions import InvalidArgument
from opentelemetry import trace
from switch import maybe_observe

logger = logging.getLogger("composed")
tracer = trace.get_tracer("composed")

# BentoML makes a new session every 100 requests, and closes the old one under those that still use it
# (bentoml/BentoML issues 4971 and 5540): some calls fail.
CONNECTION: Any = {"max_requests": 10**9, "max_age": 1e9}


@maybe_observe
@bentoml.service(runner_connection=CONNECTION, threads=4)
class Scaler:
    @bentoml.api
    def scale(self, number: float) -> float:
        logger.info("scaling %s", number)
        return 2 * number

    @bentoml.api
    async def ascale(self, number: float) -> float:
        return 2 * number

    @bentoml.api
    def weigh(self, number: float) -> float:
        return 3 * number

    @bentoml.api
    async def count(self, upto: int) -> AsyncGenerator[str, None]:
        for number in range(upto):
            yield f"{number};"

    @bentoml.api
    def count_sync(self, upto: int) -> Generator[str, None, None]:
        for number in range(upto):
            yield f"{number};"

    @bentoml.api
    async def refuse(self, how: str, ctx: bentoml.Context) -> str:
        if how == "value":
            raise ValueError("a failing dependency")
        if how == "argument":
            raise InvalidArgument("an argument that is refused")
        ctx.response.status_code = 202
        return how

    @bentoml.task
    def job(self, number: float) -> float:
        return 3 * number


@maybe_observe
@bentoml.service(runner_connection=CONNECTION, threads=4)
class Scorer:
    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=60_000)
    def score(self, rows: np.ndarray) -> np.ndarray:
        with tracer.start_as_current_span("look up"):
            return rows.sum(axis=1)


@maybe_observe
@bentoml.service(threads=32)
class Composed:
    scaler = bentoml.depends(Scaler)
    scorer = bentoml.depends(Scorer)
    elsewhere = bentoml.depends(Scaler, url=os.environ["TEST_ELSEWHERE"]) if "TEST_ELSEWHERE" in os.environ else None

    @bentoml.api
    def sync(self, number: float) -> float:
        return self.scaler.scale(number)

    @bentoml.api
    def weighed(self, number: float) -> float:
        return self.scaler.weigh(number)

    @bentoml.api
    async def by_async(self, number: float) -> float:
        return await self.scaler.to_async.scale(number)  # type: ignore[attr-defined, no-any-return]

    @bentoml.api
    async def coroutine(self, number: float) -> float:
        return await self.scaler.ascale(number)

    @bentoml.api
    def by_sync(self, number: float) -> float:
        return self.scaler.to_sync.ascale(number)  # type: ignore[attr-defined, no-any-return]

    @bentoml.api
    async def own_span(self, number: float) -> float:
        with tracer.start_as_current_span("own"):
            return await self.scaler.ascale(number)

    @bentoml.api
    async def astream(self, upto: int) -> AsyncGenerator[str, None]:
        async for item in self.scaler.count(upto):
            yield item

    @bentoml.api
    def stream(self, upto: int) -> Generator[str, None, None]:
        yield from self.scaler.count_sync(upto)

    @bentoml.api
    async def first_of(self, upto: int) -> str:
        items = self.scaler.count(upto)
        async for item in items:
            await items.aclose()
            return item
        return ""

    @bentoml.api
    async def refused(self, how: str) -> str:
        return await self.scaler.refuse(how)  # type: ignore[call-arg]

    @bentoml.api
    async def submits(self, url: str, number: float) -> str:
        # Of BentoML's clients this is the one whose submit works.
        async with bentoml.AsyncHTTPClient(url) as client:
            return str((await client.job.submit(number=number)).id)

    @bentoml.api
    def both(self, rows: np.ndarray) -> float:
        scores = self.scorer.score(rows)
        return self.scaler.scale(float(scores.sum()))

    @bentoml.api
    async def both_async(self, rows: np.ndarray) -> float:
        scores = await self.scorer.to_async.score(rows)  # type: ignore[attr-defined]
        return await self.scaler.ascale(float(scores.sum()))

    @bentoml.api
    async def asks_itself(self, number: float) -> float:
        return await self.coroutine(number)

    @bentoml.api
    def by_url(self, number: float) -> float:
        return self.elsewhere.scale(number)  # type: ignore[union-attr]

    @bentoml.api
    def http_client(self, url: str, number: float) -> float:
        with bentoml.SyncHTTPClient(url) as client:
            return client.scale(number=number)  # type: ignore[attr-defined, no-any-return]

    @bentoml.api
    async def http_client_async(self, url: str, number: float) -> str:
        async with bentoml.AsyncHTTPClient(url) as client:
            scaled = await client.scale(number=number)
            return f"{scaled};{''.join([item async for item in client.count(upto=3)])}"

    @bentoml.api
    async def unreachable(self, url: str) -> str:
        async with bentoml.AsyncHTTPClient(url) as client:
            client.client.base_url = "http://127.0.0.1:9"
            return str(await client.ascale(number=1.0))
