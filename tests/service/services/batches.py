"""Batchable APIs, with a gate that keeps a batch in its handler until the test has queued more requests."""

from __future__ import annotations

import asyncio
import logging
import threading

import bentoml
import numpy as np
from opentelemetry import trace
from switch import TIMEOUT, WORKERS, maybe_observe

logger = logging.getLogger("batches")
tracer = trace.get_tracer("batches")

# Values of a row's first number.
HOLD, FAIL, ODD = 1000.0, -1000.0, 2000.0


@maybe_observe
@bentoml.service(workers=WORKERS, threads=4, traffic={"timeout": TIMEOUT})
class Batches:
    def __init__(self) -> None:
        self.held = 0
        self.gate = threading.Event()

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=60_000)
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Sum of each row; within a span and with a log line that tell the number of rows."""
        self._act(rows)
        if (rows[:, 0] == HOLD).any():
            self.held += 1
            self.gate.wait(20)
        return None if (rows[:, 0] == ODD).any() else rows.sum(axis=1)  # type: ignore[return-value]

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=60_000)
    async def ascore(self, rows: np.ndarray) -> np.ndarray:
        self._act(rows)
        if (rows[:, 0] == HOLD).any():
            self.held += 1
            while not self.gate.is_set():
                await asyncio.sleep(0.01)
        return rows.sum(axis=1)

    def _act(self, rows: np.ndarray) -> None:
        trace.get_current_span().set_attribute("batches.columns", rows.shape[1])
        with tracer.start_as_current_span("look up"):
            logger.info("%d rows", len(rows))
        if (rows[:, 0] == FAIL).any():
            raise ValueError("a row that fails")

    @bentoml.api(batchable=True, max_batch_size=64, batch_dim=1)
    def turned(self, columns: np.ndarray) -> np.ndarray:
        """Rows lie along the second dimension."""
        return 2 * columns

    @bentoml.api(batchable=True)
    def texts(self, texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    @bentoml.api(batchable=True)
    async def asks(self, numbers: np.ndarray) -> np.ndarray:
        """Calls itself, through its application and not, and an API that makes batches."""
        await self.to_async.plain(1)  # type: ignore[attr-defined]
        self.plain.local(2)  # type: ignore[attr-defined]
        await self.asks.local(numbers[:1]) if len(numbers) > 1 else None  # type: ignore[attr-defined]
        return numbers

    @bentoml.api
    def plain(self, number: int) -> int:
        return number

    @bentoml.api
    async def holding(self) -> int:
        """How many batches are held."""
        return self.held

    @bentoml.api
    async def release(self) -> None:
        """Lets all go that are held, and keeps others from being."""
        self.gate.set()

    @bentoml.api
    async def lock(self) -> None:
        self.held = 0
        self.gate.clear()
