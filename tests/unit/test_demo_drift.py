"""What the demonstration says of drift, from metrics that have arrived, is what `drift` says of the values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _dev_messages import NOON, SECOND, metrics

pytest.importorskip("duckdb")
import urllib3
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from bento_observe import FeatureStatistics, Reference, drift, semconv
from bento_observe.demo._drift import drift_lines
from bento_observe.demo._embedded import Embedded
from bento_observe.dev import DevReceiver
from bento_observe.features import Group, Snapshot, encode

WORKERS = ("1", "2")
SPLIT = NOON + 5 * SECOND


def _frame(rows: int, shift: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    colours = random.choice(["red", "white"], rows, p=[0.3 + shift / 4, 0.7 - shift / 4])
    return pd.DataFrame({"calm": random.normal(0, 1, rows), "moved": random.normal(shift, 1, rows), "colour": colours})


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Three features in training, and what was predicted."""
    data = _frame(500, 0.0, seed=1)
    return Reference.from_frame(data, prediction=data["moved"].gt(0).rename("sign"))


@pytest.fixture
def receiver() -> Iterator[DevReceiver]:
    """One that holds nothing yet."""
    with DevReceiver() as made:
        yield made


def _send(receiver: DevReceiver, worker: str, snapshot: Snapshot, reference: Reference, at_ns: int) -> None:
    """As a worker does, the reference from the first one only."""
    signal = reference.signal(semconv.SIGNAL_INPUT)
    group = Group({semconv.ML_SIGNAL: "input"}, snapshot, signal, describe=worker == WORKERS[0])
    request = ExportMetricsServiceRequest()
    for metric in encode([group], NOON, at_ns, AGGREGATION_TEMPORALITY_CUMULATIVE):
        request.MergeFrom(metrics(metric, instance=worker))
    answer = urllib3.request(
        "POST", f"{receiver.http_endpoint}/v1/metrics", body=request.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )  # fmt: skip
    assert answer.status == 200


def _serve(receiver: DevReceiver, reference: Reference, rows: int) -> tuple[Snapshot, Snapshot]:
    """`rows` rows before the split and as many drifted ones after it, from each worker; what was counted, pooled."""
    before, after = Snapshot(), Snapshot()
    for number, worker in enumerate(WORKERS):
        statistics = FeatureStatistics(reference)
        statistics.update(_frame(rows, 0.0, seed=10 + number))
        early = statistics.snapshot()
        _send(receiver, worker, early, reference, SPLIT - SECOND)
        statistics.update(_frame(rows, 0.8, seed=20 + number))
        late = statistics.snapshot()
        _send(receiver, worker, late, reference, SPLIT + SECOND)
        before, after = before + early, after + (late - early)
    return before, after


def test_it_is_what_drift_says_of_the_same_values(receiver: DevReceiver, reference: Reference) -> None:
    """PSI and critical value of both sides, over both workers, of numbers and categories; the calm one comes last."""
    sides = _serve(receiver, reference, rows=400)
    lines = drift_lines(Embedded(receiver, Path("telemetry.duckdb")), SPLIT)
    assert [line.feature for line in lines] == ["moved", "colour", "calm"]
    assert {(line.signal, line.trained) for line in lines} == {("input", 500)}
    for when, snapshot in zip(("before", "after"), sides, strict=True):
        table = drift(reference, snapshot)
        for line in lines:
            side, expected = getattr(line, when), table.loc[line.feature]
            assert side.n == expected["n"] == 800
            assert side.psi == pytest.approx(expected["psi"], rel=1e-9)
            assert side.critical == pytest.approx(expected["psi_critical"], rel=1e-9)
            assert side.drifted == expected["drifted"]
    assert [line.after.drifted for line in lines] == [True, True, False]
    assert not any(line.before.drifted for line in lines)


def test_few_values_are_not_enough_for_a_verdict(receiver: DevReceiver, reference: Reference) -> None:
    """A hundred values are too few for ten bins and plenty for two categories, as `drift` has it."""
    before, _ = _serve(receiver, reference, rows=50)
    lines = {line.feature: line.before for line in drift_lines(Embedded(receiver, Path("x")), SPLIT)}
    assert {name for name, side in lines.items() if not side.enough} == {"calm", "moved"}
    assert set(drift(reference, before).query("state == 'not enough data'").index) == {"calm", "moved"}
    assert not lines["moved"].drifted


def test_nothing_is_said_of_what_nobody_served(receiver: DevReceiver, reference: Reference) -> None:
    """Nothing has arrived, or only the reference and counters that stand at zero."""
    backend = Embedded(receiver, Path("x"))
    assert drift_lines(backend, SPLIT) == []
    _send(receiver, WORKERS[0], FeatureStatistics(reference).snapshot(), reference, SPLIT)
    assert drift_lines(backend, SPLIT) == []
