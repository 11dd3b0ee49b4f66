"""Every input and output descriptor and option of BentoML 1.4 in one service, under a path prefix and with CORS."""

from __future__ import annotations

import datetime
import enum
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import bentoml
import numpy as np
import numpy.typing as npt
import pandas as pd
from annotated_types import Ge, Le, MinLen
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from bentoml.validators import ContentType, DataframeSchema, DType, Shape
from descriptors_mounted import Tagging, fast, star, wsgi
from PIL import Image
from pydantic import BaseModel, Field, field_validator
from starlette.responses import JSONResponse, StreamingResponse
from switch import maybe_observe

PNG = ContentType("image/png")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """A plain model with a validator."""

    x: float
    y: float = 0.0

    @field_validator("x")
    @classmethod
    def positive(cls, value: float) -> float:
        if value < 0:
            raise ValueError("x is negative")
        return value


class Shape2(BaseModel):
    """A nested one, with an alias."""

    name: str = Field(alias="label", min_length=2)
    points: list[Point]
    colour: Colour = Colour.RED


class Tensors(bentoml.IODescriptor):
    """BentoML's own base class."""

    data: Annotated[np.ndarray, DType("float32"), Shape((2, 2))]
    name: str = "none"


class Refused(BentoMLException):
    """An exception of the user's with a status of its own."""

    error_code = HTTPStatus.CONFLICT


class Teapot(BentoMLException):
    error_code = HTTPStatus.IM_A_TEAPOT


@maybe_observe
@bentoml.asgi_app(fast, path="/fast", name="fast")
@bentoml.asgi_app(star, path="/star")
@bentoml.service(
    path_prefix="/v1",
    threads=4,
    traffic={"timeout": 30},
    http={"cors": {"enabled": True, "access_control_allow_origins": ["https://shop.example"]}},
)
class Descriptors:
    # -- scalars and constraints

    @bentoml.api
    def scalars(
        self,
        a: int,
        b: float = 1.5,
        c: bool = False,
        d: Optional[str] = None,  # noqa: UP045 - BentoML reads both spellings
        e: Literal["x", "y"] = "x",
        f: Colour = Colour.BLUE,
    ) -> dict[str, Any]:
        return {"a": a, "b": b, "c": c, "d": d, "e": e, "f": f.value}

    @bentoml.api
    def times(self, when: datetime.datetime, ident: uuid.UUID, price: Decimal) -> list[str]:
        return [when.isoformat(), str(ident), str(price)]

    @bentoml.api
    def constrained(
        self,
        count: Annotated[int, Ge(0), Le(10)],
        names: Annotated[list[str], MinLen(1)],
        ratio: float = Field(default=0.5, gt=0, lt=1, description="between 0 and 1"),
        tags: list[str] = Field(default_factory=lambda: ["none"]),  # noqa: B008
    ) -> list[Any]:
        return [count, names, ratio, tags]

    @bentoml.api
    def shout(self, text: str, /) -> str:
        return text.upper()

    @bentoml.api
    def raw(self, data: bytes, /) -> bytes:
        return data[::-1]

    @bentoml.api
    def nothing(self) -> None:
        return None

    @bentoml.api
    def untyped(self, value, other=3):  # type: ignore[no-untyped-def]
        return {"value": value, "other": other}

    @bentoml.api
    def several_words(self, *words: str) -> str:
        return repr(words)

    @bentoml.api
    def anything(self, **fields: Any) -> dict[str, Any]:
        return fields

    # -- arrays and frames

    @bentoml.api
    def array(self, values: np.ndarray) -> np.ndarray:
        return values * 2

    @bentoml.api
    def typed_array(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return values / 2

    @bentoml.api
    def shaped(self, values: Annotated[np.ndarray, DType("float32"), Shape((2, 3))]) -> list[int]:
        return list(values.shape)

    @bentoml.api
    def root_array(self, values: np.ndarray, /) -> np.ndarray:
        return values.sum(axis=0)

    @bentoml.api
    def arrays(self, parts: list[np.ndarray], named: dict[str, np.ndarray]) -> dict[str, float]:
        return {"parts": float(sum(part.sum() for part in parts)), **{k: float(v.sum()) for k, v in named.items()}}

    @bentoml.api
    def frame(self, df: pd.DataFrame) -> pd.DataFrame:
        return df.assign(total=df.sum(axis=1, numeric_only=True))

    @bentoml.api
    def columns(
        self, df: Annotated[pd.DataFrame, DataframeSchema(orient="columns", columns=("a", "b"))]
    ) -> Annotated[pd.DataFrame, DataframeSchema(orient="columns")]:
        return df * 2

    @bentoml.api
    def root_frame(self, df: pd.DataFrame, /) -> int:
        return len(df)

    # -- models

    @bentoml.api
    def model(self, point: Point) -> Point:
        return Point(x=point.y, y=point.x)

    @bentoml.api
    def root_model(self, shape: Shape2, /) -> Shape2:
        return shape

    @bentoml.api
    def models(self, points: list[Point]) -> list[Point]:
        return points[::-1]

    @bentoml.api
    def tensors(self, tensors: Tensors, /) -> Tensors:
        return Tensors(data=tensors.data + 1, name=tensors.name)

    @bentoml.api(input_spec=Point, output_spec=Point)
    def specified(self, **point: Any) -> Any:
        return Point(**point)

    # -- files and images

    @bentoml.api
    def picture(self, image: Image.Image) -> dict[str, Any]:
        return {"size": image.size, "format": image.format}

    @bentoml.api
    def root_picture(self, image: Image.Image, /) -> Image.Image:
        return image.rotate(90)

    @bentoml.api
    def pictures(self, images: list[Image.Image], title: str = "none") -> list[Any]:
        return [title, *(image.size for image in images)]

    @bentoml.api
    def png(self, side: int) -> Annotated[Image.Image, PNG]:
        return Image.new("RGB", (side, side), "red")

    @bentoml.api
    def document(self, file: Path, title: str, number: int = 1) -> dict[str, Any]:
        return {"bytes": file.stat().st_size, "title": title, "number": number, "suffix": file.suffix}

    @bentoml.api
    def documents(self, files: list[Path]) -> list[int]:
        return [file.stat().st_size for file in files]

    @bentoml.api
    def root_document(self, file: Path, /) -> int:
        return file.stat().st_size

    @bentoml.api
    def audio(self, file: Annotated[Path, ContentType("audio/mpeg")]) -> int:
        return file.stat().st_size

    @bentoml.api
    def gives_file(self, name: str, ctx: bentoml.Context) -> Path:
        path = Path(ctx.temp_dir) / name
        path.write_bytes(b"0123456789" * 100)
        os.utime(path, (0, 0))  # the answer tells the time
        return path

    # -- media types and responses

    @bentoml.api
    def html(self) -> Annotated[str, ContentType("text/html")]:
        return "<p>hello</p>"

    @bentoml.api
    def pdf(self) -> Annotated[bytes, ContentType("application/pdf")]:
        return b"%PDF-nothing"

    @bentoml.api
    def response(self, code: int) -> Any:
        return JSONResponse({"code": code}, status_code=code, headers={"x-own": "yes"})

    @bentoml.api
    def streaming_response(self) -> Any:
        return StreamingResponse(iter(["a", "b"]), media_type="text/plain")

    @bentoml.api
    def context(self, name: str, ctx: bentoml.Context) -> str:
        ctx.response.status_code = 202
        ctx.response.headers["x-query"] = ctx.request.query_params.get("q", "none")
        ctx.response.headers["x-cookie"] = ctx.request.cookies.get("flavour", "none")
        ctx.response.headers["x-headers"] = ",".join(sorted(ctx.request.headers))
        ctx.response.set_cookie("flavour", "vanilla", max_age=60, secure=True)
        ctx.response.set_cookie("other", "b")
        return f"hello {name}"

    @bentoml.api
    def called_context(self, context: bentoml.Context, name: str = "nobody") -> str:
        return f"{context.request.method} {context.request.url.path} {name}"

    @bentoml.api
    def teapot_status(self, code: int, ctx: bentoml.Context) -> str:
        ctx.response.status_code = code
        return "as asked"

    @bentoml.api(route="/deep/route-with_signs.v2", name="renamed")
    async def somewhere(self, text: str) -> str:
        return text

    # -- streams

    @bentoml.api
    def lines(self, count: int) -> Iterator[str]:
        for number in range(count):
            yield f"line {number}\n"

    @bentoml.api
    async def chunks(self, count: int) -> AsyncIterator[bytes]:
        for number in range(count):
            yield bytes([number % 256]) * 10

    @bentoml.api
    async def points(self, count: int) -> AsyncIterator[Point]:
        for number in range(count):
            yield Point(x=number)

    @bentoml.api
    def numbers(self, count: int) -> Iterator[int]:
        yield from range(count)

    @bentoml.api
    def broken(self, after: int) -> Iterator[str]:
        yield from map(str, range(after))
        raise ValueError("broken off")

    @bentoml.api
    async def unfit(self) -> AsyncIterator[Point]:
        yield Point(x=1)
        yield "is fine"  # type: ignore[misc]
        yield {"a": "dict"}  # type: ignore[misc]

    @bentoml.api
    def returned(self, count: int) -> Any:
        return (str(number) for number in range(count))

    # -- batches and tasks

    @bentoml.api(batchable=True, max_batch_size=8)
    def batch(self, rows: list[Point]) -> list[float]:
        return [row.x for row in rows]

    @bentoml.api(batchable=True, batch_dim=(0, 0))
    async def batch_array(self, rows: np.ndarray) -> np.ndarray:
        return rows * 2

    @bentoml.api(batchable=True)
    def bad_batch(self, rows: np.ndarray) -> np.ndarray:
        raise ValueError("no batch")

    @bentoml.task
    def work(self, text: str, ctx: bentoml.Context) -> dict[str, Any]:
        return {"text": text[::-1], "headers": sorted(ctx.request.headers)}

    @bentoml.task
    async def bad_work(self, how: str) -> str:
        raise InvalidArgument("bad work") if how == "argument" else ValueError("bad work")

    # -- errors

    @bentoml.api
    def fails(self, how: str) -> str:
        errors: dict[str, BaseException] = {
            "refused": Refused("there already"),
            "teapot": Teapot("short and stout"),
            "argument": InvalidArgument("no such argument"),
            "busy": ServiceUnavailable("come back"),
            "given": BentoMLException("with a status", error_code=HTTPStatus.PAYMENT_REQUIRED),
            "forbidden": BentoMLException("not you", error_code=HTTPStatus.FORBIDDEN),
            "value": ValueError("a value"),
            "exit": SystemExit(3) if how == "never" else RuntimeError("not leaving"),
            "unicode": ValueError("\ud800 lone surrogate"),
        }
        raise errors[how]

    @bentoml.api
    def fails_to_validate(self) -> int:
        Point(x=-1)
        return 0

    @bentoml.api
    def wrong_output(self) -> int:
        return "not a number"  # type: ignore[return-value]

    @bentoml.api
    def endless_output(self) -> dict[str, Any]:
        looped: dict[str, Any] = {}
        looped["self"] = looped
        return looped

    # -- calls within

    @bentoml.api
    async def relays(self, text: str) -> list[str]:
        return [await self.somewhere.local(text), "".join([item async for item in self._letters(text)])]  # type: ignore[attr-defined]

    async def _letters(self, text: str) -> AsyncIterator[str]:
        for letter in text:
            yield letter


Descriptors.mount_wsgi_app(wsgi, path="/v1/wsgi")
Descriptors.add_asgi_middleware(Tagging, tag="tagged")
