"""A legacy service without runners: every descriptor of `bentoml.io`, and what else such a service may have."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import Any

import bentoml
import numpy as np
import pandas as pd
from bentoml.exceptions import BentoMLException, InvalidArgument
from bentoml.io import JSON, File, Image, Multipart, NumpyNdarray, PandasDataFrame, PandasSeries, Text
from PIL import Image as Pictures
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from switch import maybe_observe


class Item(BaseModel):
    """A pydantic model."""

    name: str
    price: float = 1.0


async def _item(request: Request) -> Response:
    return PlainTextResponse(f"item {request.path_params['number']}")


svc = maybe_observe(bentoml.legacy.Service("legacy_io"))
svc.mount_asgi_app(Starlette(routes=[Route("/items/{number}", _item)]), path="/mounted")
shared = JSON()


@svc.on_startup
def prepare(context: bentoml.Context) -> None:
    context.state["greeting"] = "hello"


@svc.api(input=NumpyNdarray(dtype="float64", shape=(-1, 2), enforce_shape=True), output=NumpyNdarray())
def array(rows: np.ndarray) -> np.ndarray:
    return rows * 2


@svc.api(input=PandasDataFrame(columns=["a", "b"]), output=PandasDataFrame())
async def frame(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(total=rows.sum(axis=1))


@svc.api(input=PandasSeries(), output=PandasSeries())
def series(values: pd.Series) -> pd.Series:
    return values * 3


@svc.api(input=shared, output=shared)
def data(asked: Any) -> Any:
    return {"asked": asked}


@svc.api(input=JSON(pydantic_model=Item), output=JSON())
async def model(item: Item) -> dict[str, Any]:
    return {"name": item.name.upper(), "price": item.price}


@svc.api(input=Text(), output=Text())
def text(words: str) -> str:
    return words.upper()


@svc.api(input=Text(), output=Text())
def context(words: str, ctx: bentoml.Context) -> str:
    ctx.response.status_code = 201
    ctx.response.headers["x-asked"] = ctx.request.headers.get("x-ask", "nothing")
    return f"{ctx.state['greeting']} {words}"


@svc.api(input=File(), output=File())
def file(document: Any) -> bytes:
    return bytes(reversed(document.read()))


@svc.api(input=Image(), output=Image(mime_type="image/png"))
def image(picture: Pictures.Image) -> Pictures.Image:
    return picture.rotate(90)


@svc.api(input=Multipart(words=Text(), asked=JSON()), output=Multipart(words=Text(), asked=JSON()))
async def multipart(words: str, asked: Any, ctx: bentoml.Context) -> dict[str, Any]:
    ctx.response.headers["x-words"] = words
    return {"words": words.upper(), "asked": [asked]}


@svc.api(input=JSON(), output=Text(), route="/elsewhere/deep")
def routed(asked: Any) -> str:
    return "routed"


@svc.api(input=Text(), output=Text())
async def stream(words: str) -> Any:
    async def each() -> Any:
        for word in words.split():
            yield word + ";"

    return each()


@svc.api(input=Text(), output=Text())
def sync_stream(words: str) -> Generator[str, None, None]:
    for word in words.split():
        yield word + ";"


@svc.api(input=Text(), output=JSON())
def fails(how: str) -> Any:
    errors: dict[str, Exception] = {
        "value": ValueError("a bad value"),
        "argument": InvalidArgument("an argument that is invalid"),
        "bentoml": BentoMLException("bentoml's own"),
    }
    if how == "answer":
        return io.BytesIO()  # no JSON
    raise errors[how]
