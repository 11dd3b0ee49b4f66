"""The dashboards as Grafana reads them: what the code makes, valid by the SDK's types, with a word on every panel."""

from __future__ import annotations

import itertools
import json
import re
import sys
from typing import Any

import pytest
from _dashboards import DASHBOARDS, panels, queries, selector_of, used

if sys.version_info < (3, 11):
    pytest.skip("grafana-foundation-sdk needs Python 3.11", allow_module_level=True)

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from collector.grafana.boards import BOARDS
from collector.grafana.expectations import Traffic, expected
from collector.grafana.generate import DASHBOARDS as FOLDER
from collector.grafana.generate import documents
from collector.grafana.variables import ANY, UNSLICED

UIDS = {f"bento-observe-{name}" for name in ("service", "model", "feature", "predictions", "telemetry")}
VARIABLES = {
    "environment", "namespace", "service", "version", "instance", "model", "model_version", "api", "signal", "feature",
    "reference", "window", "slice",
}  # fmt: skip
SHOWN = [(file, panel) for file, dashboard in DASHBOARDS.items() for panel in panels(dashboard)]
NAMES = [f"{file}: {panel['title']}" for file, panel in SHOWN]


def test_the_committed_files_are_what_the_code_makes() -> None:
    """A change of a name or a panel that forgot the files is found here."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == documents()


@pytest.mark.parametrize("file", DASHBOARDS)
def test_a_dashboard_survives_the_types_of_the_sdk(file: str) -> None:
    """Read into Grafana's schema and written again it is the same: no field that Grafana would not know."""
    register_default_plugins()
    again: dict[str, Any] = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[file]), cls=JSONEncoder))
    # The SDK's annotations are those of Grafana's own database: the fields of a Prometheus query are not in its type.
    read = json.loads(json.dumps(DASHBOARDS[file]))
    for annotation in read["annotations"]["list"] + again["annotations"]["list"]:
        for key in ("titleFormat", "textFormat", "step", "target"):
            annotation.pop(key, None)
    assert again == read


def test_uids_and_variables_are_those_that_links_rely_on() -> None:
    """Alerts, runbook and README link to them."""
    assert {dashboard["uid"] for dashboard in DASHBOARDS.values()} == UIDS
    assert all(dashboard["uid"] == f"bento-observe-{file}" for file, dashboard in DASHBOARDS.items())
    assert all(dashboard["tags"] == ["bento-observe"] for dashboard in DASHBOARDS.values())
    named = {variable["name"] for dashboard in DASHBOARDS.values() for variable in dashboard["templating"]["list"]}
    assert named == VARIABLES


@pytest.mark.parametrize("file", DASHBOARDS)
def test_a_variable_is_there_before_it_is_used_and_used_if_it_is_there(file: str) -> None:
    """Grafana leaves an unknown variable as it is written, which selects nothing; an unused one only confuses."""
    dashboard = DASHBOARDS[file]
    known: list[str] = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert used(selector_of(variable)) <= set(known)
        known.append(variable["name"])
    asked = [expr for _, expr in queries(dashboard)]
    asked += [json.dumps(panel.get("targets", [])) for panel in panels(dashboard)]
    assert set().union(*map(used, asked)) == set(known)


@pytest.mark.parametrize("file", DASHBOARDS)
def test_values_get_into_queries_in_one_form_only(file: str) -> None:
    """Between backticks as a regular expression, and windows as they are: see collector/grafana/variables.py."""
    for where, expr in queries(DASHBOARDS[file]):
        for match in re.finditer(r"(.?)\$(?!\d)\{?(\w+)(?::(\w+))?\}?(.?)", expr):
            before, name, form, after = match.groups()
            if name == "window":
                assert form is None
            elif not name.startswith("__"):
                assert (before, form, after) == ("`", "regex", "`"), where


def test_all_stands_for_series_without_the_label_too() -> None:
    """A service without a version or an environment has series without these labels."""
    for dashboard in DASHBOARDS.values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query" and variable["includeAll"]:
                assert variable["allValue"] == (UNSLICED if variable["name"] == "slice" else ANY)
                assert re.fullmatch(variable["allValue"], "")


@pytest.mark.parametrize(("file", "panel"), SHOWN, ids=NAMES)
def test_a_panel_says_what_it_shows_and_why_there_is_nothing(file: str, panel: dict[str, Any]) -> None:
    """An empty box leaves one guessing whether it is broken."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    empty = panel["fieldConfig"]["defaults"]["noValue"]
    reasons = r"No data yet, because .+\.$|(No|Nothing) [a-z ]+ in this time\.$|No alert [a-z ]+ pending\.$"
    assert re.match(reasons, empty), empty


@pytest.mark.parametrize(("file", "panel"), SHOWN, ids=NAMES)
def test_a_panel_has_unit_and_names(file: str, panel: dict[str, Any]) -> None:
    """The default legend is all labels of a series, a line long."""
    if not panel.get("targets"):
        return
    assert panel["fieldConfig"]["defaults"]["unit"] in {
        "short", "s", "bytes", "Bps", "reqps", "reqpm", "cps", "percentunit",
    }  # fmt: skip
    for target in panel["targets"]:
        if "expr" in target and panel["type"] in ("timeseries", "heatmap"):
            assert target["legendFormat"] not in ("", "__auto")


def test_marks_in_time_are_told_in_both_forms_that_grafana_reads() -> None:
    """Grafana 11 takes `expr`, later ones `target`; what is written at a mark is a label that the query keeps."""
    for file, dashboard in DASHBOARDS.items():
        marks = {annotation["name"]: annotation for annotation in dashboard["annotations"]["list"]}
        assert marks.keys() == ({"Version"} if file in ("service", "telemetry") else {"Version", "Reference"})
        for annotation in marks.values():
            assert annotation["target"]["expr"] == annotation["expr"]
            (label,) = re.findall(r"\{\{(\w+)\}\}", annotation["textFormat"])
            assert f"by ({label})" in annotation["expr"]


def test_exemplars_are_asked_for_with_the_first_query() -> None:
    """Grafana leaves out those of a later query of the panel that is about the same histogram."""
    asking = [panel for _, panel in SHOWN if any(target.get("exemplar") for target in panel.get("targets", []))]
    assert {"Latency", "Latency over time", "Heat map", "Quantiles"} <= {panel["title"] for panel in asking}
    for panel in asking:
        assert [target["exemplar"] for target in panel["targets"]] == [True] + [False] * (len(panel["targets"]) - 1)


@pytest.mark.parametrize("file", DASHBOARDS)
def test_panels_lie_side_by_side(file: str) -> None:
    """None on another, none beyond the 24 columns, each with a number of its own."""
    every = DASHBOARDS[file]["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    places = [panel["gridPos"] for panel in every]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("file", DASHBOARDS)
def test_panels_fill_their_lines(file: str) -> None:
    """A hole in a line is a forgotten width."""
    lines: dict[int, int] = {}
    for panel in DASHBOARDS[file]["panels"]:
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


def test_links_go_to_dashboards_and_variables_that_exist() -> None:
    """Those of the overview's table to the feature, in particular."""
    links = re.findall(r'"/d/([^?"]+)\?([^"]*)"', json.dumps(list(DASHBOARDS.values())))
    assert links
    for uid, fields in links:
        dashboard = DASHBOARDS[uid.removeprefix("bento-observe-")]
        variables = {variable["name"] for variable in dashboard["templating"]["list"]}
        asked = set(re.findall(r"var-(\w+)=", fields)) | set(re.findall(r"\$\{(\w+):queryparam\}", fields))
        assert {"service", "feature", "reference"} <= asked <= variables
    for dashboard in DASHBOARDS.values():
        (link,) = dashboard["links"]
        assert (link["type"], link["tags"], link["includeVars"]) == ("dashboards", ["bento-observe"], True)


def test_a_feature_has_one_reference_at_a_time() -> None:
    """What has buckets of its own; where features are compared with each other, all references may be chosen."""
    for file, dashboard in DASHBOARDS.items():
        for variable in dashboard["templating"]["list"]:
            if variable["name"] == "reference":
                one = file == "feature"
                assert (variable["multi"], variable["includeAll"]) == (not one, not one)


def test_a_link_from_a_table_takes_from_columns_that_are_there() -> None:
    """Columns are called as the table shows them, and a name with a space could not be told in a link."""
    for _, panel in SHOWN:
        fields = re.findall(r"\$\{__data\.fields\.(\w+):percentencode\}", json.dumps(panel))
        if fields:
            (organised,) = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
            assert set(fields) <= set(organised["renameByName"].values())


def test_every_panel_with_queries_says_which_traffic_fills_it() -> None:
    """The test on the real servers goes by that."""
    told = expected()
    assert told.keys() == UIDS
    for file, dashboard in DASHBOARDS.items():
        asking = {panel["title"] for panel in panels(dashboard) if panel.get("targets")}
        assert told[f"bento-observe-{file}"].keys() == asking
    assert {traffic for of_panels in told.values() for traffic in of_panels.values()} == set(Traffic)


def test_two_panels_of_one_title_are_refused() -> None:
    """What fills a panel is told by its title."""
    board = BOARDS[0]
    twice = type(board)(board.file, board.title, board.shows, board.chosen, (*board.rows, board.rows[0]))
    with pytest.raises(ValueError, match="two panels"):
        twice.traffic()
