"""Two observed services in one process, which BentoML itself does not do: run as a script, it calls both and prints
what they answered."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import bentoml
import httpx
from opentelemetry import trace
from switch import maybe_observe

tracer = trace.get_tracer("two")


@maybe_observe
@bentoml.service(metrics={"enabled": False})
class First:
    @bentoml.api
    async def one(self, number: int) -> int:
        with tracer.start_as_current_span("own of one"):
            return number + 1


@maybe_observe
@bentoml.service(metrics={"enabled": False})
class Second:
    @bentoml.api
    async def two(self, number: int) -> int:
        with tracer.start_as_current_span("own of two"):
            return number + 2


@contextlib.asynccontextmanager
async def _alive(app: Any) -> Any:
    """The application between the two halves of its lifespan."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan"}, told.get, heard.put))
    for word in ("startup", "shutdown"):
        await told.put({"type": f"lifespan.{word}"})
        assert (await heard.get())["type"] == f"lifespan.{word}.complete"
        if word == "startup":
            yield
    await running


async def main() -> None:
    apps = First.to_asgi(), Second.to_asgi()
    async with _alive(apps[0]), _alive(apps[1]):
        for app, path in zip(apps, ("/one", "/two"), strict=True):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                answer = await client.post(path, json={"number": 1})
                print(path, answer.status_code, answer.text, answer.headers["x-bentoml-trace-id"])


if __name__ == "__main__":
    asyncio.run(main())
