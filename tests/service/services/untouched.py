"""A project that knows nothing of bento_observe: two services, clients of all sorts, a database."""

from __future__ import annotations

import os
import sqlite3

import aiohttp
import bentoml
import httpx

WORKERS = int(os.environ.get("TEST_WORKERS", "1"))
# Stock BentoML fails some concurrent calls to a dependency as soon as it renews its connection.
CONNECTION = {"max_requests": 10**9, "max_age": 1e9}


@bentoml.service(workers=WORKERS, runner_connection=CONNECTION)
class Scorer:
    @bentoml.api
    def score(self, income: float) -> float:
        return income / 1000


@bentoml.service(workers=WORKERS)
class Front:
    scorer = bentoml.depends(Scorer)

    @bentoml.api
    def decide(self, income: float) -> float:
        return self.scorer.score(income=income)

    @bentoml.api
    async def decide_async(self, income: float) -> float:
        return await self.scorer.to_async.score(income=income)

    @bentoml.api
    async def fetch(self, url: str) -> list[int]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            first = answer.status
        async with httpx.AsyncClient() as client:
            return [first, (await client.get(url)).status_code]

    @bentoml.api
    def query(self, number: int) -> int:
        connection = sqlite3.connect(":memory:")
        return int(connection.cursor().execute("select ? + 1", (number,)).fetchone()[0])
