"""What this package tells of itself, as metrics: what was given up, failed, was sent, waits, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Gauge,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
    Sum,
)

from bento_observe import semconv, wire
from bento_observe._version import __version__
from bento_observe.telemetry._exports import ExportTimes
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._queue import SignalQueue

__all__ = ["OwnMetrics"]

_Key = tuple[semconv.Metric, tuple[str, ...]]


class OwnMetrics:
    """A producer of metrics. They are few, and cumulative whatever else is: that suits every backend.

    A counter that is new is told twice: as 0 when metrics were last collected, which is true, and as it is now. A rate
    does not see what a series begins with, and a first drop is what somebody waits to be told of.
    """

    def __init__(self, health: Health, queues: Mapping[str, SignalQueue], exports: ExportTimes) -> None:
        self._health = health
        self._queues = queues
        self._exports = exports
        self._start_ns = self._last_ns = time.time_ns()
        self._told: set[_Key] = set()

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """All of them."""
        del delta
        metrics = [
            Metric(
                name=metric.name,
                unit=metric.unit,
                description=metric.description,
                sum=Sum(
                    data_points=self._points(metric, counts, now_ns),
                    aggregation_temporality=AGGREGATION_TEMPORALITY_CUMULATIVE,
                    is_monotonic=True,
                ),
            )
            for metric, counts in self._health.counts().items()
            if counts
        ]
        metrics.append(self._pending(now_ns))
        metrics.extend(self._exports.collect(now_ns))
        self._last_ns = now_ns
        scope = InstrumentationScope(name=semconv.SCOPE_HEALTH, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=metrics)]

    def _points(
        self, metric: semconv.Metric, counts: Mapping[tuple[str, ...], int], now_ns: int
    ) -> Iterator[NumberDataPoint]:
        for values, count in counts.items():
            attributes = wire.key_values(dict(zip(metric.attributes, values, strict=True)))
            told = [(now_ns, count)]
            if (metric, values) not in self._told:
                self._told.add((metric, values))
                told.insert(0, (min(self._last_ns, now_ns), 0))
            for when_ns, value in told:
                yield NumberDataPoint(
                    attributes=attributes,
                    start_time_unix_nano=self._start_ns,
                    time_unix_nano=when_ns,
                    as_int=value,
                )

    def _pending(self, now_ns: int) -> Metric:
        points = [
            NumberDataPoint(
                attributes=wire.key_values({semconv.TELEMETRY_SIGNAL: signal}),
                time_unix_nano=now_ns,
                as_int=queue.size,
            )
            for signal, queue in self._queues.items()
        ]
        metric = semconv.PENDING
        return Metric(
            name=metric.name, unit=metric.unit, description=metric.description, gauge=Gauge(data_points=points)
        )
