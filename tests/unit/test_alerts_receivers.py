"""Alertmanager's configuration: whom the environment names, which alerts keep back which, and where it is put."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bento_observe.stack._assets import collector_dir
from bento_observe.stack._configuration import (
    alertmanager_configuration,
    is_configured,
    prometheus_configuration,
    write_configuration,
)
from bento_observe.stack._ports import Ports
from collector.alerts import NORMAL, definitions
from collector.alerts._text import labels_of

DIRECTORY = collector_dir() / "alertmanager"
COMMITTED: dict[str, Any] = yaml.safe_load((DIRECTORY / "alertmanager.yaml").read_text(encoding="utf-8"))


def _rendered(**env: str) -> dict[str, Any]:
    run = subprocess.run(
        ["sh", DIRECTORY / "render.sh"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, check=True
    )
    document: dict[str, Any] = yaml.safe_load(run.stdout)
    return document


def _receivers(**env: str) -> dict[str, dict[str, Any]]:
    return {receiver.pop("name"): receiver for receiver in _rendered(**env)["receivers"]}


def test_without_an_environment_nobody_is_told() -> None:
    """What comes out is the file as it stands: three receivers, without any way to reach them."""
    assert _rendered() == COMMITTED
    assert _receivers() == {"page": {}, "ticket": {}, "watchdog": {}}


def test_a_webhook_gets_pages_and_tickets() -> None:
    """With quotes in its URL as they are; a file goes before a URL, and is not read."""
    webhook = {"send_resolved": True, "url": 'http://host/it\'s?a="b"&c: #d'}
    assert _receivers(ALERT_WEBHOOK_URL=webhook["url"]) == {  # type: ignore[arg-type]
        "page": {"webhook_configs": [webhook]},
        "ticket": {"webhook_configs": [webhook]},
        "watchdog": {},
    }
    found = _receivers(ALERT_WEBHOOK_URL="http://host", ALERT_WEBHOOK_URL_FILE="/run/secrets/url")
    assert found["page"]["webhook_configs"] == [{"send_resolved": True, "url_file": "/run/secrets/url"}]


def test_one_severity_may_go_elsewhere() -> None:
    """Pages to Slack, all to e-mail, whose password is a file."""
    found = _receivers(
        ALERT_PAGE_SLACK_URL_FILE="/run/secrets/slack",
        ALERT_SLACK_CHANNEL="#ml",
        ALERT_EMAIL_TO="ml@example.org",
        ALERT_EMAIL_FROM="alerts@example.org",
        ALERT_SMTP_HOST="mail:587",
        ALERT_SMTP_USER="alerts",
        ALERT_SMTP_PASSWORD_FILE="/run/secrets/smtp",
    )
    assert set(found["page"]) == {"slack_configs", "email_configs"}
    assert set(found["ticket"]) == {"email_configs"}
    (slack,), (mail,) = found["page"]["slack_configs"], found["ticket"]["email_configs"]
    assert (slack["api_url_file"], slack["channel"]) == ("/run/secrets/slack", "#ml")
    assert (mail["to"], mail["smarthost"], mail["auth_password_file"]) == (
        "ml@example.org", "mail:587", "/run/secrets/smtp",
    )  # fmt: skip
    assert slack["text"] == mail["text"] == '{{ template "bento_observe.text" . }}'


def test_a_dead_mans_switch_is_told_by_its_own_webhook_alone() -> None:
    """Every minute; not that it is over, which would be one more sign of life; nobody else hears of it."""
    found = _receivers(ALERT_WATCHDOG_WEBHOOK_URL="http://switch", ALERT_EMAIL_TO="a@b", ALERT_WATCHDOG_EMAIL_TO="c@d")
    assert found["watchdog"] == {"webhook_configs": [{"send_resolved": False, "url": "http://switch"}]}
    assert set(found["page"]) == set(found["ticket"]) == {"email_configs"}
    found = _receivers(ALERT_WATCHDOG_WEBHOOK_URL_FILE="/run/secrets/switch")
    assert found["watchdog"]["webhook_configs"] == [{"send_resolved": False, "url_file": "/run/secrets/switch"}]
    assert found["page"] == found["ticket"] == {}
    (route,) = (one for one in COMMITTED["route"]["routes"] if one["receiver"] == "watchdog")
    assert route["matchers"] == ['alertname="Watchdog"']
    (silence,) = (one for one in COMMITTED["inhibit_rules"] if one["source_matchers"] == ['alertname="CollectorDown"'])
    assert "Watchdog" in silence["target_matchers"][0]


def test_waits_can_be_others() -> None:
    """Those of the routes to people, and nothing else changes."""
    found = _rendered(ALERT_GROUP_WAIT="1s", ALERT_REPEAT_INTERVAL="1h")
    *routes, switch = (found["route"], *found["route"]["routes"])
    for route in routes:
        assert (route["group_wait"], route["repeat_interval"]) == ("1s", "1h")
    assert switch == COMMITTED["route"]["routes"][-1]
    assert found["route"]["group_interval"] == COMMITTED["route"]["group_interval"]
    assert found["inhibit_rules"] == COMMITTED["inhibit_rules"]


def test_routes_and_inhibition_name_alerts_and_labels_that_there_are() -> None:
    """A matcher of something that no alert has would do nothing, and nobody would notice."""
    has: dict[str, set[str]] = {"alertname": set()}
    for alert in definitions(NORMAL):
        has["alertname"].add(alert.name)
        for key, value in labels_of(alert).items():
            has.setdefault(key, set()).add(value)
    rules = COMMITTED["inhibit_rules"]
    matchers = [one for rule in rules for one in (*rule["source_matchers"], *rule["target_matchers"])]
    matchers += [one for route in COMMITTED["route"]["routes"] for one in route["matchers"]]
    for matcher in matchers:
        label, values = re.fullmatch(r'(\w+)(?:=~|!~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
        assert set(values.split("|")) <= has[label], matcher
    every = {label for alert in definitions(NORMAL) for label in alert.labels} | has.keys()
    assert {label for rule in rules for label in rule.get("equal", [])} <= every


def test_templates_have_what_receivers_ask_for() -> None:
    """And use annotations that every alert has, but for links that only some have."""
    text = "".join(path.read_text(encoding="utf-8") for path in (DIRECTORY / "templates").glob("*.tmpl"))
    defined = set(re.findall(r'define "([\w.]+)"', text))
    script = (DIRECTORY / "render.sh").read_text(encoding="utf-8")
    assert set(re.findall(r'template "([\w.]+)"', script + text)) <= defined
    rules = yaml.safe_load((collector_dir() / "prometheus" / "rules" / "alerts.yaml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        assert set(re.findall(r"\.Annotations\.(\w+)", text)) - {"traces", "overview"} <= set(rule["annotations"])


@pytest.mark.parametrize("demo", [False, True])
def test_a_stack_has_copies_that_know_its_ports(demo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus of Alertmanager's; with the demonstration's rules in the place of the others, and shorter waits."""
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://receiver")
    assert not is_configured(tmp_path)
    write_configuration(collector_dir(), tmp_path, Ports(alertmanager=12345), demo)
    assert is_configured(tmp_path)
    config = prometheus_configuration(tmp_path)
    targets = yaml.safe_load(config.read_text())["alerting"]["alertmanagers"][0]["file_sd_configs"][0]["files"]
    (found,) = json.loads((config.parent / targets[0]).read_text())
    assert found == {"targets": ["127.0.0.1:12345"]}
    for file in (collector_dir() / "prometheus" / ("demo" if demo else "rules")).glob("*.yaml"):
        assert (config.parent / "rules" / file.name).read_bytes() == file.read_bytes()
    told = yaml.safe_load(alertmanager_configuration(tmp_path).read_text())
    assert told["receivers"][0]["webhook_configs"][0]["url"] == "http://receiver"
    assert told["route"]["group_wait"] == ("1s" if demo else "30s")
    assert (alertmanager_configuration(tmp_path).parent / told["templates"][0]).parent.is_dir()
    assert tmp_path.joinpath("configuration").stat().st_mode & 0o077 == 0


def test_in_containers_prometheus_finds_alertmanager_by_its_name() -> None:
    """The committed file, which a stack of its own replaces."""
    committed = json.loads((collector_dir() / "prometheus" / "alertmanagers.json").read_text())
    assert committed == [{"targets": ["alertmanager:9093"]}]
