"""The alerts: what is generated from them, what they ask for, and that the runbook has a section for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.semconv import Kind
from collector.alerts import DEMO, NORMAL, Policy, definitions
from collector.alerts._policy import seconds
from collector.alerts.generate import files
from collector.grafana import foreign

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
RULES = ROOT / "collector" / "prometheus" / "rules"
NAMES = {
    "ServiceDown", "ErrorBudgetBurn", "LatencyBudgetBurn", "Saturation", "NoTraffic", "FeatureDrift", "MissingSurge",
    "UnseenCategorySurge", "OutOfRangeSurge", "FeatureConstant", "PredictionDrift", "LabelShift",
    "TrainingServingSkew", "ModelAccuracyFell", "ModelErrorRose", "ModelConceptChanged", "EstimatedPerformanceDrop",
    "ConceptDrift", "TelemetryDropped", "TelemetryError", "CollectorRefuses", "CollectorLosesData",
    "CollectorQueueStuck", "CollectorQueueFilling", "CollectorDown", "Watchdog",
}  # fmt: skip


def _rules(path: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: "/".join(path.parts[-2:]))
def test_what_is_generated_is_what_is_committed(path: Path) -> None:
    """A change of an alert that forgot a file is found here."""
    assert path.read_text(encoding="utf-8") == files()[path]


@pytest.mark.parametrize("policy", [NORMAL, DEMO], ids=["normal", "demo"])
def test_every_alert_is_there_once_and_has_a_channel(policy: Policy) -> None:
    """By name and distinguishing labels; page or ticket; in the demonstration the same ones as otherwise."""
    alerts = definitions(policy)
    assert {alert.name for alert in alerts} == NAMES
    assert len({alert.key for alert in alerts}) == len(alerts)
    assert {alert.severity for alert in alerts} == {"page", "ticket", "none"}
    assert [alert.name for alert in alerts if alert.severity == "none"] == ["Watchdog"]
    assert [alert.key for alert in alerts] == [alert.key for alert in definitions(NORMAL)]


def test_every_series_that_is_asked_for_is_sent_or_recorded() -> None:
    """A name that nobody sends has no series, and an alert on it would never speak."""
    known = {rule["record"] for file in RULES.glob("*.yaml") for rule in _rules(file) if "record" in rule}
    for metric in semconv.METRICS:
        name = metric_name(metric)
        known |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if metric.kind is Kind.HISTOGRAM else {name}
    own = {"otelcol_process_uptime_seconds_total", foreign.QUEUE_SIZE, foreign.QUEUE_CAPACITY}
    own |= {*foreign.SENT, *foreign.SEND_FAILED, *foreign.ENQUEUE_FAILED, *foreign.REFUSED}
    labels = {label_name(attribute) for metric in semconv.METRICS for attribute in metric.attributes}
    labels.add(label_name(semconv.ML_PERFORMANCE_WINDOW))
    prefixes = r"(?:ml|http|bentoml|process|bento_observe|otelcol)_\w+|\w+:\w+:\w+"
    for rule in _rules(RULES / "alerts.yaml"):
        texts = (rule["expr"], *rule.get("annotations", {}).values())
        asked = {name for text in texts for name in re.findall(rf"(?<![\w:\"])({prefixes})(?=[{{\[\s)]|$)", text)}
        assert asked - labels <= known | own, rule.get("alert") or rule["record"]
        if rule.get("alert", "Watchdog") != "Watchdog":  # which asks for nothing, or it would not always be told
            assert set(re.findall(rf"(?<![\w:\"])({prefixes})(?=[{{\[\s)]|$)", rule["expr"])) - labels


def test_windows_are_recorded_and_bounds_of_latency_are_buckets() -> None:
    """An alert's window that nobody computes, or a threshold between two buckets, would be silence."""
    for policy, directory in ((NORMAL, RULES), (DEMO, RULES.with_name("demo"))):
        recorded = {rule["record"] for rule in _rules(directory / "feature_drift.yaml")}
        assert f"feature:ml_feature_bin:increase{policy.drift_window}" in recorded
        for window in (policy.performance_window, policy.usual_window):
            files = {file.name: {rule.get("record") for rule in _rules(file)} for file in directory.glob("*.yaml")}
            assert f"model:ml_model_labels:increase{window}" in files["model_performance.yaml"]
        usual = [rule for rule in _rules(directory / "model_performance.yaml") if rule["record"].endswith(":usual")]
        assert policy.usual_window in {rule["labels"]["ml_performance_window"] for rule in usual}
        for window in (policy.performance_window, policy.usual_window):
            assert f"model:ml_estimate_judged:increase{window}" in files["performance_estimate.yaml"]
        assert policy.fast_seconds in semconv.REQUEST_DURATION.boundaries
        for burn in policy.burns:
            assert seconds(policy.base_window) <= seconds(burn.short) < seconds(burn.long)


def test_a_service_that_is_down_keeps_back_what_is_said_of_its_features_and_models() -> None:
    """By what they are about: no other kind of alert is about a service."""
    config = yaml.safe_load((ROOT / "collector" / "alertmanager" / "alertmanager.yaml").read_text(encoding="utf-8"))
    (rule,) = (one for one in config["inhibit_rules"] if one["source_matchers"] == ['alertname="ServiceDown"'])
    (about,) = (match[1].split("|") for one in rule["target_matchers"] if (match := re.match(r'about=~"(.*)"', one)))
    assert set(about) == {alert.group for alert in definitions(NORMAL)} - {"telemetry"}


def test_a_demonstration_waits_no_longer_than_half_a_minute() -> None:
    """For what has to be told while somebody watches."""
    assert max(seconds(alert.wait) for alert in definitions(DEMO)) <= 30
    assert min(seconds(alert.wait) for alert in definitions(NORMAL)) >= 60


def test_every_alert_has_a_section_in_the_runbook_that_says_what_it_goes_by() -> None:
    """The anchor that its messages link to, with channel, wait and least sample as they are."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^##? |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    assert set(sections) - {"Silencing"} == NAMES
    for alert in definitions(NORMAL):
        which = "".join(f"{key} {value}: " for key, value in alert.more.items())
        line = f"- {which}`{alert.severity}` after {alert.wait}; least sample: {alert.least}"
        assert line in sections[alert.name].splitlines()
        for part in ("Means", "Look first", "Usually", "Do", "Change"):
            assert f"**{part}.**" in sections[alert.name], alert.name


def test_links_within_the_runbook_lead_somewhere() -> None:
    """Anchors are headings in lower case, files are beside it; thresholds that may be changed exist."""
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        file, _, anchor = target.partition("#")
        assert (ROOT / "docs" / file).exists() if file else anchor in headings, target
    for line in re.findall(r"^\*\*Change\.\*\* (.*)$", RUNBOOK, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", line):
            assert hasattr(NORMAL, name) or name == "OTEL_METRIC_EXPORT_INTERVAL", name


def test_runbook_links_in_rules_are_its_anchors() -> None:
    """Of every alert, in both files."""
    headings = {heading.lower() for heading in re.findall(r"^## (.*)$", RUNBOOK, re.MULTILINE)}
    for directory in (RULES, RULES.with_name("demo")):
        found = {
            rule["annotations"]["runbook"].rpartition("#")[2]
            for rule in _rules(directory / "alerts.yaml")
            if "alert" in rule
        }
        assert found == {name.lower() for name in NAMES} <= headings
