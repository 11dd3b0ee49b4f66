"""What a fleet of replicas with many features would have sent to Prometheus, as OTLP, by the package's own exporter."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import urllib3
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.features import Group, encode
from bento_observe.features.drift import measure
from bento_observe.stack.query import Sample

__all__ = ["SERVICE", "Fleet", "history"]

SERVICE: Final = "fleet"
_ROWS: Final = 200
"""Of all features, between two exports of a replica."""

_TRAINED: Final = 10_000
_WINDOWS: Final = ("1h", "24h")
_POOL = urllib3.PoolManager(retries=False, timeout=60.0)


class Fleet:
    """`replicas` workers, each of which counts `features` numbers and a prediction, a third of them drifted."""

    def __init__(self, features: int, replicas: int, url: str) -> None:
        self._random = np.random.default_rng(0)
        self._names = [f"feature_{number:03}" for number in range(features)]
        training = self._random.normal(size=(_TRAINED, features))
        self._reference = Reference.from_frame(training, names=self._names, prediction=np.tanh(training[:, 0]))
        self._replicas = [
            {signal: FeatureStatistics(known) for signal, known in self._reference.signals.items()}
            for _ in range(replicas)
        ]
        self._instances = [str(uuid.UUID(int=number + 1)) for number in range(replicas)]
        self._moved = np.where(np.arange(features) % 3 == 0, 0.3, 0.0)
        self._requests = 0
        self._url = url

    def export(self, began: float, moment: float) -> None:
        """Every replica counts some more rows, and sends what it has by `moment`, seconds since the epoch."""
        times = {"start_time_unix_nano": round(1e9 * began), "time_unix_nano": round(1e9 * moment)}
        self._requests += _ROWS
        for number, statistics in enumerate(self._replicas):
            rows = self._random.normal(size=(_ROWS, len(self._names))) + self._moved
            found = list(encode(self._groups(statistics, rows, number == 0), *times.values(), _CUMULATIVE))
            metrics = [*found, *_requests(self._requests, times)]
            resource = _resource({semconv.SERVICE_NAME: SERVICE, semconv.SERVICE_INSTANCE_ID: self._instances[number]})
            _send(self._url, ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(metrics=metrics)]))

    def _groups(self, statistics: dict[str, FeatureStatistics], rows: np.ndarray, describe: bool) -> Iterator[Group]:
        counted = {semconv.SIGNAL_INPUT: rows, semconv.SIGNAL_PREDICTION: np.tanh(rows[:, 0])}
        for signal, one in statistics.items():
            known = self._reference.signals[signal]
            one.update(counted[signal])
            one.flush()
            snapshot = one.snapshot()
            compared = measure(known, snapshot)
            attributes = {semconv.ML_SIGNAL: signal, semconv.API_NAME: "predict"}
            yield Group(attributes, snapshot, known, dict.fromkeys(_WINDOWS, compared), describe=describe)


_CUMULATIVE: Final = AGGREGATION_TEMPORALITY_CUMULATIVE


def history(url: str, recorded: Sequence[Sample], moments: Sequence[float], random: np.random.Generator) -> None:
    """Series like those that rules recorded, as if they had been recorded at `moments` already."""
    for moment in moments:
        metrics = []
        for sample in recorded:
            labels = {key: value for key, value in sample.labels.items() if key not in ("__name__", "service_name")}
            value = float(sample.value or 0.0) * random.uniform(0.8, 1.2)
            point = NumberDataPoint(as_double=value, time_unix_nano=round(1e9 * moment), attributes=_attributes(labels))
            metrics.append(Metric(name=sample.labels["__name__"], gauge=Gauge(data_points=[point])))
        resource = _resource({semconv.SERVICE_NAME: SERVICE})
        _send(url, ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(metrics=metrics)]))


def _requests(count: int, times: dict[str, int]) -> Iterator[Metric]:
    """Durations of requests, some of which failed, and the memory of the process, by which the dashboards find it."""
    metric = semconv.REQUEST_DURATION
    points = []
    for status, share in (("200", 0.98), ("500", 0.02)):
        each = [round(share * count / (len(metric.boundaries) + 1))] * (len(metric.boundaries) + 1)
        labels = {semconv.HTTP_RESPONSE_STATUS_CODE: status, semconv.HTTP_ROUTE: "/predict"}
        points.append(
            HistogramDataPoint(
                explicit_bounds=metric.boundaries, bucket_counts=each, count=sum(each), sum=0.05 * count,
                attributes=_attributes(labels), **times,
            )
        )  # fmt: skip
    histogram = Histogram(data_points=points, aggregation_temporality=_CUMULATIVE)
    yield Metric(name=metric.name, unit=metric.unit, histogram=histogram)
    memory = semconv.PROCESS_MEMORY_USAGE
    used = Sum(data_points=[NumberDataPoint(as_int=300_000_000, **times)], aggregation_temporality=_CUMULATIVE)
    yield Metric(name=memory.name, unit=memory.unit, sum=used)


def _send(url: str, metrics: ResourceMetrics) -> None:
    response = _POOL.request(
        "POST",
        f"{url}/api/v1/otlp/v1/metrics",
        body=ExportMetricsServiceRequest(resource_metrics=[metrics]).SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    if response.status >= 300:
        raise OSError(f"Prometheus refuses metrics: {response.status} {response.data[:500]!r}")


def _resource(attributes: dict[str, str]) -> Resource:
    return Resource(attributes=_attributes(attributes))


def _attributes(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]
