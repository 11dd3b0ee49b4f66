"""What is mounted into the service `descriptors`: FastAPI, Starlette, WSGI; and a middleware of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

fast = FastAPI()


class Order(BaseModel):
    item: str
    count: int = 1


@fast.get("/items/{item_id}")
def read_item(item_id: int, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "q": q}


@fast.post("/orders", status_code=201)
async def make_order(order: Order) -> Order:
    return order


@fast.get("/refuse")
def refuse() -> None:
    raise HTTPException(418, "short and stout", headers={"x-why": "tea"})


@fast.get("/crash")
def crash() -> None:
    raise ZeroDivisionError("mounted")


async def _home(request: Request) -> Response:
    return PlainTextResponse(f"home of {request.path_params.get('user', 'nobody')}")


async def _stream(_: Request) -> Response:
    return StreamingResponse((f"{number}\n" for number in range(5)), media_type="text/plain")


star = Starlette(
    routes=[
        Route("/users/{user}", _home),
        Route("/stream", _stream),
        Mount("/nested", routes=[Route("/users/{user:int}", _home, methods=["GET", "PUT"])]),
        Mount("/files", StaticFiles(directory=Path(__file__).parent)),
    ]
)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application of one line."""
    if environ["PATH_INFO"].endswith("/missing"):
        start_response("404 Not Found", [("content-type", "text/plain")])
        return [b"nothing"]
    start_response("200 OK", [("content-type", "text/plain"), ("x-wsgi", "1")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["PATH_INFO"].encode()]


class Tagging:
    """Adds a header to every answer."""

    def __init__(self, app: Any, tag: str) -> None:
        self.app, self.tag = app, tag

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def tagged(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-tag", self.tag.encode())]
            await send(message)

        await self.app(scope, receive, tagged)
