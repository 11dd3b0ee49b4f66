"""A service with a short time-out that takes two requests at a time, with threads for both."""

from __future__ import annotations

import asyncio
import time

import bentoml
from switch import maybe_observe


@maybe_observe
@bentoml.service(traffic={"timeout": 0.5, "max_concurrency": 2}, threads=2)
class Limited:
    @bentoml.api
    async def wait(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @bentoml.api
    def block(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"
