"""The rules of estimates are those that the script writes, and ask for what is sent."""

from __future__ import annotations

import re
import runpy
from typing import Any

import yaml

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack._assets import collector_dir
from collector.alerts import DEMO
from collector.prometheus._rules import RESOURCE

PROMETHEUS = collector_dir() / "prometheus"
COMMITTED = (PROMETHEUS / "rules" / "performance_estimate.yaml").read_text(encoding="utf-8")
GROUPS: list[dict[str, Any]] = yaml.safe_load(COMMITTED)["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]


def test_the_committed_rules_are_what_the_script_writes() -> None:
    """A change of a name or a bound that forgot the rules is found here; those of the demonstration, too."""
    script = runpy.run_path(str(PROMETHEUS / "generate_estimates.py"))
    assert script["document"]() == COMMITTED
    demo = (PROMETHEUS / "demo" / "performance_estimate.yaml").read_text(encoding="utf-8")
    assert script["document"](script["DEMO_WINDOWS"], DEMO) == demo


def test_rules_ask_only_for_metrics_that_are_sent_or_recorded_before() -> None:
    """A name that nobody sends has no series, which nobody would notice; one recorded later is a minute old."""
    sent = {metric_name(metric) for metric in semconv.METRICS}
    sent |= {f"{metric_name(semconv.LABEL_DELAY)}_{part}" for part in ("sum", "count")}
    labels = {label_name(attribute) for metric in semconv.METRICS for attribute in metric.attributes}
    for group in GROUPS:
        known = sent | {rule["record"] for rule in RULES if rule not in group["rules"]}
        for rule in group["rules"]:
            asked = set(re.findall(r"\b(?:\w+:)?ml_\w+(?::\w+)?", rule["expr"])) - labels
            assert asked, rule
            assert asked <= known, rule
            known.add(rule["record"])


def test_what_workers_count_is_added_up_by_all_labels_but_the_instance() -> None:
    """After the increase of each has been taken: the sum falls when a worker ends."""
    kept = {"service_namespace", "service_name", "deployment_environment_name", "ml_reference_id"}
    aggregations = [by for rule in RULES for by in re.findall(r"\w+ by \(([^)]*)\)", rule["expr"])]
    assert aggregations
    for by in aggregations:
        of_labels = by == ", ".join(map(label_name, (*RESOURCE, semconv.ML_MODEL_NAME, semconv.API_NAME)))
        assert kept - ({"ml_reference_id"} if of_labels else set()) <= set(by.split(", "))
        assert "service_instance_id" not in by
    increases = [before for rule in RULES for before in re.findall(r"(.{3})increase\(", rule["expr"])]
    assert increases
    assert set(increases) == {") ("}


def test_both_windows_have_the_same_rules_and_no_two_record_the_same() -> None:
    """A day is computed as an hour is, and recorded under names and labels of its own."""
    hour, day = ([group for group in GROUPS if group["name"].endswith(f"_{window}")] for window in ("1h", "24h"))
    assert [group["rules"] for group in day] == [
        yaml.safe_load(re.sub(r"\b900\b", "21600", re.sub(r"1h\b", "24h", yaml.safe_dump(group["rules"]))))
        for group in hour
    ]
    recorded = [(rule["record"], *sorted(rule.get("labels", {}).items())) for rule in RULES]
    assert len(set(recorded)) == len(recorded)
