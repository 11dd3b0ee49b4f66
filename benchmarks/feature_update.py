"""What feature statistics cost, beside the two ways of counting values in Python that come to mind first.

    python benchmarks/feature_update.py [--quick]

All cases run in turn, round after round, in one process; each figure is the minimum over the rounds, which is the
number that other work on the machine disturbs least. `request_thread_us` is what a request waits for: one `update`.
`ns_per_value` is everything, the flush included, for each float64. Values are positive, since the OpenTelemetry SDK's
histogram drops all others.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _report import json_line, table
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Histogram

from bento_observe.features import FeatureStatistics, encode

EDGES = 19
APIS = 3
Case = Callable[[], float]


@dataclass(frozen=True)
class Reference:
    """Edges at the quantiles of what the cases draw from."""

    edges: dict[str, Sequence[float]]
    id: str = "benchmark"


def reference(columns: int) -> Reference:
    sample = np.random.default_rng(0).lognormal(size=(2000, columns))
    quantiles = np.quantile(sample, np.linspace(0.05, 0.95, EDGES), axis=0)
    return Reference({f"f{i}": quantiles[:, i].tolist() for i in range(columns)})


def matrix(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).lognormal(size=(rows, columns))


def request_thread(statistics: FeatureStatistics, data: object, repeats: int) -> Case:
    """Microseconds of one `update`; the flush that follows is not timed."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            statistics.update(data)
        spent = time.perf_counter() - start
        statistics.flush()
        return spent / repeats * 1e6

    return run


def per_value(statistics: FeatureStatistics, updates: Sequence[object], values: int) -> Case:
    """Nanoseconds a value for all of `updates`, flushed once."""

    def run() -> float:
        start = time.perf_counter()
        for data in updates:
            statistics.update(data)
        statistics.flush()
        return (time.perf_counter() - start) / values * 1e9

    return run


def otel_record(columns: int, rows: np.ndarray) -> Case:
    """Nanoseconds a value of the SDK's histogram, one attribute set a feature."""
    meter = MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False).get_meter("benchmark")
    edges = reference(1).edges["f0"]
    histogram = meter.create_histogram("value", explicit_bucket_boundaries_advisory=edges)
    attributes = [{"ml.feature.name": f"f{i}"} for i in range(columns)]
    values = rows.tolist()

    def run() -> float:
        start = time.perf_counter()
        for row in values:
            for value, labels in zip(row, attributes, strict=True):
                histogram.record(value, labels)
        return (time.perf_counter() - start) / rows.size * 1e9

    return run


def prometheus_observe(columns: int, rows: np.ndarray) -> Case:
    """Nanoseconds a value of prometheus_client with its children bound once, the quickest way it has."""
    edges = reference(1).edges["f0"]
    family = Histogram("value", "", ["feature"], buckets=edges, registry=CollectorRegistry())
    children = [family.labels(f"f{i}") for i in range(columns)]
    values = rows.tolist()

    def run() -> float:
        start = time.perf_counter()
        for row in values:
            for value, child in zip(row, children, strict=True):
                child.observe(value)
        return (time.perf_counter() - start) / rows.size * 1e9

    return run


def collection() -> Case:
    """Milliseconds of CPU from the state to the bytes of 300 histograms and their counters."""
    statistics = FeatureStatistics(reference(100))
    statistics.update(matrix(1000, 100))
    statistics.flush()

    def run() -> float:
        start = time.process_time()
        groups = [({"ml.signal": "input", "bentoml.api.name": f"api{i}"}, statistics.snapshot()) for i in range(APIS)]
        metrics = encode(groups, 1, 2, metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE)
        metrics_pb2.ScopeMetrics(metrics=metrics).SerializeToString()
        return (time.process_time() - start) * 1e3

    return run


def cases(quick: bool) -> dict[str, Case]:
    repeats = 2000 if quick else 10_000
    record = {f"f{i}": float(i) for i in range(30)}
    ten = dict(list(record.items())[:10])
    mixed = pd.DataFrame({**{f"f{i}": [float(i)] for i in range(20)}, **{f"s{i}": ["text"] for i in range(10)}})
    single = [matrix(1, 100) + i for i in range(500)]
    batch = matrix(1000, 100)
    float32 = matrix(1, 100).astype(np.float32)

    def thread(columns: int, data: object, times: int = repeats) -> Case:
        return request_thread(FeatureStatistics(reference(columns)), data, times)

    return {
        "request_thread_us.1x10": thread(10, matrix(1, 10)),
        "request_thread_us.1x100": thread(100, matrix(1, 100)),
        "request_thread_us.1x100_float32": thread(100, float32),
        "request_thread_us.32x30": thread(30, matrix(32, 30), repeats // 4),
        "request_thread_us.1000x100": thread(100, batch, 20),
        "request_thread_us.dict10": thread(10, ten),
        "request_thread_us.dict30": thread(30, record),
        "request_thread_us.list10": thread(10, list(ten.values())),
        "request_thread_us.list100": thread(100, matrix(1, 100)[0].tolist()),
        "request_thread_us.frame1x30": thread(20, mixed, repeats // 10),
        "ns_per_value.1x100": per_value(FeatureStatistics(reference(100)), single, 500 * 100),
        "ns_per_value.1000x100": per_value(FeatureStatistics(reference(100)), [batch] * 5, 5 * batch.size),
        "ns_per_value.1x100_exponential": per_value(FeatureStatistics(), single, 500 * 100),
        "ns_per_value.1000x100_exponential": per_value(FeatureStatistics(), [batch] * 5, 5 * batch.size),
        "ns_per_value.dict30": per_value(FeatureStatistics(reference(30)), [record] * 500, 500 * 30),
        "otel_record_ns_per_value.1x100": otel_record(100, matrix(20, 100)),
        "otel_record_ns_per_value.1000x100": otel_record(100, matrix(50 if quick else 1000, 100)),
        "prometheus_observe_ns_per_value.1000x100": prometheus_observe(100, matrix(50 if quick else 1000, 100)),
        "collect_300_cpu_ms": collection(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, under 30 s")
    quick = parser.parse_args().quick
    running = cases(quick)
    best = dict.fromkeys(running, float("inf"))
    gc.collect()
    gc.disable()
    for _ in range(12 if quick else 30):
        for name, case in running.items():
            best[name] = min(best[name], case())
    ratios = {
        "otel_record/bento_observe.1000x100": _ratio(best, "otel_record_ns_per_value.1000x100", "1000x100"),
        "otel_record/bento_observe.1x100": _ratio(best, "otel_record_ns_per_value.1x100", "1x100"),
        "prometheus_observe/bento_observe.1000x100": _ratio(
            best, "prometheus_observe_ns_per_value.1000x100", "1000x100"
        ),
    }
    rows = [(name, f"{value:.3f}") for name, value in {**best, **ratios}.items()]
    table("Feature statistics, minimum of all rounds", ("", "figure"), rows)
    json_line("feature_update", best, ratios)


def _ratio(best: dict[str, float], peer: str, shape: str) -> float:
    return best[peer] / best[f"ns_per_value.{shape}"]


if __name__ == "__main__":
    main()
