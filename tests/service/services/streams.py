"""Every kind of stream that an API can answer with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType
from opentelemetry import trace
from pydantic import BaseModel
from switch import maybe_observe

tracer = trace.get_tracer("streams")


class Token(BaseModel):
    """An item that has to be encoded."""

    text: str


@maybe_observe
@bentoml.service(threads=2)
class Streams:
    @bentoml.api
    def count(self, items: int) -> Generator[str, None, None]:
        for number in range(items):
            with tracer.start_as_current_span(f"make {number}"):
                yield f"{number};"

    @bentoml.api
    async def acount(self, items: int) -> AsyncGenerator[str, None]:
        for number in range(items):
            with tracer.start_as_current_span(f"make {number}"):
                await asyncio.sleep(0)
                yield f"{number};"

    @bentoml.api
    async def events(self, items: int) -> AsyncGenerator[Annotated[str, ContentType("text/event-stream")], None]:
        for number in range(items):
            yield f"event: tick\ndata: {number}\n\n"

    @bentoml.api
    async def tokens(self, items: int) -> AsyncGenerator[Token, None]:
        for number in range(items):
            yield Token(text=str(number))

    @bentoml.api
    def slowly(self, first: float, every: float, items: int) -> Iterator[str]:
        """Sleeps before the first item, and before each later one."""
        time.sleep(first)
        for number in range(items):
            if number:
                time.sleep(every)
            yield "x"

    @bentoml.api
    def breaks(self, after: int) -> Generator[str, None, None]:
        for number in range(after):
            yield f"{number};"
        raise RuntimeError("no further")

    @bentoml.api
    async def abreaks(self, after: int) -> AsyncGenerator[str, None]:
        for number in range(after):
            yield f"{number};"
        raise RuntimeError("no further")

    @bentoml.api
    async def unfit(self) -> AsyncGenerator[Token, None]:
        """The second item cannot be encoded."""
        yield Token(text="fits")
        yield {"not": "a token"}  # type: ignore[misc]
        yield Token(text="never sent")

    @bentoml.api
    def unfit_sync(self) -> Generator[int, None, None]:
        yield 1
        yield "such as "  # type: ignore[misc]
        yield {"no": "number"}  # type: ignore[misc]

    @bentoml.api
    async def endless(self) -> AsyncGenerator[str, None]:
        while True:
            await asyncio.sleep(0.005)
            yield "x" * 1024

    @bentoml.api
    def endless_sync(self) -> Generator[str, None, None]:
        while True:
            time.sleep(0.005)
            yield "x" * 1024

    @bentoml.api
    def returned(self, items: int) -> Any:
        """No generator itself: it returns one."""
        return (f"{number};" for number in range(items))

    @bentoml.api
    async def first_two(self) -> list[str]:
        """Takes what it wants of a stream of its own."""
        found = []
        async for item in self.acount.local(10):  # type: ignore[attr-defined]
            found.append(item)
            if len(found) == 2:
                break
        return found
