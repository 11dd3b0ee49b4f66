"""Batches as metrics."""

from __future__ import annotations

import time
from collections.abc import Iterable

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import semconv
from bento_observe._version import __version__
from bento_observe.request import BatchHistograms
from bento_observe.telemetry import Health

__all__ = ["Batch", "BatchMetrics"]

_PENDING_LIMIT = 50_000
_STEP = 256


class Batch:
    """One batch of the method `api`; `waits` are nanoseconds, of the requests that were not in a batch before."""

    __slots__ = ("api", "rows", "size", "span_id", "start_unix_ns", "trace_id", "waits")

    def __init__(self, api: str, size: int, rows: int, waits: list[int], start_unix_ns: int) -> None:
        self.api = api
        self.size = size
        self.rows = rows
        self.waits = waits
        self.start_unix_ns = start_unix_ns
        self.trace_id: bytes | None = None
        self.span_id = b""


class BatchMetrics:
    """Batches waiting to be counted by the encoder thread, and their histograms."""

    def __init__(self, exemplar_filter: str, health: Health) -> None:
        self._exemplars = exemplar_filter != "always_off"
        self._health = health
        self._pending: list[Batch] = []
        self._start_ns = time.time_ns()
        self._histograms = BatchHistograms()
        self._closed = False

    def add(self, batch: Batch) -> None:
        """Take a batch that is over. One list append; called on the event loop."""
        if self._closed:
            return
        if len(self._pending) < _PENDING_LIMIT:
            self._pending.append(batch)
        else:
            self._health.dropped("metrics", "pending_full", 1)

    def step(self) -> bool:
        """Count some batches; whether there are more."""
        taken = self._pending[:_STEP]
        del self._pending[: len(taken)]
        for batch in taken:
            self._histograms.count(batch, self._start_ns, batch.trace_id if self._exemplars else None)
        return bool(self._pending)

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped("metrics", "shutdown", len(self._pending))

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """The three families."""
        metrics = self._histograms.collect(now_ns, delta)
        if delta:
            self._start_ns = now_ns
        scope = InstrumentationScope(name=semconv.SCOPE_SERVER, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=metrics)]
