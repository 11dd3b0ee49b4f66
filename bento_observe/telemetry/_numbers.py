"""Counters, up-down counters and gauges that are read when they are collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    Gauge,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
    Sum,
)

from bento_observe import semconv, wire
from bento_observe._version import __version__

__all__ = ["Reading", "Readings", "up_down_counter"]

Reading = tuple[semconv.Metric, Mapping[str, Any], float]
"""A metric, the attributes of one of its points, its value now; of a counter, since `start_ns`."""


class Readings:
    """Makes metrics of one scope out of what was read. Counters begin at `start_ns`, unix nanoseconds."""

    def __init__(self, scope: str, start_ns: int) -> None:
        self._scope = InstrumentationScope(name=scope, version=__version__)
        self._start_ns = start_ns
        self._last: dict[tuple[Any, ...], float] = {}
        self._last_ns = start_ns

    def metrics(self, readings: Iterable[Reading], now_ns: int, delta: bool) -> list[ScopeMetrics]:
        """The readings as OTLP has them; with `delta` counters say what came since the last time."""
        found: dict[str, Metric] = {}
        for metric, attributes, value in readings:
            message = found.get(metric.name)
            if message is None:
                message = found[metric.name] = _empty(metric, delta)
            point = NumberDataPoint(attributes=wire.key_values(attributes), time_unix_nano=now_ns)
            if metric.kind is not semconv.Kind.GAUGE:
                point.start_time_unix_nano = self._start_ns
            if metric.kind is semconv.Kind.COUNTER and delta:
                point.start_time_unix_nano = self._last_ns
                key = (metric.name, *attributes.values())
                value, self._last[key] = max(0, value - self._last.get(key, 0)), value
            if isinstance(value, int):
                point.as_int = value
            else:
                point.as_double = value
            data = message.gauge if metric.kind is semconv.Kind.GAUGE else message.sum
            data.data_points.append(point)
        self._last_ns = now_ns
        return [ScopeMetrics(scope=self._scope, metrics=found.values())] if found else []


def up_down_counter(
    metric: semconv.Metric, values: Iterable[tuple[Mapping[str, Any], int]], start_ns: int, now_ns: int
) -> Metric:
    """An up-down counter as OTLP has it: `values` are the attributes and the value of each point. Times are unix ns."""
    message = _empty(metric, delta=False)
    message.sum.data_points.extend(
        NumberDataPoint(
            attributes=wire.key_values(attributes),
            start_time_unix_nano=start_ns,
            time_unix_nano=now_ns,
            as_int=value,
        )
        for attributes, value in values
    )
    return message


def _empty(metric: semconv.Metric, delta: bool) -> Metric:
    message = Metric(name=metric.name, unit=metric.unit, description=metric.description)
    if metric.kind is semconv.Kind.GAUGE:
        message.gauge.CopyFrom(Gauge())
        return message
    counter = metric.kind is semconv.Kind.COUNTER
    temporality = AGGREGATION_TEMPORALITY_DELTA if counter and delta else AGGREGATION_TEMPORALITY_CUMULATIVE
    message.sum.CopyFrom(Sum(aggregation_temporality=temporality, is_monotonic=counter))
    return message
