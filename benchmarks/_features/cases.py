"""What is measured of the aggregator. A case runs once and gives one figure, in the unit that its name has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from opentelemetry.proto.metrics.v1 import metrics_pb2
from pydantic import create_model

from _features import data
from _features.inside import compiled, longest_step, state_bytes, without_kernel
from bento_observe.features import FeatureStatistics, Snapshot, encode
from bento_observe.features._export import Group
from bento_observe.features.drift import drift, measure
from bento_observe.features.reference import Reference
from bento_observe.semconv import SIGNAL_INPUT

__all__ = ["References", "cases", "memory"]

Case = Callable[[], float]
Updates = Callable[[], Sequence[object]]
_T = TypeVar("_T")

_APIS = 3
_WINDOWS = ("1h", "24h")
_SINGLES = 500
_REPEATS = 2000
_IN_A_ROW = 10
_LARGE_ROWS = 100_000


class References:
    """The references of all cases: `REFERENCE_ROWS` rows each."""

    def __init__(self) -> None:
        self.numeric = {columns: Reference.from_frame(data.numeric_frame(columns)) for columns in (10, 30, 50, 100)}
        self.mixed = Reference.from_frame(data.mixed_frame(data.REFERENCE_ROWS, 0))
        text = data.mixed_frame(data.REFERENCE_ROWS, 0).iloc[:, data.NUMERIC :]
        self.text = Reference.from_frame(text)

    def edges(self, columns: int) -> list[list[float]]:
        """The bucket edges of so many numeric features."""
        return [edges.tolist() for edges in self.numeric[columns].edges.values()]


def request_thread(statistics: FeatureStatistics, update: object, repeats: int) -> Case:
    """Microseconds of one `update`; the flush that follows is not timed."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            statistics.update(update)
        spent = time.perf_counter() - start
        statistics.flush()
        _check(statistics)
        return spent / repeats * 1e6

    return run


def per_value(statistics: FeatureStatistics, updates: Updates, values: int) -> Case:
    """Nanoseconds of CPU time a value for all of `updates`, flushed once; making them is not timed."""

    def run() -> float:
        made = updates()
        start = time.process_time()
        for update in made:
            statistics.update(update)
        statistics.flush()
        spent = time.process_time() - start
        _check(statistics)
        return spent / values * 1e9

    return run


def flush_step(statistics: FeatureStatistics, updates: Updates) -> Case:
    """Milliseconds of CPU time of the longest step of one flush."""

    def run() -> float:
        for update in updates():
            statistics.update(update)
        step = longest_step(statistics)
        _check(statistics)
        return step

    return run


def collection(reference: Reference, *, full: bool) -> Case:
    """Milliseconds of CPU time from the state to the bytes of 300 histograms and all that goes with them.

    `full`, the drift over two windows is computed and sent as well, and the reference: the most a collection can be.
    """
    signal = reference.signals[SIGNAL_INPUT]
    apis = {f"api{i}": FeatureStatistics(signal) for i in range(_APIS)}
    for statistics in apis.values():
        statistics.update(data.matrix(1000, 100))
        statistics.flush()

    def group(api: str, statistics: FeatureStatistics) -> Group:
        snapshot = statistics.snapshot()
        windows = {window: measure(signal, snapshot) for window in _WINDOWS} if full else {}
        attributes = {"ml.signal": SIGNAL_INPUT, "bentoml.api.name": api}
        return Group(attributes, snapshot, signal, windows, describe=full)

    def run() -> float:
        start = time.process_time()
        groups = [group(api, statistics) for api, statistics in apis.items()]
        metrics = encode(groups, 1, 2, metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE)
        metrics_pb2.ScopeMetrics(metrics=metrics).SerializeToString()
        return (time.process_time() - start) * 1e3

    return run


def drifting(reference: Reference, compare: Callable[[Reference, Snapshot], object], repeats: int) -> Case:
    """Milliseconds of CPU time of the drift of 100 features, so many times in a row."""
    statistics = FeatureStatistics(reference)
    statistics.update(data.matrix(data.CURRENT_ROWS, data.DRIFT_FEATURES))
    snapshot = statistics.snapshot()

    def run() -> float:
        start = time.process_time()
        for _ in range(repeats):
            compare(reference, snapshot)
        return (time.process_time() - start) / repeats * 1e3

    return run


def counting_and_drift(reference: Reference) -> Case:
    """Milliseconds of CPU time from values to their drift, everything made anew."""
    current = data.matrix(data.CURRENT_ROWS, data.DRIFT_FEATURES)

    def run() -> float:
        start = time.process_time()
        statistics = FeatureStatistics(reference)
        statistics.update(current)
        drift(reference, statistics.snapshot())
        return (time.process_time() - start) * 1e3

    return run


def memory(reference: Reference) -> dict[str, float]:
    """Bytes for each of 100 features; see `state_bytes`."""

    def updates(version: int) -> list[object]:
        # Ever further out, and of every kind that is counted apart.
        odd = np.full((3, 100), np.nan)
        odd[1], odd[2] = np.inf, -np.inf
        wrong = [dict.fromkeys(data.names(100), "text")]
        return [data.matrix(1000, 100, version) * version, data.matrix(10, 100) * -version, odd, wrong]

    found = state_bytes(lambda: FeatureStatistics(reference), updates)
    return {
        "state_bytes_per_feature": found["state"] / 100,
        "state_bytes_per_feature.with_tables": found["with_tables"] / 100,
        "state_bytes_per_feature.allocated": found["allocated"] / 100,
    }


def cases(references: References) -> dict[str, Case]:
    """All cases of ours, by the name of their figure."""
    wide, mixed = references.numeric[100], references.mixed
    record = data.records(1)[0]
    numbers = dict(zip(data.names(30), data.matrix(1, 30)[0].tolist(), strict=True))
    fields: dict[str, Any] = {name: (type(value), ...) for name, value in record.items()}
    model = create_model("Row", **fields)(**record)
    single = [data.matrix(1, 100, seed) for seed in range(_SINGLES)]
    batch = data.matrix(1000, 100)
    large = data.matrix(_LARGE_ROWS, 50)

    def thread(reference: Reference, update: object, times: int = _REPEATS) -> Case:
        return request_thread(FeatureStatistics(reference), update, times)

    def numeric(columns: int, update: object, times: int = _REPEATS) -> Case:
        return thread(references.numeric[columns], update, times)

    def records() -> list[dict[str, object]]:
        return data.records(_SINGLES)

    def texts() -> list[pd.DataFrame]:
        return [data.mixed_frame(1000).iloc[:, data.NUMERIC :]]

    found = {
        "request_thread_us.1x10": numeric(10, data.matrix(1, 10)),
        "request_thread_us.1x100": numeric(100, single[0]),
        "request_thread_us.1x100_float32": numeric(100, single[0].astype(np.float32)),
        "request_thread_us.32x30": numeric(30, data.matrix(32, 30), _REPEATS // 4),
        "request_thread_us.1000x100": numeric(100, batch, 20),
        "request_thread_us.list10": numeric(10, data.matrix(1, 10)[0].tolist()),
        "request_thread_us.list100": numeric(100, single[0][0].tolist()),
        "request_thread_us.dict10": numeric(10, dict(list(numbers.items())[:10])),
        "request_thread_us.dict30_numeric": numeric(30, numbers),
        "request_thread_us.dict30": thread(mixed, record),
        "request_thread_us.model30": thread(mixed, model),
        "request_thread_us.frame1x30": thread(mixed, data.mixed_frame(1), _REPEATS // 10),
        "ns_per_value.1x100": per_value(FeatureStatistics(wide), _always(single), _SINGLES * 100),
        "ns_per_value.1000x100": per_value(FeatureStatistics(wide), _always([batch] * 5), 5 * batch.size),
        "ns_per_value.100000x50": per_value(
            FeatureStatistics(references.numeric[50], max_pending=8 * large.size), _always([large]), large.size
        ),
        "ns_per_value.1x100_exponential": per_value(FeatureStatistics(), _always(single), _SINGLES * 100),
        "ns_per_value.1000x100_exponential": per_value(FeatureStatistics(), _always([batch] * 5), 5 * batch.size),
        "ns_per_value.dict30": per_value(FeatureStatistics(mixed), records, _SINGLES * len(record)),
        "ns_per_value.strings": per_value(FeatureStatistics(references.text), texts, 1000 * data.TEXT),
        "flush_step_ms_max.1x100": flush_step(FeatureStatistics(wide), _always(single * 8)),
        "flush_step_ms_max.1000x100": flush_step(FeatureStatistics(wide), _always([batch])),
        "flush_step_ms_max.dict30": flush_step(FeatureStatistics(mixed), records),
        "flush_step_ms_max.strings": flush_step(FeatureStatistics(references.text), texts),
        "collect_300_cpu_ms": collection(wide, full=False),
        "collect_300_cpu_ms.with_drift": collection(wide, full=True),
        "drift_ms.100": drifting(wide, drift, _IN_A_ROW),
        "drift_ms.100_arrays": drifting(wide, measure, _IN_A_ROW),
        "drift_ms.100_once": drifting(wide, drift, 1),
        "drift_ms.100_with_counting": counting_and_drift(wide),
    }
    if compiled():
        found |= {
            "ns_per_value.1x100_numpy": per_value(without_kernel(wide), _always(single), _SINGLES * 100),
            "ns_per_value.1000x100_numpy": per_value(without_kernel(wide), _always([batch] * 5), 5 * batch.size),
            "flush_step_ms_max.1x100_numpy": flush_step(without_kernel(wide), _always(single * 8)),
            "flush_step_ms_max.1000x100_numpy": flush_step(without_kernel(wide), _always([batch])),
        }
    return found


def _check(statistics: FeatureStatistics) -> None:
    """What is not counted costs nothing: a figure with losses would be a lie."""
    if statistics.dropped:
        raise RuntimeError(f"the aggregator lost {statistics.dropped}")


def _always(updates: _T) -> Callable[[], _T]:
    return lambda: updates
