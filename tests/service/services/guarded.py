"""A service that lets in only who has its token, by middlewares of its own, and takes one request at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import bentoml
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from bento_observe import observe, record_labels

catch_all = FastAPI()


@catch_all.post("/{path:path}")
def caught(path: str) -> dict[str, str]:
    return {"caught": path}


class Guard:
    """Answers itself who has no token, and fails where it is told to."""

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if b"x-raise" in headers:
            raise RuntimeError("the guard fails")
        probe = scope["type"] == "http" and scope["path"].endswith("/readyz")
        if scope["type"] == "http" and not probe and headers.get(b"authorization") != self._token:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"who are you?"})
            return
        await self._app(scope, receive, send)


class Weigh(BaseHTTPMiddleware):
    """Reads the body before the application does."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        size = len(await request.body())
        response = await call_next(request)
        response.headers["x-weight"] = str(size)
        return response


@observe(labels=True)
@bentoml.service(path_prefix="/v1", traffic={"timeout": 2, "max_concurrency": 1})
@bentoml.asgi_app(catch_all, path="/")
class Guarded:
    @bentoml.api
    async def verdict(self, number: int) -> str:
        return "ab"[number % 2]

    @bentoml.api
    async def feedback(self, id: str, label: str) -> None:
        record_labels(id, label)

    @bentoml.api
    async def wait(self) -> str:
        await asyncio.Event().wait()
        return "never"


Guarded.add_asgi_middleware(Guard, token="the token")
Guarded.add_asgi_middleware(Weigh)
