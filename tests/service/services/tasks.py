"""Tasks that succeed, fail and take their time."""

from __future__ import annotations

import os
import time

import bentoml
from bentoml.exceptions import InvalidArgument
from switch import WORKERS, maybe_observe


@maybe_observe
@bentoml.service(workers=WORKERS, threads=4)
class Tasks:
    @bentoml.task
    def job(self, text: str) -> str:
        return text.title()

    @bentoml.task
    async def fails(self, how: str, ctx: bentoml.Context) -> str:
        if how == "argument":
            raise InvalidArgument("no")
        if how == "status":
            ctx.response.status_code = 503
            return "busy"
        raise ValueError("no")

    @bentoml.task
    def naps(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @bentoml.task
    def headers(self, text: str, ctx: bentoml.Context) -> list[str]:
        return sorted(ctx.request.headers)

    @bentoml.api
    def who(self) -> int:
        return os.getpid()
