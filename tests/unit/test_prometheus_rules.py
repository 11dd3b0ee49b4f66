"""The recording rules are those that the script writes, ask for what is sent, and follow Prometheus' rules of thumb."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest
import yaml

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.semconv import Kind, Metric
from bento_observe.stack._assets import collector_dir

PROMETHEUS = collector_dir() / "prometheus"
COMMITTED = (PROMETHEUS / "rules" / "feature_drift.yaml").read_text(encoding="utf-8")
GROUPS: list[dict[str, Any]] = yaml.safe_load(COMMITTED)["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]


def test_the_committed_rules_are_what_the_script_writes() -> None:
    """A change of a name, a floor or a minimum that forgot the rules is found here; those of the demonstration, too."""
    script = runpy.run_path(str(PROMETHEUS / "generate.py"))
    assert script["document"]() == COMMITTED
    demo = (PROMETHEUS / "demo" / "feature_drift.yaml").read_text(encoding="utf-8")
    assert script["document"](script["DEMO_WINDOWS"]) == demo


def test_rules_ask_only_for_metrics_that_are_sent_or_recorded() -> None:
    """A name that nobody sends has no series, which nobody would notice."""
    known = {rule["record"] for rule in RULES}
    for metric in semconv.METRICS:
        name = metric_name(metric)
        known |= {f"{name}_bucket"} if metric.kind is Kind.HISTOGRAM else {name}
    labels = {label_name(attribute) for metric in semconv.METRICS for attribute in metric.attributes}
    for rule in RULES:
        asked = set(re.findall(r"\b(?:\w+:)?ml_\w+(?::\w+)?", rule["expr"])) - labels
        assert asked, rule["record"]
        assert asked <= known, rule["record"]


def test_what_workers_count_is_added_up_by_all_labels_but_the_instance() -> None:
    """Every sum, average or maximum over what workers sent keeps the reference apart, and all that tells services."""
    kept = {label_name(name) for name in semconv.FEATURE_BIN.attributes} - {label_name(semconv.ML_FEATURE_BIN)}
    kept |= {"service_namespace", "service_name", "deployment_environment_name"}
    promoted = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())["otlp"]["promote_resource_attributes"]
    assert kept <= {*map(label_name, promoted), *map(label_name, semconv.FEATURE_BIN.attributes)}
    aggregations = [by for rule in RULES for by in re.findall(r"\w+ by \(([^)]*)\)", rule["expr"])]
    assert aggregations
    for by in aggregations:
        assert kept <= set(by.split(", "))
        assert "service_instance_id" not in by


def test_an_increase_is_taken_of_every_worker_before_they_are_added_up() -> None:
    """The sum of counters falls when a worker ends, which an increase() of it would take for a restart."""
    increases = [match for rule in RULES for match in re.findall(r"(.{9})increase\((\w+)", rule["expr"])]
    assert increases
    assert {name for _, name in increases} <= {
        *(metric_name(metric) for metric in semconv.METRICS if metric.kind is Kind.COUNTER),
        f"{metric_name(semconv.FEATURE_VALUE)}_bucket",
    }
    assert all(before.endswith(") (") for before, _ in increases)


def test_both_windows_have_the_same_rules_but_that_a_day_is_added_up() -> None:
    """A day is computed as an hour is, and recorded under names of its own, from counts that were recorded by hour."""
    hour, day = ([group for group in GROUPS if group["name"].endswith(f"_{window}")] for window in ("1h", "24h"))
    assert len(hour) == len(day) == 2
    for short, long in zip(hour, day, strict=True):
        counts = {rule["record"] for rule in short["rules"] if "increase(" in rule["expr"]}
        assert counts
        added = {re.sub(r"1h$", f"{hours}h", name) for name in counts for hours in (4, 24)}
        assert added == {rule["record"] for rule in long["rules"] if "offset" in rule["expr"]}
        rest = [rule for rule in short["rules"] if rule["record"] not in counts]
        assert [rule for rule in long["rules"] if rule["record"] not in added] == yaml.safe_load(
            re.sub(r"1h\b", "24h", yaml.safe_dump(rest))
        )


def test_a_series_is_recorded_by_one_rule_and_seen_until_the_next_evaluation() -> None:
    """Two rules of one name differ in their labels; after 5 minutes without a sample Prometheus shows nothing."""
    recorded = [(rule["record"], *sorted(rule.get("labels", {}).items())) for rule in RULES]
    assert len(set(recorded)) == len(recorded)
    assert all(re.fullmatch(r"feature(_bin|_le)?:ml_feature_\w+:\w+", name) for name, *_ in recorded)
    seconds = {"s": 1, "m": 60}
    assert all(int(group["interval"][:-1]) * seconds[group["interval"][-1]] < 300 for group in GROUPS)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (semconv.REQUEST_DURATION, "http_server_request_duration_seconds"),
        (semconv.REQUEST_BODY_SIZE, "http_server_request_body_size_bytes"),
        (semconv.ACTIVE_REQUESTS, "http_server_active_requests"),
        (semconv.FEATURE_BIN, "ml_feature_bin_total"),
        (semconv.FEATURE_DEVIATION_SQUARES, "ml_feature_deviation_squares_total"),
        (semconv.FEATURE_REFERENCE, "ml_feature_reference_ratio"),
        (semconv.FEATURE_REFERENCE_COUNT, "ml_feature_reference_count"),
        (semconv.FEATURE_VALUE, "ml_feature_value"),
        (semconv.PENDING, "bento_observe_pending_bytes"),
        (Metric("a.bytes.total.sent", Kind.COUNTER, "By", ""), "a_bytes_sent_total"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_metrics_have_the_names_that_prometheus_gives_them(metric: Metric, name: str) -> None:
    """As its translation of OTLP has it: unit, then `total` for counters or `ratio` for gauges of unit 1."""
    assert metric_name(metric) == name


def test_a_unit_that_is_not_known_is_an_error() -> None:
    """Rather than a name that Prometheus does not have."""
    with pytest.raises(ValueError, match="'ms'"):
        metric_name(Metric("a.time", Kind.GAUGE, "ms", ""))
