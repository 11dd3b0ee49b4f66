"""One of every kind of API that BentoML has, with mounted applications; and the user's own telemetry."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Annotated, Any

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import BentoMLException, InvalidArgument, NotFound
from bentoml.validators import ContentType
from opentelemetry import metrics, trace
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from switch import TIMEOUT, WORKERS, maybe_observe

logger = logging.getLogger("shop.pricing")
tracer = trace.get_tracer("shop")
meter = metrics.get_meter("shop")
sold = meter.create_counter("shop.sold", unit="{item}")
price = meter.create_histogram("shop.price", unit="EUR")


class Item(BaseModel):
    """A pydantic model as an input and as an output."""

    name: str
    prices: list[float] = []


async def _item(request: Request) -> Response:
    return PlainTextResponse(f"item {request.path_params['number']}")


async def _broken(request: Request) -> Response:
    raise RuntimeError("a mounted application fails")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


mounted = Starlette(
    routes=[Route("/items/{number}", _item), Route("/broken", _broken), WebSocketRoute("/socket", _echo)]
)


@maybe_observe
@bentoml.asgi_app(mounted, path="/mounted")
@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
class Everything:
    def __init__(self) -> None:
        random.seed(42)

    @bentoml.api
    def plain(self, numbers: list[float]) -> float:
        return sum(numbers)

    @bentoml.api
    async def coroutine(self, text: str) -> str:
        return text[::-1]

    @bentoml.api
    def stream(self, count: int) -> Generator[str, None, None]:
        for number in range(count):
            yield f"{number};"

    @bentoml.api
    async def astream(self, count: int) -> AsyncGenerator[str, None]:
        for number in range(count):
            await asyncio.sleep(0)
            yield f"{number};"

    @bentoml.api
    async def endless(self) -> AsyncGenerator[str, None]:
        while True:
            await asyncio.sleep(0.01)
            yield "x" * 1024

    @bentoml.api
    def endless_sync(self) -> Generator[str, None, None]:
        while True:
            time.sleep(0.01)
            yield "x" * 1024

    @bentoml.api
    def broken_stream(self) -> Generator[str, None, None]:
        yield "so far so good;"
        raise RuntimeError("no further")

    @bentoml.task
    def job(self, text: str) -> str:
        return text.title()

    @bentoml.api(batchable=True)
    def batch(self, rows: np.ndarray) -> np.ndarray:
        return rows * 2

    @bentoml.api(batchable=True)
    async def abatch(self, rows: np.ndarray) -> np.ndarray:
        return rows + 1

    @bentoml.api
    def context(self, name: str, ctx: bentoml.Context) -> str:
        ctx.response.status_code = 201
        ctx.response.headers["x-asked"] = ctx.request.headers.get("x-ask", "nothing")
        ctx.response.set_cookie("flavour", "vanilla")
        return f"hello {name}"

    @bentoml.api
    def several(self, count: int, factor: float = 2.0, name: str = "none") -> dict[str, Any]:
        return {"product": count * factor, "name": name}

    @bentoml.api
    def model(self, item: Item) -> Item:
        return Item(name=item.name.upper(), prices=[2 * value for value in item.prices])

    @bentoml.api
    def frame(self, df: pd.DataFrame) -> pd.DataFrame:
        return df.assign(total=df.sum(axis=1))

    @bentoml.api
    def root(self, item: Item, /) -> list[float]:
        return item.prices

    @bentoml.api
    def file(self, name: str, ctx: bentoml.Context) -> Annotated[Path, ContentType("text/plain")]:
        path = Path(ctx.temp_dir) / "answer.txt"
        path.write_text(f"a file for {name}\n" * 1000)
        os.utime(path, (0, 0))  # the answer tells the time
        return path

    @bentoml.api
    def upload(self, document: Path, title: str) -> dict[str, Any]:
        return {"title": title, "bytes": document.stat().st_size}

    @bentoml.api
    def size(self, data: np.ndarray) -> int:
        return int(data.nbytes)

    @bentoml.api(route="/elsewhere/deep")
    def routed(self) -> str:
        return "routed"

    @bentoml.api
    def fails(self, how: str) -> str:
        errors: dict[str, Exception] = {
            "value": ValueError("a bad value"),
            "argument": InvalidArgument("an argument that is invalid"),
            "missing": NotFound("nothing here"),
            "bentoml": BentoMLException("bentoml's own"),
        }
        raise errors[how]

    @bentoml.api
    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @bentoml.api
    def nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "rested"

    @bentoml.api
    async def asks_itself(self, text: str) -> str:
        return f"{await self.coroutine(text)}{await self.coroutine.local(text)}"  # type: ignore[attr-defined]

    @bentoml.api
    def telemetry(self, number: int) -> str:
        """A span, an attribute on the current one, metrics, log lines on three loggers, an exception."""
        trace.get_current_span().set_attribute("shop.number", number)
        with tracer.start_as_current_span("look up price", attributes={"shop.item": number}) as span:
            span.add_event("found", {"where": "cache"})
            logger.info("price of %d looked up", number, extra={"item": number})
        sold.add(number)
        price.record(number * 1.5)
        logger.warning("stock is low")
        logging.getLogger("bentoml.shop").info("by bentoml's logger")
        logger.debug("too small to tell")
        try:
            raise KeyError("price")
        except KeyError:
            logger.exception("no price for %d", number)
        return "told"

    @bentoml.api
    def draw(self) -> int:
        random.seed(7)
        return random.randrange(1_000_000)

    @bentoml.api
    def modules(self) -> list[str]:
        return sorted(sys.modules)
