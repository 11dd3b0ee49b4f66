"""A legacy project that knows nothing of bento_observe: a service and its runner, which ask others, too."""

from __future__ import annotations

import sqlite3

import aiohttp
import bentoml
from bentoml.io import JSON


def add_one(number: int) -> int:
    connection = sqlite3.connect(":memory:")
    return int(connection.cursor().execute("select ? + 1", (number,)).fetchone()[0])


class Adder(bentoml.legacy.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.legacy.Runnable.method
    def add(self, number: int) -> int:
        return add_one(number)


runner = bentoml.legacy.Runner(Adder, name="adder")
svc = bentoml.legacy.Service("untouched_legacy", runners=[runner])


@svc.api(input=JSON(), output=JSON())
async def add(number: int) -> int:
    return await runner.add.async_run(add_one(number))  # type: ignore[no-any-return]


@svc.api(input=JSON(), output=JSON())
async def fetch(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
