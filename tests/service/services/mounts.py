"""Mounted applications, instrumented in all the ways there are, with spans of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import bentoml
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from fastapi import APIRouter, FastAPI, WebSocket
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from switch import WORKERS, maybe_observe

tracer = trace.get_tracer("mounts")
looked_up = metrics.get_meter("mounts").create_counter("mounts.looked_up")


def _own(where: str) -> None:
    with tracer.start_as_current_span(f"inside {where}"):
        looked_up.add(1, {"where": where})


plain = FastAPI()
router = APIRouter(prefix="/shelves/{shelf}")


@router.get("/items/{item}")
async def routed(shelf: str, item: int) -> dict[str, Any]:
    _own("plain")
    return {"shelf": shelf, "item": item}


@plain.get("/broken")
def broken() -> None:
    raise ValueError("a mounted application fails")


@plain.get("/refused")
def refused() -> Response:
    return PlainTextResponse("busy", 503)


plain.include_router(router)

instrumented = FastAPI()


@instrumented.get("/items/{item}")
def item(item: int) -> dict[str, int]:
    _own("instrumented")
    return {"item": item}


@instrumented.websocket("/talk/{room}")
async def talk(socket: WebSocket, room: str) -> None:
    await socket.accept()
    await socket.send_text(room)
    await socket.close()


FastAPIInstrumentor.instrument_app(instrumented)


async def _tenant(request: Request) -> Response:
    _own("starlette")
    return PlainTextResponse(request.path_params["tenant"])


starlette = Starlette(
    routes=[Mount("/tenants/{tenant}", routes=[Route("/reports/{report:int}", _tenant), Mount("/inner", app=plain)])]
)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    _own("wsgi")
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


@maybe_observe
@bentoml.asgi_app(plain, path="/plain")
@bentoml.asgi_app(instrumented, path="/v2")
@bentoml.asgi_app(starlette, path="/star")
@bentoml.asgi_app(WSGIMiddleware(ASGIMiddleware(starlette)), path="/through")
@bentoml.service(workers=WORKERS)
class Mounts:
    @bentoml.api
    async def api(self, number: int) -> int:
        _own("api")
        return number


Mounts.mount_wsgi_app(wsgi, path="/wsgi")
