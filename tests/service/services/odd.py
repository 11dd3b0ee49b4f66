"""Handlers that leave telemetry little to count, or use its words, and one that forks."""

from __future__ import annotations

import logging
import multiprocessing
from typing import Any

import bentoml
from opentelemetry import trace
from switch import maybe_observe

logger = logging.getLogger("odd")
tracer = trace.get_tracer("odd")


class Opaque:
    """Of no use to statistics."""


def _child(queue: Any) -> None:
    with tracer.start_as_current_span("in the child"):
        for number in range(100):
            logger.warning("child %d", number)
    queue.put(sum(range(10)))


@maybe_observe
@bentoml.service
class Odd:
    @bentoml.api
    def nothing(self) -> None:
        return None

    @bentoml.api
    def anything(this, **fields: Any) -> Any:  # noqa: N805
        return fields

    @bentoml.api
    def several(self, *args: str) -> int:
        return len(args)

    @bentoml.api
    def opaque(self, value: Any) -> Any:
        return {"value": value, "deep": [[{"a": [None]}]]}

    @bentoml.api
    async def ours(
        self, stage: int, api: str, health: float, call: int, recorder: int, func: str, request: str
    ) -> list[Any]:
        """Names that the code around it uses for itself. Asynchronous: BentoML has a `func` itself where it is not."""
        return [stage, api, health, call, recorder, func, request]

    @bentoml.api
    def signal(self, signal: int, ml: float = 0.5, bentoml_api_name: str = "x") -> list[Any]:
        return [signal, ml, bentoml_api_name]

    @bentoml.api
    def forks(self) -> int:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        process = context.Process(target=_child, args=(queue,))
        process.start()
        found = int(queue.get())
        process.join()
        return found
