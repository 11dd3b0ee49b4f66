"""Grafana's provisioning files, by a loader as strict as Grafana's own and stricter about what it would pass over.

The fields and checks are those of `pkg/services/provisioning/alerting` in Grafana's sources (rules_types.go,
contact_point_types.go, notification_policy_types.go, text_templates.go). Grafana itself can't be run here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.alerts import NORMAL, definitions

ALERTING = Path(__file__).resolve().parents[2] / "collector" / "grafana" / "provisioning" / "alerting"
VARIABLES = {
    "GRAFANA_URL", "JAEGER_URL", "RUNBOOK_URL", "GRAFANA_ALERTS_PAUSED", "ALERT_PAGE_EMAIL_TO",
    "ALERT_PAGE_WEBHOOK_URL", "ALERT_TICKET_EMAIL_TO", "ALERT_TICKET_WEBHOOK_URL",
}  # fmt: skip
"""What whoever starts Grafana has to set: compose does."""

_DURATION = re.compile(r"(\d+[smhdw])+")
_RULE = {
    "uid": str, "title": str, "condition": str, "data": list, "for": str, "keepFiringFor": str, "noDataState": str,
    "execErrState": str, "annotations": dict, "labels": dict, "isPaused": str,
}  # fmt: skip
_QUERY = {"refId": str, "datasourceUid": str, "relativeTimeRange": dict, "model": dict}


def _load(name: str, key: str) -> list[dict[str, Any]]:
    text = (ALERTING / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= VARIABLES
    document = yaml.safe_load(text)
    assert set(document) == {"apiVersion", key}
    assert document["apiVersion"] == 1
    found: list[dict[str, Any]] = document[key]
    assert found
    assert all(one["orgId"] == 1 for one in found)
    return found


def _typed(given: dict[str, Any], types: dict[str, type], optional: frozenset[str] = frozenset()) -> None:
    assert set(types) - optional <= set(given) <= set(types)
    for key, value in given.items():
        assert isinstance(value, types[key]), key


def _rules() -> list[dict[str, Any]]:
    return [rule for group in _load("rules.yaml", "groups") for rule in group["rules"]]


def test_groups_are_evaluated_in_steps_that_grafana_has() -> None:
    """A folder, a name, an interval that is a multiple of ten seconds."""
    for group in _load("rules.yaml", "groups"):
        _typed(group, {"orgId": int, "name": str, "folder": str, "interval": str, "rules": list})
        assert group["folder"] == "bento-observe"
        assert group["interval"] == "1m"
        assert group["rules"]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["title"])
def test_a_rule_is_what_grafana_takes(rule: dict[str, Any]) -> None:
    """Known fields of the right type; a short uid; waits that are whole evaluations; states that exist."""
    _typed(rule, _RULE, frozenset({"keepFiringFor"}))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", rule["uid"])
    assert len(rule["title"]) <= 190
    for key in ("for", "keepFiringFor"):
        assert _DURATION.fullmatch(rule.get(key, "1m"))
    assert rule["noDataState"] in {"Alerting", "NoData", "OK", "KeepLast"}
    assert rule["execErrState"] in {"Alerting", "Error", "OK", "KeepLast"}
    assert all(isinstance(text, str) for text in (*rule["annotations"].values(), *rule["labels"].values()))


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["title"])
def test_a_rule_fires_by_what_it_asks_prometheus(rule: dict[str, Any]) -> None:
    """Instant queries of the one source, each with a name of its own, and an expression over one that exists."""
    names = [query["refId"] for query in rule["data"]]
    assert len(set(names)) == len(names)
    assert rule["condition"] == names[-1] == "firing"
    for query in rule["data"]:
        _typed(query, _QUERY)
        assert query["model"]["refId"] == query["refId"]
        assert query["relativeTimeRange"]["from"] > query["relativeTimeRange"]["to"] == 0
        if query["refId"] == "firing":
            assert query["datasourceUid"] == "__expr__"
            assert set(re.findall(r"\$(\w+)", query["model"]["expression"])) <= set(names)
        else:
            assert query["datasourceUid"] == query["model"]["datasource"]["uid"] == "prometheus"
            assert query["model"]["instant"]
            assert "__of__" not in query["model"]["expr"]
            assert ",}" not in query["model"]["expr"]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["title"])
def test_texts_use_what_grafana_has(rule: dict[str, Any]) -> None:
    """No dollar that its environment would swallow, no function that it lacks, no number that no query gives."""
    names = {query["refId"] for query in rule["data"]}
    for text in rule["annotations"].values():
        assert "$" not in re.sub(r"\$\{\w+\}", "", text)
        assert "query" not in re.findall(r"\b\w+\b", "".join(re.findall(r"{{(.*?)}}", text)))
        assert set(re.findall(r'index \.Values "(\w+)"', text)) <= names


def test_grafana_has_every_alert_with_the_expression_of_prometheus() -> None:
    """Once each, under a uid that stays the same when the text is changed; but for the one that nobody is to read."""
    alerts = [alert for alert in definitions(NORMAL) if alert.severity != "none"]
    rules = _rules()
    assert [rule["title"] for rule in rules] == [alert.key for alert in alerts]
    assert len({rule["uid"] for rule in rules}) == len(rules)
    for alert, rule in zip(alerts, rules, strict=True):
        assert rule["data"][0]["model"]["expr"] == alert.expression.replace("{}", "")
        assert rule["for"] == alert.wait
        assert rule["labels"]["severity"] == alert.severity


def test_contact_points_have_receivers_with_settings() -> None:
    """A name; receivers with a uid, a type that Grafana has, and the settings that type needs."""
    needed = {"email": "addresses", "webhook": "url"}
    points = _load("contact_points.yaml", "contactPoints")
    uids = [receiver["uid"] for point in points for receiver in point["receivers"]]
    assert len(set(uids)) == len(uids)
    for point in points:
        _typed(point, {"orgId": int, "name": str, "receivers": list})
        for receiver in point["receivers"]:
            _typed(receiver, {"uid": str, "type": str, "settings": dict})
            assert len(receiver["uid"]) <= 40
            assert receiver["settings"][needed[receiver["type"]]]


def test_the_notification_policy_leads_to_contact_points_that_exist() -> None:
    """By severity; grouped by what Grafana asks for."""
    points = {point["name"] for point in _load("contact_points.yaml", "contactPoints")}
    (policy,) = _load("policies.yaml", "policies")
    severities = {alert.severity for alert in definitions(NORMAL)}
    for route in (policy, *policy["routes"]):
        assert route["receiver"] in points
        assert route["receiver"].rpartition("-")[2] in severities
        assert _DURATION.fullmatch(route["group_wait"])
        for label, operator, value in route.get("object_matchers", []):
            assert (label, operator) == ("severity", "=")
            assert value in severities
    assert {"grafana_folder", "alertname"} <= set(policy["group_by"])


def test_message_templates_are_those_of_alertmanager() -> None:
    """Each file once, and what contact points ask for is defined in it."""
    templates = _load("templates.yaml", "templates")
    source = ALERTING.parents[2] / "alertmanager" / "templates"
    assert {one["name"]: one["template"] for one in templates} == {
        path.stem: path.read_text(encoding="utf-8") for path in source.glob("*.tmpl")
    }
    # A variable of Go's would be taken for one of the environment, as everywhere in these files.
    assert not any("$" in one["template"] for one in templates)
    defined = {name for one in templates for name in re.findall(r'define "([\w.]+)"', one["template"])}
    asked = re.findall(r'template "([\w.]+)"', (ALERTING / "contact_points.yaml").read_text(encoding="utf-8"))
    assert set(asked) <= defined


def test_rules_have_the_types_of_grafanas_own_sdk() -> None:
    """Each goes through the SDK's type and comes back with every field that this type knows."""
    alerting = pytest.importorskip("grafana_foundation_sdk.models.alerting")
    for rule in _rules():
        known = {**rule, "folderUID": "bento-observe", "orgID": 1, "ruleGroup": "x"}
        back = alerting.Rule.from_json(known).to_json()
        for key in ("uid", "title", "condition", "for", "annotations", "labels", "noDataState", "execErrState"):
            assert back[key] == rule[key]
        assert len(back["data"]) == len(rule["data"])
