"""Drift over all workers, as Prometheus computes it, is what Python makes of all rows together."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stack_signals as otlp
from server import BentoServer
from traffic import Client, Request

from bento_observe import semconv
from bento_observe.features import FeatureStatistics, NumericFeature, Snapshot
from bento_observe.features.drift import FLOORS, drift
from bento_observe.features.reference import Reference, SignalReference
from bento_observe.prometheus_names import metric_name
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack.query import jaeger_traces, prometheus_exemplars, prometheus_query, prometheus_value

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

WORKERS = 3
TRAINING, ROWS, BATCH = 1000, 6000, 50
METHODS = ("psi", "js", "ks")
EXPORT_SECONDS, SECONDS = 1, 30
EXTRAPOLATED = 0.06
"""By how much n may come out too large: by 1.1 intervals, and no more, of the half minute that there are samples."""

_EXTREME = {"input": "amount", "prediction": "amount"}
"""A feature of each signal."""

Series = tuple[str, str, str, str]
"""Signal, value of the slice, feature, method."""


def _frame(
    random: np.random.Generator, rows: int, shift: float, children: list[float], countries: list[float]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": random.normal(shift, 3 + shift, rows),
            "children": random.choice([0.0, 1.0, 2.0, 3.0, 7.0], rows, p=children),
            "country": random.choice(["de", "fr", "it", "nl", "pl", "new"], rows, p=countries),
            "steady": random.gamma(2, 1, rows) - 1,
        }
    )


@dataclass(frozen=True)
class Served:
    """What went through the service, and where it is told of.

    Attributes:
        pooled: by signal and value of the slice what it was counted against, and all of it, counted in one place.
        settled: when Prometheus had it all, seconds since the epoch.
    """

    prometheus: str
    service: str
    reference: Reference
    pooled: Mapping[tuple[str, str], tuple[SignalReference, Snapshot]]
    settled: float
    largest: Mapping[str, tuple[str, float]]

    def rule(self, name: str, window: bool = True) -> dict[Series, float]:
        """The series of a recording rule, of the last hour, computed since everything was there."""
        labels = f'service_name="{self.service}"' + (', ml_drift_window="1h"' if window else "")
        selector = f"{name}{{{labels}}}"
        found = prometheus_query(self.prometheus, f"{selector} and (timestamp({selector}) >= {self.settled})")
        return {self._series(sample.labels): float(sample.value or 0) for sample in found}

    def expected(self, column: str) -> dict[Series, float]:
        """What `drift` says; without what there is too little data for, or what is not sent of a slice's inputs."""
        found = {}
        for (signal, value), (reference, snapshot) in self.pooled.items():
            table = drift(reference, snapshot)
            for name, method in itertools.product(table.index, METHODS):
                number = float(table.loc[name, column.format(method)])
                if not np.isnan(number) and (method != "ks" or not value or signal == "prediction"):
                    found[signal, value, str(name), method] = number
        return found

    def _series(self, labels: Mapping[str, str]) -> Series:
        assert labels["ml_reference_id"] == self.reference.id
        assert labels["bentoml_api_name"] == "predict"
        value, method = labels.get("ml_slice_value", ""), labels.get("ml_drift_method", "")
        return labels["ml_signal"], value, labels["ml_feature_name"], method


@pytest.fixture(scope="module")
def running(stack: Stack) -> Running:
    """Where the stack is; up again, should a test before have stopped it."""
    return stack.running() or stack.up()


@pytest.fixture(scope="module")
def served(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Some thousands of rows through three workers, the real Collector and the real Prometheus."""
    random = np.random.default_rng(7)
    training = _frame(random, TRAINING, 0.0, [0.4, 0.3, 0.2, 0.1, 0.0], [0.4, 0.3, 0.15, 0.1, 0.05, 0.0])
    reference = Reference.from_frame(training, prediction=np.tanh(training["amount"]), slices=["country"])
    path = tmp_path_factory.mktemp("drift") / "reference.json"
    reference.save(path)
    rows = _frame(random, ROWS, 0.8, [0.3, 0.25, 0.2, 0.2, 0.05], [0.26, 0.31, 0.2, 0.2, 0.01, 0.02])
    rows.loc[random.random(ROWS) < 0.03, "amount"] = np.nan
    rows.loc[random.random(ROWS) < 0.02, "amount"] = np.inf
    rows.loc[random.random(ROWS) < 0.01, "steady"] = -np.inf
    service = otlp.new_service()
    env = {
        "TEST_REFERENCE": str(path),
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": str(1000 * EXPORT_SECONDS),
    }
    with BentoServer("drifting:Drifting", env, workers=WORKERS) as server:
        workers = f'count(count by (service_instance_id) (ml_feature_bin_total{{service_name="{service}"}}))'
        otlp.eventually(lambda: prometheus_value(running.prometheus, workers), WORKERS)
        first = prometheus_value(running.prometheus, "time()")
        assert len(_send(server.port, rows)) == WORKERS
        total = f'sum(ml_feature_bin_total{{service_name="{service}", ml_feature_name="country", ml_slice_name=""}})'
        otlp.eventually(lambda: prometheus_value(running.prometheus, total), ROWS)
        settled = max(prometheus_value(running.prometheus, "time()"), first + SECONDS)
        pooled = _pooled(reference, rows)
        largest = {signal: _largest(pooled[signal, ""][1], name) for signal, name in _EXTREME.items()}
        yield Served(running.prometheus, service, reference, pooled, settled, largest)


def _largest(snapshot: Snapshot, name: str) -> tuple[str, float]:
    feature = snapshot.features[name]
    assert isinstance(feature, NumericFeature)
    return name, feature.max


def _send(port: int, rows: pd.DataFrame) -> Iterable[str]:
    """Sends all rows, through connections to as many workers as there are, and tells which those were."""
    connections: dict[str, Client] = {}
    for number, start in enumerate(range(0, len(rows), BATCH)):
        records = rows.iloc[start : start + BATCH].astype(object).replace(np.nan, None).to_dict("records")
        request = Request("predict", "/predict", json.dumps({"rows": records}).encode())
        if len(connections) == WORKERS:
            answer = next(itertools.islice(connections.values(), number % WORKERS, None)).send(request)
        else:
            client = Client(port)
            answer = client.send(request)
            if connections.setdefault(answer.headers["x-worker"], client) is not client:
                client.close()
        assert answer.status == 200, answer.body
    for client in connections.values():
        client.close()
    return connections


def _pooled(reference: Reference, rows: pd.DataFrame) -> dict[tuple[str, str], tuple[SignalReference, Snapshot]]:
    predictions = np.tanh(rows["amount"].to_numpy())
    pooled = {}
    for value in ("", *reference.slices["country"], "__other__"):
        if value == "__other__":
            chosen = ~rows["country"].isin(list(reference.slices["country"])).to_numpy()
        else:
            chosen = (rows["country"] == value).to_numpy() | (not value)
        parts: dict[str, Any] = {"input": rows[chosen], "prediction": predictions[chosen]}
        for signal, data in parts.items():
            known = reference.slices["country"].get(value, reference.signals)[signal]
            statistics = FeatureStatistics(known)
            statistics.update(data)
            statistics.flush()
            pooled[signal, value] = known, statistics.snapshot()
    return pooled


def _all_series(served: Served) -> None:
    """Wait until the rules have been evaluated, each in its own time, and have what they should."""
    expected = served.expected("{}").keys()
    otlp.eventually(lambda: served.rule("feature:ml_feature_drift:drifted").keys(), expected, timeout=150)


def test_drift_over_workers_is_that_of_all_rows_together(served: Served) -> None:
    """PSI, Jensen-Shannon and KS of the pooled rows: of inputs, predictions and slices, where there is enough data."""
    _all_series(served)
    expected = served.expected("{}")
    assert {series[0] for series in expected} == {"input", "prediction"}
    assert {value for _, value, _, method in expected if method == "psi"} == {"", "de", "fr", "it", "nl", "pl"}
    assert served.rule("feature:ml_feature_drift:pooled") == pytest.approx(expected, abs=1e-3)


def test_critical_values_are_those_for_all_rows_together(served: Served) -> None:
    """Within 1e-3, and with them which features have drifted: some have, some have not."""
    _all_series(served)
    values, critical = served.expected("{}"), served.expected("{}_critical")
    found = served.rule("feature:ml_feature_drift_critical:pooled")
    assert found.keys() == critical.keys()
    whole = {series: value for series, value in critical.items() if not series[1]}
    assert {series[3] for series, value in whole.items() if value > FLOORS[series[3]]} == set(METHODS)
    assert {series: found[series] for series in whole} == pytest.approx(whole, abs=1e-3)
    assert found == pytest.approx(critical, rel=EXTRAPOLATED)
    drifted = {series: float(values[series] > critical[series]) for series in values}
    assert set(drifted.values()) == {0.0, 1.0}
    assert served.rule("feature:ml_feature_drift:drifted") == drifted


def test_values_missing_and_outside_are_shares_of_all_rows_together(served: Served) -> None:
    """How many there are, but for what increase() extrapolates, and which part is null or was never seen."""
    _all_series(served)
    tables = {key: drift(*pair) for key, pair in served.pooled.items()}
    counts = {(*key, name, ""): n for key, table in tables.items() for name, n in table["n"].items()}
    found = served.rule("feature:ml_feature_bin:increase1h", window=False)
    assert found.keys() == counts.keys()
    for series, n in counts.items():
        assert n <= found[series] <= n * (1 + EXTRAPOLATED), series
    for rule, column in (("missing", "missing_share"), ("outside", "outside_share")):
        shares = {
            (*key, name, ""): share
            for key, table in tables.items()
            for name, share in table[column].items()
            if not key[1] or key[0] == "prediction"
        }
        assert any(shares.values())
        assert served.rule(f"feature:ml_feature_{rule}:share") == pytest.approx(shares, abs=1e-3)


def test_negative_infinite_and_missing_values_arrive_as_what_they_are(served: Served) -> None:
    """To the last one: values below zero in their buckets, infinities and NaN in counters of their own."""
    _, snapshot = served.pooled["input", ""]
    selector = f'service_name="{served.service}", ml_signal="input", ml_slice_name=""'

    def total(metric: str, by: str, more: str = "") -> dict[tuple[str, str], float]:
        query = f"sum by (ml_feature_name, {by}) ({metric}{{{selector}{more}}})"
        samples = prometheus_query(served.prometheus, query)
        return {(s.labels["ml_feature_name"], s.labels.get(by, "")): float(s.value or 0) for s in samples}

    numeric = {name: one for name, one in snapshot.features.items() if isinstance(one, NumericFeature)}
    assert set(numeric) == {"amount", "children", "steady"}
    buckets = {
        (name, edge): count
        for name, one in numeric.items()
        for edge, count in zip([*one.edges.tolist(), math.inf], one.counts.cumsum().tolist(), strict=True)
    }
    found = {(name, float(le)): count for (name, le), count in total("ml_feature_value_bucket", "le").items()}
    assert found == buckets
    assert max(count for (name, edge), count in buckets.items() if name == "amount" and edge < 0) > ROWS / 4

    infinite = {(name, "infinite"): one.non_finite for name, one in numeric.items()}
    assert infinite["amount", "infinite"] > 0 < infinite["steady", "infinite"]
    assert total("ml_feature_invalid_total", "reason", ', reason="infinite"') == infinite
    missing = {(name, ""): one.missing for name, one in snapshot.features.items()}
    assert missing["amount", ""] > 0
    assert total("ml_feature_missing_total", "ml_slice_name") == missing


def test_an_extreme_value_leads_to_its_trace(served: Served, running: Running) -> None:
    """From Prometheus' exemplars of inputs and predictions, by trace id, to the request that Jaeger has."""
    series = f"{metric_name(semconv.FEATURE_VALUE)}_bucket"
    for signal, largest in served.largest.items():
        selector = f'{series}{{service_name="{served.service}", ml_feature_name="{largest[0]}", ml_signal="{signal}"}}'
        found = prometheus_exemplars(served.prometheus, selector)
        traces = {one["labels"]["trace_id"] for one in found if float(one["value"]) == largest[1]}
        assert traces, f"{signal}: {len(found)} exemplars"
        otlp.eventually(
            lambda: traces - {one["traceID"] for one in jaeger_traces(running.jaeger, served.service)},  # noqa: B023
            set(),
        )


def test_no_rule_fails(served: Served) -> None:
    """All groups of all files are loaded, and none has an error by the time that the first have been evaluated."""
    _all_series(served)
    groups = _http.get_json(f"{served.prometheus}/api/v1/rules")["data"]["groups"]
    rules = {rule["name"]: rule.get("lastError", "") for group in groups for rule in group["rules"]}
    assert "feature:ml_feature_drift:pooled" in rules
    assert set(rules.values()) == {""}
