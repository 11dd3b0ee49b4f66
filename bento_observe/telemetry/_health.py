"""What this package tells about itself: all it gave up, every error kept away from a request, all it sent."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

from bento_observe import semconv

__all__ = ["Health", "logger"]

logger = logging.getLogger("bento_observe")

_QUIET_SECONDS = 60.0


class Health:
    """Counters of one process, safe to use from any thread. A count is never lost and never blocks for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[semconv.Metric, Counter[tuple[str, ...]]] = {
            semconv.DROPPED: Counter(),
            semconv.ERRORS: Counter(),
            semconv.EXPORTED: Counter(),
        }
        self._told: dict[str, float] = {}
        self._prometheus = _PrometheusMirror()

    def dropped(self, signal: str, reason: str, count: int) -> None:
        """`count` items (spans, log records, points, rows) of `signal` were given up because of `reason`."""
        if count > 0:
            self._add(semconv.DROPPED, (signal, reason), count)
            self.tell(f"dropped {signal} {reason}", "%d %s dropped: %s", count, signal, reason)

    def exported(self, signal: str, count: int) -> None:
        """`count` items of `signal` were accepted by the endpoint."""
        self._add(semconv.EXPORTED, (signal,), count)

    def error(self, where: str) -> None:
        """An exception of ours was caught in `where`; call it from the except block."""
        self._add(semconv.ERRORS, (where,), 1)
        self.tell(f"error {where}", "internal error in %s; requests are not affected", where, exc_info=True)

    def tell(self, topic: str, message: str, *args: object, exc_info: bool = False) -> None:
        """Log a warning, at most once a minute for each `topic`."""
        now = time.monotonic()
        with self._lock:
            if now - self._told.get(topic, -_QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._told[topic] = now
        logger.warning("bento_observe: " + message, *args, exc_info=exc_info)

    def total(self, metric: semconv.Metric) -> int:
        """Sum of one of our counters over all its attributes."""
        with self._lock:
            return sum(self._counts[metric].values())

    def counts(self) -> dict[semconv.Metric, dict[tuple[str, ...], int]]:
        """A copy of all counters: metric -> attribute values in the order of `metric.attributes` -> count."""
        with self._lock:
            return {metric: dict(counter) for metric, counter in self._counts.items()}

    def enter_child(self) -> None:
        """In a forked child: whoever held a lock is not there to release it, be it ours or one of Prometheus'."""
        self._lock = threading.Lock()
        self._prometheus.close()

    def _add(self, metric: semconv.Metric, values: tuple[str, ...], count: int) -> None:
        with self._lock:
            self._counts[metric][values] += count
        if metric is not semconv.EXPORTED:
            self._prometheus.add(metric, values, count)


class _PrometheusMirror:
    """Shows drops and errors at BentoML's own /metrics too: when the OTLP endpoint is gone, that one is not."""

    def __init__(self) -> None:
        self._counters: dict[semconv.Metric, object] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Show nothing more."""
        self._closed = True

    def add(self, metric: semconv.Metric, values: tuple[str, ...], count: int) -> None:
        if self._closed:
            return
        try:
            from prometheus_client import REGISTRY, Counter

            with self._lock:
                counter = self._counters.get(metric)
                if counter is None:
                    name = metric.name.replace(".", "_")
                    counter = Counter(name, metric.description, metric.attributes, registry=REGISTRY)
                    self._counters[metric] = counter
            assert isinstance(counter, Counter)
            counter.labels(*values).inc(count)
        except Exception as error:  # noqa: BLE001 - without a multiprocess directory there is nothing to show it on
            logger.debug("bento_observe: not shown at /metrics: %s", error)
