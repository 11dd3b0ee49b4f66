"""What a record of `bentoml.monitor` becomes, by the kind of what was logged."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bento_observe import _monitoring, semconv
from bento_observe._monitored import MonitorRecorder
from bento_observe.features import FeatureStatistics
from bento_observe.monitor import ObserveMonitor
from bento_observe.telemetry import Health


class Recording:
    """Aggregators of one monitor, without a process around them."""

    def __init__(self) -> None:
        self.signals: dict[str, FeatureStatistics] = {}

    def monitor(self, name: str) -> Recording:
        return self

    def of(self, signal: str, names: Any = None) -> FeatureStatistics:
        return self.signals.setdefault(signal, FeatureStatistics())

    def is_known(self, signal: str, feature: str) -> bool:
        return feature == "known"


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> tuple[ObserveMonitor, Recording, Health]:
    recording, health = Recording(), Health()
    process = _monitoring._Process()
    process.recorder = MonitorRecorder(recording, health)
    monkeypatch.setattr(_monitoring, "_process", process)
    return ObserveMonitor("any"), recording, health


@pytest.mark.parametrize(
    "batch",
    [
        [1.0, 2.0, 3.0], (1.0, 2.0, 3.0), deque([1.0, 2.0, 3.0]), {1.0, 2.0, 3.0}, {1.0: "a", 2.0: "b", 3.0: "c"},
        np.array([1, 2, 3]), pd.Series([1.0, 2.0, 3.0]), range(1, 4), (number for number in (1.0, 2.0, 3.0)),
    ],
    ids=lambda batch: type(batch).__name__,
)  # fmt: skip
def test_whatever_can_be_iterated_is_a_column(monitor: tuple[ObserveMonitor, Recording, Health], batch: Any) -> None:
    """Each of its values is counted once."""
    mon, recording, health = monitor
    mon.start_record()
    mon.log_batch(batch, "x", "feature", "numerical")
    mon.stop_record()
    feature = recording.signals["feature"].snapshot().features["x"]
    assert (feature.count, feature.sum) == (3, 6)
    assert health.total(semconv.DROPPED) == 0


@pytest.mark.parametrize("batch", [7, np.array(7.0), None], ids=["int", "0d", "None"])
def test_what_cannot_be_iterated_is_dropped_and_counted(
    monitor: tuple[ObserveMonitor, Recording, Health], batch: Any
) -> None:
    """The other columns of the record are counted."""
    mon, recording, health = monitor
    mon.start_record()
    mon.log_batch(batch, "x", "feature", "numerical")
    mon.log_batch([1.0], "y", "feature", "numerical")
    mon.stop_record()
    assert set(recording.signals["feature"].snapshot().features) == {"y"}
    assert health.counts()[semconv.DROPPED] == {("features", "monitor_batch"): 1}


@pytest.mark.parametrize("table", ["frame", "array", "rows"])
def test_a_table_is_its_columns(monitor: tuple[ObserveMonitor, Recording, Health], table: str) -> None:
    """In the order of the schema, or by its names; each under its role."""
    mon, recording, _ = monitor
    rows = [[1.0, 10.0], [2.0, 20.0]]
    data: Any = {"frame": pd.DataFrame(rows, columns=["a", "b"]), "array": np.array(rows), "rows": rows}[table]
    mon.start_record()
    mon.log_table(data, {"a": "numerical", "b": {"role": "prediction", "type": "numerical"}})
    mon.stop_record()
    assert recording.signals["feature"].snapshot().features["a"].sum == 3
    assert recording.signals["prediction"].snapshot().features["b"].sum == 30


def test_a_matrix_is_sequences_whatever_its_type_is_said_to_be(
    monitor: tuple[ObserveMonitor, Recording, Health],
) -> None:
    """Its columns have no names to be counted under."""
    mon, recording, _ = monitor
    mon.start_record()
    mon.log_batch(np.ones((5, 4)), "x", "feature", "numerical")
    mon.stop_record()
    features = recording.signals["feature"].snapshot().features
    assert {name: (one.count, one.sum) for name, one in features.items()} == {"x.norm": (5, 10), "x.mean": (5, 5)}


@pytest.mark.parametrize(
    ("logged", "lost"),
    [(7.0, 1), (None, 0), ("text", 1), ([[1.0, 2.0], 3.0], 2), ([[1.0], [1.0, 2.0]], 2)],
    ids=["a number", "None", "text", "a number among them", "two lengths"],
)
def test_what_is_no_sequence_is_counted_and_the_rest_of_the_record_is_kept(
    monitor: tuple[ObserveMonitor, Recording, Health], logged: Any, lost: int
) -> None:
    """It is not an error of ours either."""
    mon, recording, health = monitor
    mon.start_record()
    log = mon.log_batch if isinstance(logged, list) else mon.log
    log(logged, "x", "feature", "numerical_sequence")
    mon.log(1.0, "y", "prediction", "numerical")
    mon.stop_record()
    assert recording.signals["prediction"].snapshot().features["y"].count == 1
    dropped = health.counts()[semconv.DROPPED]
    assert dropped == ({("features", "monitor_sequence"): lost} if lost else {})
    assert health.total(semconv.ERRORS) == 0


def test_numbers_are_categories_where_the_handler_says_so_and_the_reference_nothing(
    monitor: tuple[ObserveMonitor, Recording, Health],
) -> None:
    """The reference knows better what a feature is."""
    mon, recording, _ = monitor
    for batch in ([1, 2], None):
        mon.start_record()
        for name in ("unknown", "known"):
            if batch is None:
                mon.log(1, name, "target", "categorical")
            else:
                mon.log_batch(batch, name, "target", "categorical")
        mon.stop_record()
    features = recording.signals["label"].snapshot().features
    assert dict(features["unknown"].counts) == {"1": 2, "2": 1}
    assert features["known"].sum == 4


def test_a_process_of_its_own_takes_nothing_from_an_observed_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before the service was there is counted by it."""
    monkeypatch.setattr(_monitoring, "_process", process := _monitoring._Process())
    process.early.append(("any", [(1.0, "x", "feature", "numerical", False)]))
    service, other = Recording(), Recording()
    assert _monitoring.connect(service, Health())
    assert not _monitoring.connect(other, Health(), alone=True)
    _monitoring.feed("any", [(2.0, "x", "feature", "numerical", False)])
    assert service.signals["feature"].snapshot().features["x"].sum == 3
    assert other.signals == {}
