"""Every query of every dashboard and rule on the real servers: it is understood, and it has data when it should."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
import stack_signals as otlp
import yaml
from dashboards_opened import DASHBOARDS, Runs, answers, open_all, panel, panels, sources
from dashboards_scene import ODD, PHASES, SHOP, STEP, Scene, play

pytest.importorskip("grafana_foundation_sdk")
pytest.importorskip("sklearn")

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack import Stack, _http
from bento_observe.stack._assets import collector_dir
from bento_observe.stack.query import prometheus_query
from collector.grafana import foreign, names
from collector.grafana.expectations import Traffic, expected
from collector.grafana.preview import Window, known_unit, not_since, run

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]


def _groups(*files: str) -> list[dict[str, Any]]:
    paths = sorted(path for file in files for path in (collector_dir() / "prometheus" / "rules").glob(file))
    return [group for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]


RULES: Final = _groups("*.yaml")
SOON: Final = [group for group in RULES if group.get("interval") != "4m"]
"""Those that are evaluated often; the others are a day's."""

MAY_BE_EMPTY: Final = {
    "Failed to send": "no server of the stack fails here; tests/stack/test_stack_outage.py lets them",
    "Alerts": "nothing needs to be alarmed about within the few minutes of this; test_stack_dashboards_figures.py",
    "Alerts on telemetry": "the same",
    "Failed exports": "the Collector is never down here; the same test lets it",
    "Failed to queue": "no queue of the Collector's is full here",
}
"""Panels that nothing here fills, by title. Their metrics' names are those of `collector.grafana.foreign` all the same,
as `test_every_metric_is_known` finds."""

NEVER_OF_PLAIN: Final = {
    Traffic.REFERENCE, Traffic.FAILING, Traffic.SLOW, Traffic.BATCHES, Traffic.STREAMS, Traffic.GPU, Traffic.TROUBLE,
    Traffic.MATCHED, Traffic.VALUES, Traffic.REFUSED, Traffic.CALIBRATED, Traffic.OUTCOMES, Traffic.CONCEPT,
    Traffic.CALLS, Traffic.FAILED_CALLS,
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """All traffic, once the rules that look back an hour have been evaluated."""
    running = stack.running() or stack.up()
    played = play(running, tmp_path_factory.mktemp("dashboards"))
    recorded = f'feature:ml_feature_drift:drifted{{service_name="{SHOP}", ml_drift_window="1h"}}'
    wanted = {(ODD, "psi"), (ODD, "js"), (ODD, "ks"), ("class", "psi"), ("outcomes", "psi"), ("log_amount", "ks")}

    def missing() -> set[tuple[str, str]]:
        found = prometheus_query(running.prometheus, recorded)
        return wanted - {(sample.labels["ml_feature_name"], sample.labels["ml_drift_method"]) for sample in found}

    def unrecorded() -> set[str]:
        found = prometheus_query(running.prometheus, f'{{__name__=~".+:.+:.+", service_name="{SHOP}"}}')
        return set(names.RECORDED) - {sample.labels["__name__"] for sample in found}

    otlp.eventually(missing, set(), timeout=150)
    otlp.eventually(lambda: not_since(running.prometheus, played.ends["drifted"]), set(), timeout=90)

    def unscored() -> set[str]:
        series = f'{names.PERFORMANCE}{{service_name="{SHOP}", ml_performance_window="1h"}}'
        found = {sample.labels["ml_performance_metric"] for sample in prometheus_query(running.prometheus, series)}
        return {"accuracy", "f1_macro", "auc", "ece", "brier", "log_loss", "mae", "rmse", "bias", "r2"} - found

    otlp.eventually(unrecorded, set(), timeout=90)  # rules over what rules of other groups record come after these
    otlp.eventually(unscored, set(), timeout=90)  # the area under the curve, once the boundaries are recorded
    return played


@pytest.fixture(scope="module")
def runs(scene: Scene) -> Runs:
    """Every dashboard opened in every way, when all is over."""
    return open_all(scene)


def test_every_query_is_understood(runs: Runs) -> None:
    """By Prometheus, Elasticsearch and Jaeger, whatever is chosen; every name in a legend is one of the series'."""
    assert len(DASHBOARDS) == 5
    assert {(where, answer.complaint()) for where, answer in answers(runs) if answer.complaint()} == set()


def test_every_query_has_data(runs: Runs) -> None:
    """Each in one of the ways to open its dashboard at least, after all kinds of traffic, in two versions."""
    asked = {where for where, _ in answers(runs)}
    filled = {where for where, answer in answers(runs) if answer.has_data}
    excused = {where for where in asked if where[1] in MAY_BE_EMPTY}
    assert asked - filled - excused == set()
    assert {where[1] for where in excused} == MAY_BE_EMPTY.keys()


def test_panels_are_filled_by_the_traffic_that_they_say(runs: Runs) -> None:
    """Of a service with everything all that its feature allows; of one that only answers, without a reference, what
    is the same with any service and nothing else.
    """
    kinds = expected()
    number = set(Traffic) - {Traffic.CATEGORIES}
    for name, filling in (("a number", number), ("text", {Traffic.CATEGORIES}), ("no reference", {Traffic.ANY})):
        for one, shown in panels(runs[name]):
            where = (name, one.dashboard.uid, shown.panel.title)
            if name == "no reference" and where[1] == "bento-observe-telemetry":
                continue  # the plain one ends early, maybe before the Collector has sent its own metrics twice
            kind = kinds[one.dashboard.uid].get(shown.panel.title)
            if kind in {*filling, Traffic.NOTHING} and where[2] not in MAY_BE_EMPTY:
                assert shown.has_data, (where, kind)
            if name == "no reference" and kind in NEVER_OF_PLAIN:
                assert not shown.has_data, (where, kind)


def test_every_variable_has_something_to_choose(runs: Runs) -> None:
    """Without an error from any query; the feature's odd name among the features."""
    filled: set[str] = set()
    for opened in runs.values():
        for one in opened:
            assert {variable.error for variable in one.variables.values()} == {""}
            filled |= {name for name, variable in one.variables.items() if variable.options}
    assert filled == {str(variable["name"]) for dashboard in DASHBOARDS for variable in dashboard.variables}
    feature = next(one.variables["feature"] for one in runs["a number"] if "feature" in one.variables)
    assert {ODD, "amount", "items", "country"} <= set(feature.options)


def test_an_odd_name_shows_what_any_other_shows(runs: Runs) -> None:
    """Quotes, braces, a backslash, spaces and other letters: the same panels have data, with as many series."""

    def filled(name: str) -> dict[tuple[str, str], list[bool]]:
        return {
            (one.dashboard.uid, shown.panel.title): [answer.has_data for answer in shown.answers]
            for one, shown in panels(runs[name])
            if "feature" in one.variables
        }

    assert filled("an odd name") == filled("a number")
    table = panel(runs, "an odd name", "model", "Features by drift")
    assert ODD in {series.labels["ml_feature_name"] for series in table.answers[0].series}


def test_a_panel_without_data_says_why(runs: Runs) -> None:
    """Of a service with one replica and no reference, labels or GPU: no error, and a reason instead of an empty box."""
    empty = [shown for _, shown in panels(runs["no reference"]) if not shown.has_data]
    assert len(empty) > 10
    for shown in empty:
        assert len(shown.panel.defaults.get("noValue", "").split()) > 2, shown.panel.title


def test_units_are_known() -> None:
    """Every panel's, and every column's."""
    units = {unit for dashboard in DASHBOARDS for panel in dashboard.panels for unit in panel.units}
    assert len(units) > 5
    assert {unit for unit in units if not known_unit(unit)} == set()


def test_what_phases_bring_is_seen_from_then_on(scene: Scene) -> None:
    """Failures not before requests fail; drift with version 2; nulls, unseen and far-off values when they are sent."""

    def last(phase: str, title: str, uid: str = "feature", **wanted: str) -> float | None:
        (dashboard,) = [one for one in DASHBOARDS if one.uid == f"bento-observe-{uid}"]
        # Of the dashboard this panel alone.
        panels = tuple(panel for panel in dashboard.panels if panel.title == title)
        alone = replace(dashboard, panels=panels, annotations=())
        chosen = {"service": SHOP, "signal": "input", **wanted}
        (shown,) = run(alone, sources(scene, f"{STEP}s"), Window(scene.start, scene.ends[phase]), chosen).panels
        answer = shown.answers[0]
        values = [series.last for series in answer.series if not math.isnan(series.last)]
        return max(values, default=None)

    def course(title: str, **wanted: str) -> list[float | None]:
        return [last(phase, title, **wanted) for phase in PHASES]

    # What is counted of HTTP begins with the first of its kind, what is counted of features at zero.
    assert [value is not None for value in course("Errors by type", uid="service")] == [False, False, False, True]
    assert None not in course("Requests by status", uid="service")
    for title, feature in (("Missing", "items"), ("Unseen and other categories", "country")):
        assert [bool(value) for value in course(title, feature=feature)[:3]] == [False, False, True], title
    outside = course("Out of range", feature=ODD)
    assert (outside[2] or 0.0) > (outside[0] or 0.0)
    drift = "Drift of single workers"
    assert (last("normal", drift, feature="amount", version="1") or 0.0) < 1
    assert (last("drifted", drift, feature="amount", version="2") or 0.0) > 1

    evidence = "Evidence of single workers"
    assert (last("normal", evidence, uid="predictions", version="1") or 0.0) < 1
    assert last("drifted", evidence, uid="predictions", version="2") == 1


def test_performance_is_measured_below_what_was_expected(runs: Runs) -> None:
    """Since outcomes came to have nothing to do with what the model knows: below the band of the estimate, which does
    not see that; both disagree, and a detector was alarmed.
    """

    def value(title: str) -> float:
        (series,) = panel(runs, "a number", "model", title).answers[0].series
        return series.last

    lowest = panel(runs, "a number", "model", "Accuracy, measured and expected").answers[4].series[0].last
    assert 0.3 < value("Accuracy") < lowest < value("Expected accuracy")
    assert value("Accuracy as tested") > 0.7
    assert value("Labels") > 1000
    assert value("Concept") == 1
    disagreement, critical, _ = panel(runs, "a number", "predictions", "Disagreement").answers
    assert min(one.last for one in disagreement.series) > max(one.last for one in critical.series)
    reasons = {
        series.labels["reason"] for series in panel(runs, "a number", "predictions", "Refused labels").answers[0].series
    }
    assert {"duplicate", "forged", "unknown_class", "no_label"} <= reasons


def test_versions_are_marked(runs: Runs) -> None:
    """Both versions of the shop, on each dashboard; and its reference where there are features."""
    for one in runs["a number"]:
        marks = {answer.ref: answer for answer in one.annotations}
        versions = {series.labels["service_version"] for series in marks["Version"].series if not series.empty}
        assert versions == {"1", "2"}, one.dashboard.uid


def test_points_logs_and_traces_lead_to_each_other(scene: Scene, runs: Runs) -> None:
    """Exemplars of the latency, lines of the log and slow requests all name traces that Jaeger has."""
    latency = panel(runs, "a number", "service", "Latency").answers
    exemplars = [point for answer in latency for point in answer.exemplars]
    lines = panel(runs, "a number", "service", "Errors in the log").answers[0].rows
    slow = panel(runs, "a number", "service", "Slow requests").answers[0].rows
    found = {
        "exemplar": [point["labels"]["trace_id"] for point in exemplars],
        "log": [line["trace_id"] for line in lines if line.get("trace_id")],
        "slow": [trace["traceID"] for trace in slow],
    }
    for kind, ids in found.items():
        assert ids, kind
        trace = _http.get_json(f"{scene.running.jaeger}/api/traces/{ids[-1]}")["data"]
        assert len(trace) == 1, kind


def test_every_metric_is_known(scene: Scene, runs: Runs) -> None:
    """Each name in a query or a rule is one of the name module's, or recorded by a rule, or the Collector's own and
    there: nothing is empty because it was renamed.
    """
    recorded = {rule["record"] for group in RULES for rule in group["rules"] if "record" in rule}
    ours = {f"{metric_name(metric)}{part}" for metric in semconv.METRICS for part in ("", "_bucket", "_count", "_sum")}
    there = set(_http.get_json(f"{scene.running.prometheus}/api/v1/label/__name__/values")["data"])
    # What is chosen changes no name: one query of each place is enough.
    places = {where: answer.text for where, answer in answers(runs) if _is_prometheus(where[1])}
    queries = set(places.values()) | {rule["expr"] for group in RULES for rule in group["rules"]}
    asked: dict[str, str] = {}
    labels: set[str] = set()
    for query in queries:
        tree = _http.get_json(f"{scene.running.prometheus}/api/v1/parse_query", {"query": query})["data"]
        for node in _nodes(tree):
            if node.get("type") == "vectorSelector":
                asked.setdefault(node["name"], query)
                labels |= {matcher["name"] for matcher in node["matchers"]} - {"__name__"}
    strangers = asked.keys() - ours - recorded - {""}
    at_times = {*foreign.FAILURES, foreign.ALERTS, foreign.ALERTS_SINCE}
    assert {name: asked[name] for name in strangers - there - at_times} == {}
    known = {label_name(key) for metric in semconv.METRICS for key in metric.attributes} | set(foreign.LABELS)
    known |= {label_name(key) for key in RESOURCE}
    known |= {key for group in RULES for rule in group["rules"] for key in rule.get("labels", {})}
    assert labels - known == set()


RESOURCE: Final = (
    semconv.SERVICE_NAME, semconv.SERVICE_NAMESPACE, semconv.SERVICE_VERSION, semconv.SERVICE_INSTANCE_ID,
    semconv.DEPLOYMENT_ENVIRONMENT_NAME, semconv.HOST_NAME,
)  # fmt: skip


def _is_prometheus(title: str) -> bool:
    sources = {
        query.source for each in DASHBOARDS for panel in each.panels if panel.title == title for query in panel.queries
    }
    return title == "annotation" or sources == {"prometheus"}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def test_every_rule_is_evaluated(scene: Scene) -> None:
    """Prometheus has loaded each of them and none failed; what looks back an hour at most has recorded something, of
    what this traffic feeds."""
    groups = _http.get_json(f"{scene.running.prometheus}/api/v1/rules")["data"]["groups"]
    loaded = {(group["name"], rule["name"]): rule for group in groups for rule in group["rules"]}
    written = {(group["name"], rule.get("record") or rule["alert"]) for group in RULES for rule in group["rules"]}
    assert loaded.keys() == written
    assert {name: rule["lastError"] for name, rule in loaded.items() if rule.get("lastError")} == {}
    recorded = {rule["record"] for group in SOON for rule in group["rules"] if "record" in rule}

    def unrecorded() -> set[str]:
        found = prometheus_query(scene.running.prometheus, '{__name__=~".+:.+:.+"}')
        return recorded - {sample.labels["__name__"] for sample in found}

    otlp.eventually(unrecorded, set(), timeout=90)


def test_rules_of_a_day_find_what_those_of_an_hour_find(scene: Scene) -> None:
    """They are evaluated every four minutes only; each expression over what is there by now has data."""
    groups = [group for group in RULES if group["interval"] == "4m"]
    later = {rule["record"] for group in groups for rule in group["rules"]}
    first = [rule for group in groups for rule in group["rules"] if not any(name in rule["expr"] for name in later)]
    assert len(first) > 10
    for rule in first:
        assert prometheus_query(scene.running.prometheus, rule["expr"]), rule["record"]
