"""`bentoml.monitor` selected by BentoML's configuration alone: what of it arrives, from services observed and not."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from server import BentoServer
from sink import Sink
from traffic import Answer, Request, send_all

from bento_observe import Reference

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
CONFIG = """
services:
  monitoring:
    enabled: true
    type: bento_observe.monitor.ObserveMonitor
    options: {options}
"""
ONE, MANY, TABLE = 40, 150, 10


def _configured(directory: Path, options: dict[str, Any]) -> dict[str, str]:
    path = directory / "bentoml.yaml"
    path.write_text(CONFIG.format(options=json.dumps(options)))
    return {"BENTOML_CONFIG": str(path)}


def _request(api: str, **arguments: Any) -> Request:
    return Request(api, f"/{api}", json.dumps(arguments).encode())


def _traffic() -> list[Request]:
    """200 records: 40 of one row, 150 of four, and 10 tables of two."""
    requests = [_request("decide", income=1000.0 + number, country="CH") for number in range(ONE)]
    requests += [_request("decide_many", incomes=[900.0, 1100.0, 1300.0, 1e9]) for _ in range(MANY)]
    requests += [_request("table", rows=[[1000.0, 1.0], [2000.0, 2.0]]) for _ in range(TABLE)]
    return requests


LOGGED = ONE + 4 * MANY + 2 * TABLE
INCOME = sum(1000.0 + number for number in range(ONE)) + MANY * (3300 + 1e9) + TABLE * 3000


def _counted(sink: Sink, api: str, signal: str, feature: str) -> int:
    return sink.count("ml.feature.value", bentoml__api__name=api, ml__signal=signal, ml__feature__name=feature)


def _dropped(sink: Sink, reason: str) -> float:
    return sink.value("bento_observe.dropped", signal="features", reason=reason)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reference, Path]:
    rng = np.random.default_rng(3)
    training = pd.DataFrame({"income": rng.uniform(500, 2500, 2000), "country": rng.choice(["CH", "DE"], 2000)})
    made = Reference.from_frame(
        training,
        prediction=pd.Series(training["income"] / 1000, name="score"),
        label=pd.Series(rng.choice(["true", "false"], 2000), name="repaid"),
    )
    path = tmp_path_factory.mktemp("monitor") / "reference.json"
    made.save(path)
    return made, path


@pytest.fixture(scope="module")
def observed(
    reference: tuple[Reference, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sink, list[Answer], Path, str]]:
    """Two workers of an observed service, whose monitors also write BentoML's files."""
    directory = tmp_path_factory.mktemp("observed")
    with Sink() as sink:
        env = {
            **FAST,
            **sink.environment(),
            **_configured(directory, {"also": "default", "log_path": str(directory / "logs")}),
            "BENTO_OBSERVE_REFERENCE": str(reference[1]),
        }
        with BentoServer("monitored:Monitored", env, workers=2) as server:
            answers = send_all(server.port, _traffic())
            server.stop()
            output = server.output
        yield sink, answers, directory, output


def test_roles_are_signals_and_columns_are_features(observed: tuple[Sink, list[Answer], Path, str]) -> None:
    """Every value logged is counted once, under its column's name, as what its role says."""
    sink, answers, _, _ = observed
    assert {answer.status for answer in answers} == {200}
    assert _counted(sink, "monitor:loans", "feature", "income") == LOGGED
    assert _counted(sink, "monitor:loans", "prediction", "score") == LOGGED
    categories = {"ml__feature__name": "country", "ml__signal": "feature"}
    assert sink.value("ml.feature.category", ml__feature__category="CH", **categories) == ONE
    assert sink.value("ml.feature.category", ml__feature__category="__unseen__", **categories) == 4 * MANY
    labels = {"ml__signal": "label", "ml__feature__name": "repaid"}
    assert sink.value("ml.feature.category", ml__feature__category="false", **labels) == ONE


def test_predictions_are_not_counted_twice(observed: tuple[Sink, list[Answer], Path, str]) -> None:
    """What the handlers return is counted under their names, what they log under the monitor's."""
    sink, _, _, _ = observed
    assert _counted(sink, "decide", "prediction", "score") == ONE
    assert _counted(sink, "decide_many", "prediction", "score") == 4 * MANY
    points = sink.points(metric="ml.feature.value")
    points = [point for point in points if point.attributes["ml.signal"] == "prediction"]
    assert {point.attributes["bentoml.api.name"] for point in points if point.count} == {
        "decide", "decide_many", "table", "monitor:loans",
    }  # fmt: skip


def test_what_is_logged_is_compared_with_the_training_data(
    observed: tuple[Sink, list[Answer], Path, str], reference: tuple[Reference, Path]
) -> None:
    """Features with the inputs of the training data, where it has no features of its own."""
    sink, _, _, _ = observed
    (made, _) = reference
    points = sink.last("ml.feature.value", bentoml__api__name="monitor:loans", ml__feature__name="income")
    assert {point.attributes["ml.reference.id"] for point in points} == {made.id}
    assert all(list(point.bounds) == made.signals["input"].edges["income"].tolist() for point in points)
    drifts = sink.last("ml.feature.drift", bentoml__api__name="monitor:loans", ml__drift__method="psi")
    assert {"income", "score"} <= {point.attributes["ml.feature.name"] for point in drifts}


def test_the_files_of_bentoml_are_written_as_well(observed: tuple[Sink, list[Answer], Path, str]) -> None:
    """`also: default`, with its own options: as many rows, as they were logged, and a schema."""
    _, _, directory, _ = observed
    files = list((directory / "logs" / "loans" / "data").glob("data.*.log"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(rows) == LOGGED
    assert sum(row["income"] for row in rows if row.get("country") == "4") == MANY * (3300 + 1e9)
    assert len({row["trace_id"] for row in rows}) == ONE + MANY + TABLE
    assert list((directory / "logs" / "loans" / "schema").glob("schema.*.log"))


def test_an_unobserved_service_sends_its_monitors_and_nothing_else(tmp_path: Path) -> None:
    """Metrics of what was logged, all of it though the interval between exports is a minute; no span, no log."""
    with Sink() as sink:
        env = {**sink.environment(), **_configured(tmp_path, {})}
        with BentoServer("monitored:Monitored", env, workers=2, observed=False) as server:
            answers = send_all(server.port, _traffic())
            assert server.stop() < 10
        assert {answer.status for answer in answers} == {200}
        assert "x-bentoml-trace-id" not in answers[0].headers
        assert _counted(sink, "monitor:loans", "feature", "income") == LOGGED
        # The handler divides what it has logged in place afterwards.
        points = sink.last("ml.feature.value", ml__feature__name="income")
        assert sum(point.sum for point in points) == pytest.approx(INCOME)
        assert {export.signal for export in sink.exports} == {"metrics"}
        assert {point.resource["service.name"] for point in sink.points()} == {"Monitored"}
        assert {point.attributes["bentoml.api.name"] for point in sink.points() if "ml.signal" in point.attributes} == {
            "monitor:loans"
        }


@pytest.mark.parametrize("observed", [True, False])
def test_a_legacy_service_counts_once_what_it_logs(tmp_path: Path, observed: bool) -> None:
    """One record before there is a service to observe: each process has one set of series, that of its telemetry."""
    monitoring = textwrap.dedent(CONFIG.format(options="{}").partition("services:")[2])
    (tmp_path / "bentoml.yaml").write_text(monitoring)
    with Sink() as sink:
        env = {**FAST, **sink.environment(), "BENTOML_CONFIG": str(tmp_path / "bentoml.yaml")}
        with BentoServer("monitored_legacy:svc", env, observed=observed) as server:
            answers = send_all(server.port, [Request("double", "/double", b"3.5")] * 10)
            assert {answer.json() for answer in answers} == {7.0}
            # A process that is not observed has no moment to send its last in.
            sink.wait(lambda: _counted(sink, "monitor:legacy", "feature", "run") == 10)
            sink.wait(lambda: _counted(sink, "monitor:legacy", "feature", "asked") == 10)
            server.stop()
            imported = sum(server.output.count(f"imported by {kind}\n") for kind in ("api_server", "runner"))
        assert _counted(sink, "monitor:legacy", "feature", "imported") == imported >= 2
        assert _counted(sink, "monitor:legacy", "feature", "asked") == 10
        assert _counted(sink, "monitor:legacy", "feature", "run") == 10
        logged = {point.resource["service.instance.id"] for point in sink.points() if "ml.signal" in point.attributes}
        assert len(logged) == len({point.resource["service.instance.id"] for point in sink.points()}) == 2


@pytest.fixture(scope="module")
def misused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, dict[str, list[Answer]], str]]:
    """All that can be done wrong with a monitor, each followed by a record as it should be."""
    with Sink() as sink:
        env = {**FAST, **sink.environment(), **_configured(tmp_path_factory.mktemp("wrong"), {"also": "no.such.Thing"})}
        answers: dict[str, list[Answer]] = {}
        with BentoServer("monitored:Monitored", env) as server:
            for how in ("raise", "nested", "outside", "batch", "role", "odd"):
                answers[how] = send_all(server.port, [_request("wrong", how=how), _request("wrong", how="well")])
            answers["unequal"] = send_all(server.port, [_request("unequal", wide=5, narrow=2)])
            answers["embed"] = send_all(
                server.port, [_request("embed", vectors=[[3.0, 4.0], [0.0, 1.0]]), _request("embed", vectors=[[1], []])]
            )
            answers["many"] = send_all(server.port, [_request("many", names=40)])
            server.stop()
            output = server.output
        yield sink, answers, output


def test_no_misuse_reaches_the_handler(misused: tuple[Sink, dict[str, list[Answer]], str]) -> None:
    """BentoML's own monitors answer 500 to the request after one that raised within the block."""
    _, answers, _ = misused
    statuses = {how: sorted(answer.status for answer in found) for how, found in answers.items()}
    assert statuses.pop("raise") == [200, 400]
    assert all(set(found) == {200} for found in statuses.values()), statuses


def test_what_is_left_out_is_counted(misused: tuple[Sink, dict[str, list[Answer]], str]) -> None:
    """By reason; all else that was logged has arrived, that of nested monitors included."""
    sink, _, output = misused
    reasons = ("monitor_record", "monitor_batch", "monitor_role", "monitor_sequence")
    assert {reason: _dropped(sink, reason) for reason in reasons} == {
        "monitor_record": 1, "monitor_batch": 1, "monitor_role": 1, "monitor_sequence": 2,
    }  # fmt: skip
    assert _counted(sink, "monitor:wrong", "feature", "y") == 11
    assert _counted(sink, "monitor:inner", "feature", "x") == 1
    assert "no role is 'colour'" in output
    assert "also='no.such.Thing' cannot be made" in output


def test_columns_of_unequal_length_are_told_and_none_is_cut(
    misused: tuple[Sink, dict[str, list[Answer]], str],
) -> None:
    """A row that lacks a value has it missing."""
    sink, _, output = misused
    assert _counted(sink, "monitor:unequal", "feature", "wide") == 5
    assert _counted(sink, "monitor:unequal", "prediction", "narrow") == 2
    assert sink.value("ml.feature.missing", ml__feature__name="narrow", bentoml__api__name="monitor:unequal") == 3
    assert "monitor 'unequal': columns of 2 to 5 values" in output


def test_sequences_are_counted_by_their_norm_and_codes_as_categories(
    misused: tuple[Sink, dict[str, list[Answer]], str],
) -> None:
    """Embeddings have no features to name; numbers said to be categorical are no numbers."""
    sink, _, _ = misused
    (norm,) = sink.last("ml.feature.value", bentoml__api__name="monitor:texts", ml__feature__name="embedding.norm")
    assert (norm.count, norm.sum) == (2, 6)
    assert _counted(sink, "monitor:texts", "feature", "embedding.mean") == 2
    assert sink.value("ml.feature.category", bentoml__api__name="monitor:texts", ml__feature__name="code") == 4


def test_names_of_monitors_are_bounded(misused: tuple[Sink, dict[str, list[Answer]], str]) -> None:
    """Each has series of its own; those beyond the 32nd are dropped and counted."""
    sink, _, _ = misused
    apis = {point.attributes.get("bentoml.api.name", "") for point in sink.points()}
    assert len([api for api in apis if api.startswith("monitor:")]) == 32
    assert _dropped(sink, "monitor_names") == 40 + 4 - 32
