"""Everything that the dashboards ask Prometheus for is something that is sent, recorded, or the Collector's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from _dashboards import DASHBOARDS, everything, panels, put_in, queries
from _promql import named

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.semconv import Kind

if sys.version_info < (3, 11):
    pytest.skip("grafana-foundation-sdk needs Python 3.11", allow_module_level=True)

from collector.grafana import foreign, names

PROMETHEUS = Path(__file__).parents[2] / "collector" / "prometheus"
CONFIG: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for path in (PROMETHEUS / "rules").glob("*.yaml")
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PROMOTED = {label_name(attribute) for attribute in CONFIG["otlp"]["promote_resource_attributes"]}


_DEEPEST = 4
"""How many rules are made of each other at most."""


def _labels() -> dict[str, set[str]]:
    """By each series that there can be, the labels that it can have."""
    known: dict[str, set[str]] = {}
    for metric in semconv.METRICS:
        labels = PROMOTED | {label_name(attribute) for attribute in metric.attributes}
        if metric.kind is Kind.HISTOGRAM:
            known[f"{metric_name(metric)}_bucket"] = labels | {"le"}
            known[f"{metric_name(metric)}_count"] = labels
            if metric.boundaries:
                known[f"{metric_name(metric)}_sum"] = labels
            else:
                known[metric_name(metric)] = labels
        else:
            known[metric_name(metric)] = labels
    # ml.feature.reference.value has explicit buckets alone.
    del known[metric_name(semconv.FEATURE_REFERENCE_VALUE)]
    # Of a rule over other rules first theirs, however they are ordered.
    pending = [rule for rule in RULES if "record" in rule]
    for _ in range(_DEEPEST):
        for rule in pending:
            by = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
            grouped = {label for labels in by for label in labels.split(", ")}
            kept = set().union(*(known.get(selector.series, set()) for selector in named(rule["expr"]).selectors))
            known.setdefault(rule["record"], set()).update(grouped or kept, rule.get("labels", {}))
    for series in foreign.METRICS:
        known[series] = PROMOTED | set(foreign.LABELS)
    for series in (foreign.ALERTS, foreign.ALERTS_SINCE):  # of any rule
        known[series] = set().union(*known.values())
    return known


def _counters() -> set[str]:
    """Series that only grow, until their process ends. What is told of the training data never changes."""
    counters = {series for series in foreign.METRICS if series.endswith(("_total", "_bucket"))}
    for metric in set(semconv.METRICS) - {semconv.FEATURE_REFERENCE_VALUE}:
        if metric.kind is Kind.COUNTER:
            counters.add(metric_name(metric))
        elif metric.kind is Kind.HISTOGRAM:
            counters |= {f"{metric_name(metric)}_{part}" for part in ("bucket", "count", "sum")}
    return counters | {metric_name(semconv.FEATURE_VALUE)}


KNOWN = _labels()
COUNTERS = _counters()
ASKED = [
    (f"{file}: {where}", put_in(expr, {}, everything(dashboard)))
    for file, dashboard in DASHBOARDS.items()
    for where, expr in queries(dashboard)
]


def test_every_dashboard_asks_for_something() -> None:
    """Guards the tests below against an empty list."""
    assert len(DASHBOARDS) == 5
    assert all(any(where.startswith(f"{file}:") for where, _ in ASKED) for file in DASHBOARDS)


@pytest.mark.parametrize(("where", "expr"), ASKED, ids=[where for where, _ in ASKED])
def test_series_and_labels_are_those_of_the_name_module(where: str, expr: str) -> None:
    """A name that nobody sends has no series, and a label that a series lacks selects none: nobody would notice."""
    found = named(expr)
    assert found.selectors, where
    for selector in found.selectors:
        if selector.series:
            assert selector.series in KNOWN
            assert selector.labels <= KNOWN[selector.series]
        else:
            assert selector.labels <= PROMOTED
    of_them = set[str]().union(*(KNOWN.get(selector.series, set()) for selector in found.selectors))
    assert found.grouped <= of_them


@pytest.mark.parametrize(("where", "expr"), ASKED, ids=[where for where, _ in ASKED])
def test_an_increase_is_taken_of_counters_alone(where: str, expr: str) -> None:
    """The rate of a gauge is nonsense that looks like a number."""
    for selector in named(expr).selectors:
        if selector.function in ("rate", "increase"):
            assert selector.series in COUNTERS


def test_legends_name_labels_that_the_series_still_have() -> None:
    """A label that an aggregation took away shows as an empty name."""
    for file, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                if "expr" not in target:
                    continue
                found = named(put_in(target["expr"], {}, everything(dashboard)))
                for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]):
                    assert label in found.grouped, f"{file}: {panel['title']}"


def test_recorded_series_and_windows_are_those_of_the_rules() -> None:
    """The dashboards spell the names of recording rules themselves."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    windows = {rule["labels"]["ml_drift_window"] for rule in RULES if rule.get("record") == names.POOLED}
    assert windows == set(names.WINDOWS)
    assert {names.counted(window) for window in names.WINDOWS} <= recorded
    assert set(names.RECORDED) <= recorded
    for window in names.WINDOWS:
        assert {names.labelled(window), names.confused(window), names.true(window)} <= recorded
        assert names.estimated(window) in recorded


def test_no_module_of_the_dashboards_spells_a_metric_or_a_label_of_ours() -> None:
    """They come from the name module, so that a renamed one is renamed here too."""
    spelled = {metric_name(metric) for metric in semconv.METRICS}
    spelled |= {
        label_name(attribute) for metric in semconv.METRICS for attribute in metric.attributes if "." in attribute
    }
    spelled |= PROMOTED
    for path in (PROMETHEUS.parent / "grafana").rglob("*.py"):
        words = set(re.findall(r"[a-z]+(?:_[a-z0-9]+)+", path.read_text(encoding="utf-8")))
        # The recording rules' names have metrics' names in them.
        assert not words & spelled - {"ml_feature_bin"} or path.name == "names.py", path
