"""On the real servers: the alerts are what promtool says they are, and reach those who are to be told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import urllib3

pytest.importorskip("sklearn")

from ports import free_port
from receiver import DEMO_SECONDS, Receiver
from wines import GONE, MOVED, RATE, ROWS, Traffic

from bento_observe.demo._service import serving
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack._assets import collector_dir
from bento_observe.stack.query import prometheus_query
from collector.grafana.foreign import FAILURES
from service_example.wine import FEATURES

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "WineCultivar"


@dataclass(frozen=True)
class Story:
    """What happened, when: seconds since the epoch."""

    running: Running
    receiver: Receiver
    before: frozenset[str]
    wrong_from: float
    ended: float


def _until(condition: Callable[[], object], what: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.2)


def _seen_as_normal(running: Running) -> bool:
    """Of every feature there is a judgement of drift, and it is that there is none."""
    drifted = f'feature:ml_feature_drift:drifted{{service_name="{SERVICE}",ml_drift_window="2m",ml_drift_method="psi"}}'
    found = prometheus_query(running.prometheus, f"{drifted} == 0")
    return {sample.labels.get("ml_feature_name") for sample in found} >= set(FEATURES)


def _evaluated_twice_since(running: Running, when: float) -> bool:
    """Every group of alerts: the first one after `when` is at most an interval later, so the second is past."""
    groups = _http.get_json(f"{running.prometheus}/api/v1/rules", {"type": "alert"})["data"]["groups"]
    assert groups
    return all(_seconds(group["lastEvaluation"]) > when + group["interval"] for group in groups)


def _seconds(time: str) -> float:
    """Whole seconds since the epoch, of a time as Go writes it."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", time).replace("Z", "+00:00")).timestamp()


def _firing(running: Running) -> frozenset[str]:
    """What Prometheus tells, but for that it can tell."""
    alerts = _http.get_json(f"{running.prometheus}/api/v1/alerts")["data"]["alerts"]
    return frozenset(one["labels"]["alertname"] for one in alerts if one["state"] == "firing") - {"Watchdog"}


@pytest.fixture(scope="module")
def story(demo_stack: Stack, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The example under normal traffic, then with a feature that moved, one that is null, and errors; then stopped."""
    running = demo_stack.running()
    assert running is not None
    home = tmp_path_factory.mktemp("home")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BENTO"))}
    env |= {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    subprocess.run([sys.executable, "-m", "service_example.train"], cwd=ROOT, env=env, check=True)
    with serving(
        f"service_example.service:{SERVICE}", directory=ROOT, environment=env, port=free_port(), log=home / "log"
    ) as url:
        traffic = Traffic(url)
        try:
            _until(lambda: _seen_as_normal(running), "no feature has drifted", DEMO_SECONDS)
            seen = time.time()
            _until(lambda: _evaluated_twice_since(running, seen), "rules judged normal traffic", DEMO_SECONDS)
            before = frozenset(alert["labels"]["alertname"] for _, alert in list(receiver.alerts)) | _firing(running)
            traffic.wrong, wrong_from = True, time.time()
            for name, labels in (
                ("FeatureDrift", {"ml_feature_name": MOVED}),
                ("MissingSurge", {"ml_feature_name": GONE}),
                ("ErrorBudgetBurn", {"burn": "fast"}),
            ):
                _until(lambda n=name, of=labels: receiver.firing(n, **of), name, DEMO_SECONDS)  # type: ignore[misc]
        finally:
            traffic.stop()
        assert set(traffic.statuses) == {200, 500}
    ended = time.time()
    _until(lambda: receiver.firing("ServiceDown"), "ServiceDown", DEMO_SECONDS)
    return Story(running, receiver, before, wrong_from, ended)


def _first(story: Story, name: str, **labels: str) -> tuple[float, Mapping[str, str], Mapping[str, str]]:
    when, alert = story.receiver.firing(name, **labels)[0]
    return when, alert["labels"], alert["annotations"]


def test_normal_traffic_tells_nothing(story: Story) -> None:
    """Until something was wrong, nobody was told of anything, and nothing was about to be told."""
    assert story.before == frozenset()


def test_a_dead_mans_switch_is_told_all_the_while_and_nobody_else_is(story: Story, switch: Receiver) -> None:
    """By Alertmanager, whatever is wrong otherwise."""
    _until(lambda: switch.firing("Watchdog"), "Watchdog", DEMO_SECONDS)
    assert {alert["labels"]["alertname"] for _, alert in switch.alerts} == {"Watchdog"}
    assert not story.receiver.firing("Watchdog")


def test_a_message_links_to_what_was_before_the_alert(story: Story) -> None:
    """In people's messages the dashboard begins three hours before, whenever the message is read."""
    _, alert = story.receiver.firing("FeatureDrift", ml_feature_name=MOVED)[0]
    wanted = _seconds(alert["startsAt"]) - 3 * 3600

    def begins() -> list[int]:
        return [
            int(found) for text in list(story.receiver.texts) for found in re.findall(r"\?from=(\d+)&to=now&", text)
        ]

    _until(lambda: any(wanted <= one / 1000 < wanted + 1 for one in begins()), "a link that begins then", DEMO_SECONDS)
    assert not any("from=now-" in text for text in story.receiver.texts)


def test_a_message_that_an_alert_has_ended_says_no_more_than_is_known(story: Story) -> None:
    """An alert made for this, in Alertmanager: what comes of the rule's annotations."""
    ends = "Either it is heard of again, or it is taken to be gone."
    page = "http://grafana/d/made?from=now-24h&to=now"
    about = {"summary": "made is silent", "ends": ends, "dashboard": page, "overview": page}
    alert: dict[str, Any] = {"labels": {"alertname": "Made", "severity": "ticket"}, "annotations": about}
    url = f"{story.running.alertmanager}/api/v2/alerts"

    def sent(**times: str) -> None:
        # Its answer has no body, which is no JSON.
        with urllib3.PoolManager(retries=False) as pool:
            assert pool.request("POST", url, json=[{**alert, **times}]).status == 200

    def said(words: str) -> bool:
        return any(words in text for text in list(story.receiver.texts))

    sent()
    _until(lambda: said("made is silent"), "the alert", DEMO_SECONDS)
    (text,) = {text for text in story.receiver.texts if "made is silent" in text}
    assert re.search(r"^Dashboard: (http://grafana/d/made\?from=\d+&to=now)\nOverview: \1$", text, re.MULTILINE)
    sent(endsAt=datetime.now(timezone.utc).isoformat())
    _until(lambda: said("No longer told: made is silent (since"), "its end", DEMO_SECONDS)
    assert said(ends)
    assert not said("Over:")


def test_a_drifted_feature_is_told_within_two_minutes(story: Story) -> None:
    """Which one, how far, from how many values; the time from its first request to the message is printed."""
    when, labels, annotations = _first(story, "FeatureDrift", ml_feature_name=MOVED)
    print(f"from the first drifted request to the notification: {when - story.wrong_from:.0f} s")
    assert when - story.wrong_from < DEMO_SECONDS
    assert labels["service_name"] == SERVICE
    assert labels["severity"] == "ticket"
    said = re.fullmatch(
        rf"PSI between the training data and the last 2m is ([\d.]+) for input {MOVED} of {SERVICE}/classify; "
        r"the critical value for (\d+) values is ([\d.]+); its mean is (-[\d.]+) training standard deviations "
        r"from that of training\.",
        annotations["description"],
    )
    assert said, annotations["description"]
    psi, n, critical, shift = map(float, said.groups())
    assert psi > 1.25 * critical > 0
    assert 300 <= n <= 2 * 60 * RATE * ROWS * 1.2
    assert -2 < shift < 0
    assert f"var-feature={MOVED}" in annotations["dashboard"]
    assert annotations["runbook"] == "docs/runbook.md#featuredrift"
    assert annotations["traces"] == f"{story.running.jaeger}/search?service={SERVICE}&lookback=1h&limit=20"


def test_missing_values_are_told_beside_what_was_usual(story: Story) -> None:
    """In training none were; the share is above what chance would make of it, and below that of the wrong requests."""
    _, _, annotations = _first(story, "MissingSurge", ml_feature_name=GONE)
    said = re.match(
        rf"([\d.]+)% of (\d+) values of input {GONE} of {SERVICE}/classify are null or NaN in the last 2m; in training "
        r"([\d.]+)% were, and by chance it would be at most ([\d.]+)%\.",
        annotations["description"],
    )
    assert said, annotations["description"]
    share, n, usual, limit = map(float, said.groups())
    assert limit < share < 50
    assert n >= 100
    assert usual == 0


def test_failing_requests_are_told_with_their_share(story: Story) -> None:
    """As a page, with a link to the traces that failed."""
    _, labels, annotations = _first(story, "ErrorBudgetBurn", burn="fast")
    assert labels["severity"] == "page"
    said = re.match(
        rf"([\d.]+)% of the requests of {SERVICE} fail over 1m \((\d+) requests\)", annotations["description"]
    )
    assert said, annotations["description"]
    assert 14.4 < float(said[1]) < 60
    assert int(said[2]) >= 10
    assert "tags=%7B%22error%22%3A%22true%22%7D" in annotations["traces"]


def test_a_service_that_stopped_is_told_and_silences_what_else_was_wrong_with_it(story: Story) -> None:
    """With the number of its workers; in Alertmanager its other alerts are inhibited."""
    when, labels, annotations = _first(story, "ServiceDown")
    print(f"from the service's end to the notification: {when - story.ended:.0f} s")
    assert labels["severity"] == "page"
    beginning = rf"In the last hour 2 workers of {SERVICE} sent telemetry; for ([\d.]+)s now none has\."
    said = re.match(beginning, annotations["description"])
    assert said, annotations["description"]
    assert 20 <= float(said[1]) < 60

    told = ("ServiceDown", "TelemetryDropped", "Watchdog", "Made")

    def others() -> list[dict[str, Any]]:
        alerts = _http.get_json(f"{story.running.alertmanager}/api/v2/alerts")
        return [one for one in alerts if one["labels"]["alertname"] not in told]

    assert all(one["status"]["state"] == "suppressed" for one in others())
    assert "FeatureDrift" in {one["labels"]["alertname"] for one in others()}


@pytest.mark.usefixtures("story")
def test_every_rule_evaluates_without_an_error(demo_stack: Stack) -> None:
    """Those of alerts and those that are recorded, with the demonstration's windows."""
    rules = {rule["name"]: rule.get("lastError", "") for rule in _loaded(demo_stack)}
    assert {"ServiceDown", "FeatureDrift", "CollectorQueueFilling"} <= rules.keys()
    assert set(rules.values()) == {""}


def test_every_series_that_alerts_read_was_sent(story: Story, demo_stack: Stack) -> None:
    """By the service and the Collector as they are, with the bucket of the latency's objective; but for failures."""
    loaded = _loaded(demo_stack, "alerts.yaml")
    texts = [rule["query"] for rule in loaded if not rule["name"].startswith("feature")]
    asked = {name for text in texts for name in re.findall(r"\b(?:http|bentoml|process|otelcol|ml)_\w+(?=[{[ ])", text)}
    known = {
        "http_server_request_duration_seconds_bucket",
        "process_cpu_time_seconds_total",
        "ml_feature_invalid_total",
    }
    assert known <= asked
    buckets = [one for text in texts for one in re.findall(r"http_server_\w+_bucket{[^}]*}", text)]
    assert buckets
    for selector in (*(asked - {*FAILURES}), *buckets):
        found = prometheus_query(story.running.prometheus, f"count(last_over_time({selector}[30m]))")
        assert found, selector


def _loaded(stack: Stack, file: str = "") -> list[dict[str, Any]]:
    """The rules of a file, or of all."""
    running = stack.running()
    assert running is not None
    groups = _http.get_json(f"{running.prometheus}/api/v1/rules")["data"]["groups"]
    return [rule for group in groups if group["file"].endswith(file) for rule in group["rules"]]


def test_promtool_finds_the_rules_right_and_every_alert_as_described(promtool: Path) -> None:
    """`promtool check rules` and `promtool test rules` of all files."""
    prometheus = collector_dir() / "prometheus"
    rules = [*prometheus.glob("rules/*.yaml"), *prometheus.glob("demo/*.yaml")]
    assert {"alerts.yaml", "feature_drift.yaml", "model_performance.yaml"} <= {rule.name for rule in rules}
    _check([promtool, "check", "rules", *rules])
    _check([promtool, "check", "config", prometheus / "prometheus.yaml"])
    _check([promtool, "test", "rules", *prometheus.glob("tests/*.yaml")])


def _check(command: list[Path | str]) -> None:
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout[-4000:]}{run.stderr[-4000:]}"
