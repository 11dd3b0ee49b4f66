"""Every way in which a call can fail, and what the service says of it itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from pydantic import BaseModel
from starlette.responses import JSONResponse
from switch import TIMEOUT, maybe_observe


class OutOfStock(BentoMLException):
    error_code = HTTPStatus.CONFLICT


class SoldOut(OutOfStock):
    """Inherits its status."""


class Overloaded(BentoMLException):
    error_code = HTTPStatus.BAD_GATEWAY


class Strict(BaseModel):
    number: int


def _raise(error: BaseException) -> Any:
    raise error


_ERRORS: dict[str, Callable[[], Any]] = {
    "conflict": lambda: _raise(OutOfStock("gone")),
    "inherited": lambda: _raise(SoldOut("all gone")),
    "given": lambda: _raise(BentoMLException("pay", error_code=HTTPStatus.PAYMENT_REQUIRED)),
    "argument": lambda: _raise(InvalidArgument("no")),
    "unavailable": lambda: _raise(ServiceUnavailable("later")),
    "gateway": lambda: _raise(Overloaded("elsewhere")),
    "pydantic": lambda: Strict(number="many"),  # type: ignore[arg-type]
    "value": lambda: _raise(ValueError("no")),
    "timeout": lambda: _raise(TimeoutError("within the handler")),
}


@maybe_observe
@bentoml.service(traffic={"timeout": TIMEOUT}, threads=2)
class Errors:
    @bentoml.api
    def fails(self, how: str) -> str:
        return str(_ERRORS[how]())

    @bentoml.api
    async def afails(self, how: str) -> str:
        return str(_ERRORS[how]())

    @bentoml.api
    def status(self, code: int, ctx: bentoml.Context) -> str:
        ctx.response.status_code = code
        return "as asked"

    @bentoml.api
    def response(self, code: int):  # type: ignore[no-untyped-def]
        return JSONResponse({}, status_code=code)

    @bentoml.api
    def misfit(self) -> Strict:
        return {"number": "many"}  # type: ignore[return-value]

    @bentoml.api
    async def sleeps(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @bentoml.api
    async def cancels(self) -> str:
        raise asyncio.CancelledError
