"""A service that can end its own process."""

from __future__ import annotations

import os

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from switch import TIMEOUT, WORKERS, maybe_observe


async def _crash(request: Request) -> Response:
    os.abort()


@maybe_observe
@bentoml.asgi_app(Starlette(routes=[Route("/crash", _crash)]), path="/")
@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
class Crashing:
    @bentoml.api
    def fine(self) -> str:
        return "fine"
