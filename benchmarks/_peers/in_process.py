"""Peers that can be installed next to ours. Every case gives nanoseconds of CPU time a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Histogram

__all__ = ["boost_histogram", "otel_record", "prometheus_observe"]

Case = Callable[[], float]
_Matrix = npt.NDArray[np.float64]


def otel_record(rows: _Matrix, edges: Sequence[float]) -> Case:
    """The OpenTelemetry SDK's histogram, one attribute set a feature."""
    meter = MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False).get_meter("benchmark")
    histogram = meter.create_histogram("value", explicit_bucket_boundaries_advisory=edges)
    attributes = [{"ml.feature.name": f"f{i}"} for i in range(rows.shape[1])]
    values = rows.tolist()

    def run() -> float:
        start = time.process_time()
        for row in values:
            for value, labels in zip(row, attributes, strict=True):
                histogram.record(value, labels)
        return (time.process_time() - start) / rows.size * 1e9

    return run


def prometheus_observe(rows: _Matrix, edges: Sequence[float]) -> Case:
    """prometheus_client with its children bound once, the quickest way it has."""
    family = Histogram("value", "", ["feature"], buckets=edges, registry=CollectorRegistry())
    children = [family.labels(f"f{i}") for i in range(rows.shape[1])]
    values = rows.tolist()

    def run() -> float:
        start = time.process_time()
        for row in values:
            for value, child in zip(row, children, strict=True):
                child.observe(value)
        return (time.process_time() - start) / rows.size * 1e9

    return run


def boost_histogram(library: Any, rows: _Matrix, edges: Sequence[Sequence[float]], *, batch: bool) -> Case:
    """One boost-histogram a feature, which counts buckets and nothing else; filled by columns, or row by row."""
    histograms = [library.Histogram(library.axis.Variable(one), storage=library.storage.Int64()) for one in edges]
    blocks = [rows] if batch else [row[None] for row in rows]

    def run() -> float:
        start = time.process_time()
        for block in blocks:
            for histogram, column in zip(histograms, block.T, strict=True):
                histogram.fill(column)
        return (time.process_time() - start) / rows.size * 1e9

    return run
