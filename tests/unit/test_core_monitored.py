"""What a record of `bentoml.monitor` becomes, by the kind of what was logged."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any

import bentoml
import numpy as np
import pandas as pd
import pytest
from bentoml._internal.server.base_app import BaseAppFactory
from bentoml._internal.server.http_app import HTTPAppFactory

from bento_observe import _monitor_telemetry, _monitoring, observe, semconv
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


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> _monitoring._Process:
    """That of a worker of a legacy service, with nothing that counts."""
    monkeypatch.setattr(_monitoring, "_process", process := _monitoring._Process())
    monkeypatch.setattr(BaseAppFactory, "on_shutdown", BaseAppFactory.on_shutdown)  # put back after the test
    for name, value in {"service_type": "api_server", "service_name": "served", "bento_name": "served"}.items():
        monkeypatch.setattr(bentoml.server_context, name, value)
    return process


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, process: _monitoring._Process) -> threading.Event:
    """Whether telemetry has been started for it: a stand-in, since telemetry itself would stay for other tests."""
    started = threading.Event()
    monkeypatch.setattr(_monitor_telemetry, "start", started.set)
    return started


RECORD = ("any", [(1.0, "x", "feature", "numerical", False)])


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
    [(7.0, 1), (None, 0), ([None, None], 0), ("text", 1), ([[1.0, 2.0], 3.0], 2), ([[1.0], [1.0, 2.0]], 2)],
    ids=["a number", "None", "Nones", "text", "a number among them", "two lengths"],
)
def test_what_is_no_sequence_is_counted_and_the_rest_of_the_record_is_kept(
    monitor: tuple[ObserveMonitor, Recording, Health], caplog: pytest.LogCaptureFixture, logged: Any, lost: int
) -> None:
    """It is not an error of ours either, and where nothing is lost nothing is said."""
    mon, recording, health = monitor
    mon.start_record()
    log = mon.log_batch if isinstance(logged, list) else mon.log
    log(logged, "x", "feature", "numerical_sequence")
    mon.log(1.0, "y", "prediction", "numerical")
    mon.stop_record()
    assert recording.signals["prediction"].snapshot().features["y"].count == 1
    dropped = health.counts()[semconv.DROPPED]
    assert dropped == ({("features", "monitor_sequence"): lost} if lost else {})
    assert any("'x': sequences" in record.getMessage() for record in caplog.records) == bool(lost)
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
    process.early.append(RECORD)
    service, other = Recording(), Recording()
    assert _monitoring.connect(service, Health())
    assert not _monitoring.connect(other, Health(), alone=True)
    _monitoring.feed("any", [(2.0, "x", "feature", "numerical", False)])
    assert service.signals["feature"].snapshot().features["x"].sum == 3
    assert other.signals == {}


def test_a_record_that_comes_while_the_service_connects_is_counted(process: _monitoring._Process) -> None:
    """Between its looking for somebody who counts and its waiting for one."""
    service = Recording()

    class ConnectsFirst:
        def __enter__(self) -> None:
            process.lock = threading.Lock()
            _monitoring.connect(service, Health())

        def __exit__(self, *error: object) -> None:
            pass

    process.lock = ConnectsFirst()  # type: ignore[assignment]
    _monitoring.feed(*RECORD)
    assert service.signals["feature"].snapshot().features["x"].count == 1
    assert process.early == []


def test_no_handler_fails_where_telemetry_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, process: _monitoring._Process
) -> None:
    """Nothing is kept any more, and it is said once; whoever counts after all counts what is lost."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_threads:
        no_threads.setattr(threading.Thread, "start", start)
        for _ in range(3):
            _monitoring.feed(*RECORD)
    assert process.early == []
    assert [record.getMessage() for record in caplog.records] == ["bento_observe: bentoml.monitor is not counted"]

    service, health = Recording(), Health()
    _monitoring.connect(service, health)
    _monitoring.feed(*RECORD)
    assert service.signals["feature"].snapshot().features["x"].count == 1
    assert health.counts()[semconv.DROPPED] == {("features", "monitor_early"): 1}


def test_no_handler_fails_where_nothing_can_be_done_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, started: threading.Event
) -> None:
    """BentoML's private parts move."""
    monkeypatch.delattr(BaseAppFactory, "on_shutdown")
    _monitoring.feed(*RECORD)
    assert started.wait(10)
    assert [record.getMessage() for record in caplog.records] == [
        "bento_observe: what bentoml.monitor logs last may not be sent"
    ]


@pytest.mark.parametrize(("name", "waits"), [("served", True), ("other", False)])
def test_a_legacy_worker_waits_for_the_service_that_it_serves_alone(
    started: threading.Event, process: _monitoring._Process, name: str, waits: bool
) -> None:
    """One that is observed in the same module and served elsewhere, or nowhere, counts nothing here."""
    observe(bentoml.legacy.Service(name))
    _monitoring.feed(*RECORD)
    assert started.wait(0 if waits else 10) is not waits
    assert process.starting is not waits


def test_a_legacy_worker_sends_the_last_when_its_application_shuts_down(
    monkeypatch: pytest.MonkeyPatch, process: _monitoring._Process
) -> None:
    """After all hooks of the service's own, which may log."""
    done: list[str] = []
    monkeypatch.setattr(_monitor_telemetry, "start", lambda: lambda: done.append("sent"))
    service = bentoml.legacy.Service("served")
    service.on_shutdown(lambda _context: done.append("hook"))
    factory = HTTPAppFactory(service)

    async def serve() -> None:
        async with factory.lifespan(factory()):
            _monitoring.feed(*RECORD)

    asyncio.run(serve())
    assert done == ["hook", "sent"]
