"""A service with everything in it that could take its telemetry down, or that telemetry could spoil."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import bentoml
from fastapi import FastAPI
from opentelemetry import metrics, trace
from pydantic import Field
from switch import TIMEOUT, WORKERS, maybe_observe

own_level = logging.getLogger("own_level")
own_level.setLevel(logging.INFO)
no_level = logging.getLogger("no_level")

mounted = FastAPI()
tracer = trace.get_tracer("hostile")


@mounted.get("/items/{item}")
def item(item: int) -> dict[str, int]:
    with tracer.start_as_current_span("inside the mounted application"):
        return {"item": item}


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no text for this one")


class Node(bentoml.IODescriptor):
    name: str
    children: list[Node] = Field(default_factory=list)


class RaiseOnDemand:
    """A middleware of the user's that fails before there is an answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (b"x-raise", b"1") in scope["headers"]:
            raise RuntimeError("the middleware fails")
        await self.app(scope, receive, send)


def _hang(_options: Any) -> list[metrics.Observation]:
    threading.Event().wait()
    return []


@maybe_observe
@bentoml.service(workers=WORKERS, traffic={"timeout": TIMEOUT})
@bentoml.asgi_app(mounted, path="/mounted")
class Hostile:
    def __init__(self) -> None:
        if os.environ.get("TEST_HANGING_GAUGE"):
            metrics.get_meter("hostile").create_observable_gauge("hostile.gauge", callbacks=[_hang])

    @bentoml.api
    def numbers(self, values: list[int]) -> int:
        return sum(values)

    @bentoml.api
    def unshowable(self) -> str:
        trace.get_current_span().set_attribute("odd", Unshowable())  # type: ignore[arg-type]
        return "shown"

    @bentoml.api
    def override(self) -> str:
        trace.get_current_span().set_attribute("bentoml.api.name", "another")
        return "done"

    @bentoml.api
    def count_nodes(self, root: Node, /) -> int:
        return 1 + sum(self.count_nodes.local(child) for child in root.children)

    @bentoml.api
    def log(self) -> str:
        own_level.info("of a logger with a level of its own")
        no_level.info("of a logger without one, below the root's")
        no_level.warning("of a logger without one, a warning")
        return "logged"


Hostile.add_asgi_middleware(RaiseOnDemand)
