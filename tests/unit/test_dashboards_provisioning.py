"""What Grafana reads at its start, read as strictly as it should be: Grafana itself passes over what it does not know.

Grafana cannot be run here. The fields are those of its loaders (pkg/services/provisioning:
`upsertDataSourceFromConfigV1`, `configV1`) and of the settings of each data source's plugin, as of Grafana 12.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from _dashboards import DASHBOARDS, panels
from _promql import named

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name

COLLECTOR = Path(__file__).parents[2] / "collector"
PROVISIONING = COLLECTOR / "grafana" / "provisioning"
SOURCES: dict[str, Any] = yaml.safe_load((PROVISIONING / "datasources" / "datasources.yaml").read_text("utf-8"))
PROVIDERS: dict[str, Any] = yaml.safe_load((PROVISIONING / "dashboards" / "dashboards.yaml").read_text("utf-8"))
BY_UID: dict[str, dict[str, Any]] = {source["uid"]: source for source in SOURCES["datasources"]}

ENVIRONMENT = {
    "PROMETHEUS_URL", "ALERTMANAGER_URL", "ELASTICSEARCH_URL", "JAEGER_QUERY_URL", "ELASTICSEARCH_USER",
    "ELASTICSEARCH_PASSWORD",
}  # fmt: skip

TEXT, FLAG, NUMBER, LINKS = str, bool, int, list
SOURCE = {
    "name": TEXT, "uid": TEXT, "type": TEXT, "access": TEXT, "url": TEXT, "isDefault": FLAG, "editable": FLAG,
    "basicAuth": FLAG, "basicAuthUser": TEXT, "jsonData": dict, "secureJsonData": dict,
}  # fmt: skip
JSON_DATA: dict[str, dict[str, type]] = {
    "prometheus": {
        "httpMethod": TEXT, "prometheusType": TEXT, "timeInterval": TEXT, "manageAlerts": FLAG,
        "exemplarTraceIdDestinations": LINKS,
    },
    "jaeger": {"nodeGraph": dict, "tracesToLogsV2": dict, "tracesToMetrics": dict},
    "elasticsearch": {
        "index": TEXT, "timeField": TEXT, "logMessageField": TEXT, "logLevelField": TEXT,
        "maxConcurrentShardRequests": NUMBER, "includeFrozen": FLAG, "dataLinks": LINKS,
    },
    "alertmanager": {"implementation": TEXT, "handleGrafanaManagedAlerts": FLAG},
}  # fmt: skip
TRACES_TO_LOGS = {
    "datasourceUid": TEXT, "spanStartTimeShift": TEXT, "spanEndTimeShift": TEXT, "filterByTraceID": FLAG,
    "filterBySpanID": FLAG, "customQuery": FLAG, "query": TEXT,
}  # fmt: skip
TRACES_TO_METRICS = {
    "datasourceUid": TEXT, "spanStartTimeShift": TEXT, "spanEndTimeShift": TEXT, "tags": LINKS, "queries": LINKS,
}  # fmt: skip
PROVIDER = {
    "name": TEXT, "orgId": NUMBER, "type": TEXT, "folder": TEXT, "folderUid": TEXT, "disableDeletion": FLAG,
    "allowUiUpdates": FLAG, "updateIntervalSeconds": NUMBER, "options": dict,
}  # fmt: skip


def _check(found: dict[str, Any], fields: dict[str, type], required: set[str]) -> None:
    assert found.keys() <= fields.keys()
    assert required <= found.keys()
    for key, value in found.items():
        assert type(value) is fields[key], key


def _texts(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [text for value in found.values() for text in _texts(value)]
    if isinstance(found, list):
        return [text for value in found for text in _texts(value)]
    return [found] if isinstance(found, str) else []


def _as_grafana_does(text: str, environment: dict[str, str]) -> str:
    """`interpolateValue`: two dollars are one; the others are variables of the environment, or nothing."""
    parts = (
        re.sub(r"\$(?:\{([^}]*)\}|(\w+))", lambda match: environment.get(match[1] or match[2], ""), part)
        for part in text.split("$$")
    )
    return "$".join(parts)


def test_the_files_have_what_the_loaders_know_and_nothing_else() -> None:
    """A misspelled field is passed over, and what it should have said is missing."""
    _check(SOURCES, {"apiVersion": NUMBER, "prune": FLAG, "datasources": LINKS}, {"apiVersion", "datasources"})
    _check(PROVIDERS, {"apiVersion": NUMBER, "providers": LINKS}, {"apiVersion", "providers"})
    for source in SOURCES["datasources"]:
        _check(source, SOURCE, {"name", "uid", "type", "access", "url", "editable", "jsonData"})
        _check(source["jsonData"], JSON_DATA[source["type"]], set())
    jaeger = BY_UID["jaeger"]["jsonData"]
    _check(jaeger["tracesToLogsV2"], TRACES_TO_LOGS, {"datasourceUid", "customQuery", "query"})
    _check(jaeger["tracesToMetrics"], TRACES_TO_METRICS, {"datasourceUid", "tags", "queries"})
    for provider in PROVIDERS["providers"]:
        _check(provider, PROVIDER, set(PROVIDER) - {"orgId"})


def test_data_sources_are_those_that_the_dashboards_name() -> None:
    """By uid and type; a panel with another one shows 'data source not found'."""
    assert BY_UID.keys() == {"prometheus", "jaeger", "elasticsearch", "alertmanager"}
    assert len(BY_UID) == len(SOURCES["datasources"])
    assert [source["uid"] for source in SOURCES["datasources"] if source.get("isDefault")] == ["prometheus"]
    for dashboard in DASHBOARDS.values():
        referred = [panel["datasource"] for panel in panels(dashboard) if "datasource" in panel]
        referred += [target["datasource"] for panel in panels(dashboard) for target in panel.get("targets", [])]
        referred += [
            variable["datasource"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"
        ]
        referred += [annotation["datasource"] for annotation in dashboard["annotations"]["list"]]
        assert {(source["uid"], source["type"]) for source in referred} <= {
            (uid, source["type"]) for uid, source in BY_UID.items()
        }


def test_every_dollar_is_a_variable_that_is_set_or_written_twice() -> None:
    """Of an unknown variable Grafana makes nothing, without a word."""
    for text in _texts(SOURCES) + _texts(PROVIDERS):
        for match in re.finditer(r"\$\$|\$\{(\w+)\}|\$", text):
            assert match[0] == "$$" or match[1] in ENVIRONMENT, text
    addresses = {uid: source["url"] for uid, source in BY_UID.items()}
    assert addresses == {
        "prometheus": "${PROMETHEUS_URL}",
        "jaeger": "${JAEGER_QUERY_URL}",
        "elasticsearch": "${ELASTICSEARCH_URL}",
        "alertmanager": "${ALERTMANAGER_URL}",
    }


def test_a_point_in_a_panel_leads_to_its_trace() -> None:
    """Prometheus calls the trace of an exemplar so when it takes it by OTLP."""
    (link,) = BY_UID["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (link["name"], link["datasourceUid"]) == ("trace_id", "jaeger")
    asking = [
        target for panel in panels(DASHBOARDS["service"]) for target in panel["targets"] if target.get("exemplar")
    ]
    assert asking


def test_a_trace_leads_to_its_log_lines_and_a_line_to_its_trace() -> None:
    """By fields that the Collector writes and our templates map."""
    to_logs = BY_UID["jaeger"]["jsonData"]["tracesToLogsV2"]
    assert to_logs["datasourceUid"] == "elasticsearch"
    assert _as_grafana_does(to_logs["query"], {}) == 'trace_id:"${__span.traceId}"'
    (to_trace,) = BY_UID["elasticsearch"]["jsonData"]["dataLinks"]
    assert to_trace["datasourceUid"] == "jaeger"
    assert _as_grafana_does(to_trace["url"], {}) == "${__value.raw}"
    component = yaml.safe_load(
        (COLLECTOR / "elasticsearch" / "templates" / "component" / "bento-observe-logs.json").read_text("utf-8")
    )
    mapped = component["template"]["mappings"]["properties"]
    settings = BY_UID["elasticsearch"]["jsonData"]
    assert {to_trace["field"], settings["logLevelField"]} <= mapped.keys()
    assert settings["logMessageField"].split(".")[1] in mapped["body"]["properties"]


def test_a_trace_leads_to_metrics_that_are_sent() -> None:
    """The queries are written out in the file; names are those of the name module."""
    to_metrics = BY_UID["jaeger"]["jsonData"]["tracesToMetrics"]
    assert to_metrics["datasourceUid"] == "prometheus"
    assert to_metrics["tags"] == [{"key": semconv.SERVICE_NAME, "value": label_name(semconv.SERVICE_NAME)}]
    known = {f"{metric_name(semconv.REQUEST_DURATION)}_{part}" for part in ("bucket", "count")}
    for query in to_metrics["queries"]:
        text = _as_grafana_does(query["query"], {}).replace("$__tags", 'service_name="wine"')
        assert {selector.series for selector in named(text).selectors} <= known


def test_dashboards_are_read_from_where_compose_puts_them() -> None:
    """And into the folder that alerts and links name."""
    (provider,) = PROVIDERS["providers"]
    assert (provider["folder"], provider["folderUid"]) == ("bento-observe", "bento-observe")
    assert provider["type"] == "file"
    _check(provider["options"], {"path": TEXT, "foldersFromFilesStructure": FLAG}, {"path"})
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${A}", "x"),
        ("$A/y", "x/y"),
        ("$${A}", "${A}"),
        ("${B}", ""),
        ('a:"$${__span.traceId}"', 'a:"${__span.traceId}"'),
    ],
)
def test_the_imitation_of_grafanas_expansion(text: str, meant: str) -> None:
    """As `interpolateValue` in pkg/services/provisioning/values does."""
    assert _as_grafana_does(text, {"A": "x"}) == meant
