"""What the embedded receiver makes of feature statistics that were counted against a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _dev_messages import NOON, SECOND, metrics

pytest.importorskip("duckdb")
import urllib3
from click.testing import CliRunner
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, AGGREGATION_TEMPORALITY_DELTA

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.cli.dev import command
from bento_observe.dev import DevReceiver
from bento_observe.dev.pictures import read_categories, read_histograms
from bento_observe.features import Group, Snapshot, encode
from bento_observe.features.drift import measure

INPUT = {semconv.ML_SIGNAL: "input", semconv.API_NAME: "predict"}
SLICE = {**INPUT, semconv.ML_SLICE_NAME: "colour", semconv.ML_SLICE_VALUE: "red"}


def _frame(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    colours = random.choice(["red", "white", None], rows, p=[0.3, 0.6, 0.1])
    return pd.DataFrame({"depth": random.normal(shift, 1, rows), "colour": colours})


@pytest.fixture(scope="module")
def reference() -> Reference:
    """One numeric and one categorical feature."""
    return Reference.from_frame(_frame(400, seed=0))


@pytest.fixture
def receiver() -> Iterator[DevReceiver]:
    """One that holds nothing yet."""
    with DevReceiver() as made:
        yield made


def _counted(frame: pd.DataFrame, reference: Reference | None) -> Snapshot:
    statistics = FeatureStatistics(reference)
    statistics.update(frame)
    return statistics.snapshot()


def _send(
    receiver: DevReceiver,
    snapshot: Snapshot,
    reference: Reference | None,
    *,
    worker: str = "1",
    at: int = 0,
    attributes: Mapping[str, str] = INPUT,
    delta: bool = False,
) -> None:
    """As a worker does, `at` seconds past noon."""
    signal = None if reference is None else reference.signal("input")
    drift = {} if signal is None else {"1h": measure(signal, snapshot)}
    group = Group(attributes, snapshot, signal, drift, describe=True)
    request = ExportMetricsServiceRequest()
    temporality = AGGREGATION_TEMPORALITY_DELTA if delta else AGGREGATION_TEMPORALITY_CUMULATIVE
    for metric in encode([group], NOON, NOON + at * SECOND, temporality):
        request.MergeFrom(metrics(metric, instance=worker))
    answer = urllib3.request(
        "POST", f"{receiver.http_endpoint}/v1/metrics", body=request.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )  # fmt: skip
    assert answer.status == 200


def test_the_view_has_what_the_values_have(receiver: DevReceiver, reference: Reference) -> None:
    """Two workers, explicit buckets, which carry no sum: count, missing, mean and extremes of all the values."""
    frames = {"1": _frame(700, seed=1, shift=0.5), "2": _frame(300, seed=2)}
    for worker, frame in frames.items():
        _send(receiver, _counted(frame, reference), reference, worker=worker)
    values = pd.concat(frames.values())
    columns = 'feature, kind, "count", missing, mean, "min", "max", instances, reference'
    colour, depth = receiver.query(f"SELECT {columns} FROM features ORDER BY feature")
    assert depth[:4] == ("depth", "numeric", 1000, 0)
    assert depth[4:7] == pytest.approx((values.depth.mean(), values.depth.min(), values.depth.max()))
    assert depth[7:] == (2, reference.id)
    missing = int(values.colour.isna().sum())
    assert colour == ("colour", "categorical", 1000 - missing, missing, None, None, None, 2, reference.id)


def test_the_view_tells_the_drift_of_the_worker_that_moved_most(receiver: DevReceiver, reference: Reference) -> None:
    """And its critical value; nothing where no reference is."""
    moved = _counted(_frame(700, seed=1, shift=1.0), reference)
    _send(receiver, _counted(_frame(700, seed=2), reference), reference, worker="1")
    _send(receiver, moved, reference, worker="2")
    _send(receiver, _counted(_frame(50, seed=3)[["depth"]].rename(columns=str.upper), None), None)
    found = dict(receiver.query("SELECT feature, [psi, psi_critical] FROM features"))
    signal = reference.signal("input")
    assert signal is not None
    measures = measure(signal, moved)
    expected = [measures.values["psi"][0], measures.critical["psi"][0]]
    assert expected[0] > expected[1]
    assert found["depth"] == pytest.approx(expected)
    assert found["DEPTH"] == [None, None]


def test_a_slice_is_a_row_of_its_own_and_not_counted_twice(receiver: DevReceiver, reference: Reference) -> None:
    """Its values are in the whole too: pictures show that only."""
    _send(receiver, _counted(_frame(700, seed=1), reference), reference)
    _send(receiver, _counted(_frame(200, seed=2), reference), reference, attributes=SLICE)
    found = dict(receiver.query("SELECT slice, \"count\" FROM features WHERE feature = 'depth'"))
    assert found == {None: 700, "colour=red": 200}
    before, after = read_histograms(receiver.query, "depth", split_ns=NOON + SECOND)
    assert (before.total, after.total) == (700, 0)
    first, second = read_categories(receiver.query, "colour", split_ns=NOON + SECOND)
    assert (sum(first.values()), sum(second.values())) == (700, 0)


@pytest.mark.parametrize("delta", [False, True])
def test_categories_are_split_at_a_time(receiver: DevReceiver, reference: Reference, delta: bool) -> None:
    """What came until then and what came after it, of both workers, missing ones included."""
    sides: list[pd.Series[str]] = [pd.Series(dtype=object), pd.Series(dtype=object)]
    for number, worker in enumerate(("1", "2")):
        early, late = (_frame(300, seed=10 * number + side) for side in (1, 2))
        for side, frame in enumerate((early, late)):
            told = frame if delta or not side else pd.concat([early, late])
            _send(receiver, _counted(told, reference), reference, worker=worker, at=10 * side, delta=delta)
            sides[side] = pd.concat([sides[side], frame.colour])
    for found, colours in zip(read_categories(receiver.query, "colour", split_ns=NOON + SECOND), sides, strict=True):
        expected = colours.fillna(semconv.CATEGORY_MISSING).value_counts().to_dict()
        assert {name: count for name, count in found.items() if count} == expected


def test_the_command_lists_features_and_draws_either_kind(reference: Reference, tmp_path: Path) -> None:
    """The list has both with their drift, the picture is of buckets or of categories."""
    database = str(tmp_path / "dev.duckdb")
    with DevReceiver(database) as receiver:
        _send(receiver, _counted(_frame(700, seed=1, shift=1.0), reference), reference)

    def printed(*arguments: str) -> str:
        result = CliRunner().invoke(command, ["features", *arguments, "--db", database])
        assert result.exit_code == 0, result.output
        return result.output

    heading, _, *rows = (line.split() for line in printed().splitlines() if line.strip())
    assert heading[-2:] == ["psi", "critical"]
    assert [row[2] for row in rows] == ["colour", "depth"]
    assert float(rows[1][-2]) > float(rows[1][-1])
    assert "700 values" in printed("depth")
    assert [line.split()[0] for line in printed("colour").splitlines()] == ["colour", "white", "red", "__missing__"]
    missing = CliRunner().invoke(command, ["features", "taste", "--db", database])
    assert missing.exit_code == 1
    assert "nothing of a feature named 'taste' has arrived" in missing.output
