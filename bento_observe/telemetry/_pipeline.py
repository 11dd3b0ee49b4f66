"""The encoder thread: turns what the request path left behind into OTLP bytes, a little at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import wire
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._logs import keep_out
from bento_observe.telemetry._queue import SignalQueue

__all__ = ["Deferring", "MetricProducer", "Pipeline", "Source"]

# Between steps the event loop gets the interpreter: no request waits longer than one step (well under a millisecond).
_PAUSE_SECONDS = 0.0005

MetricProducer = Callable[[int, bool], Iterable[ScopeMetrics]]
"""(now in unix ns, whether delta) -> what to send."""


class Source(Protocol):
    """Something that piles up work on the request path."""

    def step(self) -> bool:
        """Do a small part of it; whether there is more."""

    def give_up(self) -> None:
        """Count what is left as dropped."""

    def close(self) -> None:
        """Keep nothing more: nobody will ask for it."""


@runtime_checkable
class Deferring(Protocol):
    """A source whose `step` may put something off, and says then that there is no more."""

    def end(self) -> None:
        """No `step` comes any more: count what was put off as dropped, in time for the last metrics."""


class Pipeline:
    """Runs every source each `flush_interval` and collects all metrics each `metric_interval` (seconds)."""

    def __init__(
        self, metrics: SignalQueue | None, flush_interval: float, metric_interval: float, delta: bool, health: Health
    ) -> None:
        self._metrics = metrics
        self._flush_interval = flush_interval
        self._metric_interval = metric_interval
        self._delta = delta
        self._health = health
        self._sources: list[Source] = []
        self._producers: list[MetricProducer] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bento-observe-encoder", daemon=True)

    def add(self, source: Source | None = None, producer: MetricProducer | None = None) -> None:
        """Serve one more source or producer; call before `start`."""
        if source is not None:
            self._sources.append(source)
        if producer is not None:
            self._producers.append(producer)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Encode all that waits, collect once more, end the thread; after `timeout` seconds what is left is dropped."""
        self._stopping.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            for source in self._sources:
                source.give_up()

    def close(self) -> None:
        """In a forked child, where there is no such thread: have all sources keep nothing more."""
        for source in self._sources:
            source.close()

    def _run(self) -> None:
        keep_out()
        due = time.monotonic() + self._metric_interval
        while not self._stopping.wait(self._flush_interval):
            self._drain(_PAUSE_SECONDS)
            if time.monotonic() >= due:
                self._collect()
                due = time.monotonic() + self._metric_interval
        self._drain(0.0)
        for source in self._sources:
            if isinstance(source, Deferring):
                source.end()
        self._collect()

    def _drain(self, pause: float) -> None:
        for source in self._sources:
            try:
                while source.step():
                    if pause:
                        time.sleep(pause)
            except Exception:  # noqa: BLE001 - one source's fault is not the others'
                self._health.error(type(source).__name__)

    def _collect(self) -> None:
        if self._metrics is None:
            return
        now = time.time_ns()
        for producer in self._producers:
            try:
                for scope_metrics in producer(now, self._delta):
                    points = sum(_points(metric) for metric in scope_metrics.metrics)
                    if points:
                        self._metrics.put(wire.message(b"\x12", scope_metrics.SerializeToString()), points)
            except Exception:  # noqa: BLE001 - as above
                self._health.error("metrics")


def _points(metric: object) -> int:
    kind = metric.WhichOneof("data")  # type: ignore[attr-defined]
    return len(getattr(metric, kind).data_points) if kind else 0
