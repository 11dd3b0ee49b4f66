"""A dashboard's queries are written and asked as Grafana would, and what is wrong with an answer is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from standin import Quiet, serving

from collector.grafana.preview import Sources, Window, known_unit, load, not_since, run
from collector.grafana.preview._elasticsearch import request
from collector.grafana.preview._formats import (
    Chosen,
    UnknownVariableError,
    lucene,
    plain,
    prometheus,
    replace,
)
from collector.grafana.preview._intervals import intervals
from collector.grafana.preview._units import written

ODD = "we\"ird {näme} 100%\\ x'"
HOUR = Window(1_000_000.0, 1_003_600.0)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        # The cases of Grafana's own tests (datasource.test.ts: "When interpolating variables").
        (Chosen("x", "abc'$^*{}[]+?.()|"), "abc\\\\'$^*{}[]+?.()|"),
        (Chosen("x", "looking*glass", True), "looking\\\\*glass"),
        (Chosen("x", ("a|bc", "de|f"), True), "(a\\\\|bc|de\\\\|f)"),
        (Chosen("x", ("looking|glass",), True), "looking\\\\|glass"),
        (Chosen("x", "\\looking\\glass", True), "\\\\\\\\looking\\\\\\\\glass"),
        # A double quote ends the string: why the dashboards write out a format.
        (Chosen("x", 'we"ird'), 'we"ird'),
        (Chosen("x", (), True), "()"),
    ],
)
def test_prometheus_values_are_escaped_as_grafana_does(chosen: Chosen, text: str) -> None:
    """Single quotes alone for one value; what means something in a regular expression where there may be several."""
    assert prometheus(chosen) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("raw", ODD, ODD),
        ("regex", ODD, "we\"ird \\{näme\\} 100%\\\\ x'"),
        ("regex", ("a.b", "c/d"), "(a\\.b|c\\/d)"),
        ("regex", ("a.b",), "a\\.b"),
        ("lucene", "a b", "a\\ b"),
        ("lucene", ("a", 'b"'), '("a" OR "b\\"")'),
        ("doublequote", 'a"b', '"a\\"b"'),
        ("singlequote", ("a", "b'c"), "'a','b\\'c'"),
        ("pipe", ("a", "b"), "a|b"),
        ("csv", ("a", "b"), "a,b"),
        ("json", ("a", 12 * "x"), '["a","xxxxxxxxxxxx"]'),
        ("percentencode", ("foo()bar BAZ", "test2"), "%7Bfoo%28%29bar%20BAZ%2Ctest2%7D"),
        ("queryparam", ("A", "B c"), "var-x=A&var-x=B%20c"),
        ("glob", ("a", "b"), "{a,b}"),
    ],
)
def test_a_format_that_is_written_out_wins(name: str, value: str | tuple[str, ...], text: str) -> None:
    """Whatever the data source would do; the expectations are those of Grafana's formatRegistry.test.ts."""
    scope = {"x": Chosen("x", value, True)}
    assert replace(f"<${{x:{name}}}>", scope, prometheus) == f"<{text}>"
    assert replace(f"<[[x:{name}]]>", scope, lucene) == f"<{text}>"


def test_a_variables_own_text_for_all_is_put_in_as_it_stands() -> None:
    """In any format."""
    scope = {"x": Chosen("x", ("a", "b"), True, ".*")}
    assert replace('=~`${x:regex}` =~"$x" [[x]]', scope, prometheus) == '=~`.*` =~".*" .*'


def test_a_variable_that_is_not_there_is_an_error() -> None:
    """Grafana would send the query with a dollar in it."""
    with pytest.raises(UnknownVariableError, match=r"\$y"):
        replace("$x $y", {"x": Chosen("x", "1")}, plain)
    assert replace('label_replace($x, "a", "$1")', {"x": Chosen("x", "b")}, plain) == 'label_replace(b, "a", "$1")'
    with pytest.raises(ValueError, match="no format 'rexeg'"):
        replace("${x:rexeg}", {"x": Chosen("x", "1")}, plain)


@pytest.mark.parametrize(
    ("points", "query", "source", "expected"),
    [
        (1000, "", "15s", (15_000, 15.0, 60.0)),
        (100, "", "15s", (30_000, 30.0, 60.0)),
        (100, "", "1s", (30_000, 30.0, 31.0)),
        (3600, "", "1s", (1000, 1.0, 4.0)),
        (100, "2m", "15s", (30_000, 120.0, 480.0)),
        (60, "", "15s", (60_000, 60.0, 75.0)),
    ],
)
def test_intervals_are_those_of_grafana(
    points: int, query: str, source: str, expected: tuple[int, float, float]
) -> None:
    """Of an hour: rounded to what people read, never below what is asked for, rates over four samples at least."""
    found = intervals(HOUR, points, query=query, source=source)
    assert (found.interval_ms, found.step, found.rate) == expected


def test_elasticsearch_is_asked_as_grafanas_data_source_asks() -> None:
    """Buckets within each other, the count by the bucket itself, a histogram over the whole time."""
    target = {
        "metrics": [{"id": "1", "type": "count"}, {"id": "4", "type": "max", "field": "n"}],
        "bucketAggs": [
            {"id": "2", "type": "terms", "field": "severity_text", "settings": {"size": "5", "orderBy": "1"}},
            {"id": "3", "type": "date_histogram", "settings": {"interval": "auto"}},
        ],
    }
    body = request(target, "a:b", intervals(HOUR, 100), HOUR, "@timestamp")
    assert body["query"]["bool"]["filter"] == [
        {"range": {"@timestamp": {"gte": 1_000_000_000, "lte": 1_003_600_000, "format": "epoch_millis"}}},
        {"query_string": {"query": "a:b", "analyze_wildcard": True}},
    ]
    outer = body["aggs"]["2"]
    assert outer["terms"] == {"field": "severity_text", "size": 5, "order": {"_count": "desc"}}
    inner = outer["aggs"]["3"]
    assert inner["date_histogram"] == {
        "field": "@timestamp",
        "fixed_interval": "30000ms",
        "min_doc_count": 0,
        "extended_bounds": {"min": 1_000_000_000, "max": 1_003_600_000},
        "format": "epoch_millis",
    }
    assert inner["aggs"] == {"4": {"max": {"field": "n"}}}
    logs = request(
        {"metrics": [{"id": "1", "type": "logs", "settings": {"limit": "7"}}]}, "", intervals(HOUR, 100), HOUR, "t"
    )
    assert (logs["size"], next(iter(logs["sort"][0]))) == (7, "t")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "percentunit", "12.3%"), (0.0021, "s", "2.1 ms"), (5400, "s", "1.5 h"), (2048, "bytes", "2 KiB"),
        (1_234_567, "short", "1.23 M"), (3, "reqps", "3 req/s"),
        (1.5e12, "dateTimeAsIso", "2017-07-14 02:40:00"), (1.5, "suffix:bits", "1.5 bits"), (12, "", "12"),
        (float("nan"), "s", "–"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_their_unit(value: float, unit: str, text: str) -> None:
    """As a reader of the pictures has to find them."""
    assert written(value, unit) == text


def test_units_are_those_that_grafana_knows() -> None:
    """Another id it would write behind the number."""
    assert all(map(known_unit, ("percentunit", "s", "bytes", "reqps", "suffix:rows")))
    assert not known_unit("seconds")
    assert not known_unit("%")


def _answer(handler: BaseHTTPRequestHandler, status: int, data: Any) -> None:
    body = json.dumps({"data": data}).encode()
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


class _Prometheus(Quiet, BaseHTTPRequestHandler):
    """Stands in for Prometheus: what it is asked, and one series with label a=1 for everything but nonsense."""

    asked: list[tuple[str, dict[str, list[str]]]]

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

    def _answer(self, form: str) -> None:
        path, fields = urlsplit(self.path).path, parse_qs(form)
        self.asked.append((path, fields))
        status, data = 200, self._data(path)
        if fields.get("query") == ["nonsense("]:
            status, data = 400, "parse error"
        _answer(self, status, data)

    @staticmethod
    def _data(path: str) -> Any:
        if path.endswith("/values"):
            return ["feature 10", "feature 9", ODD]
        if path.endswith("query_range"):
            return {"resultType": "matrix", "result": [{"metric": {"a": "1"}, "values": [[1, "2.5"], [2, "NaN"]]}]}
        if path.endswith("query_exemplars"):
            return [{"seriesLabels": {"a": "1"}, "exemplars": [{"value": "3", "timestamp": 1.5, "labels": {}}]}]
        return {"resultType": "vector", "result": [{"metric": {"a": "1"}, "value": [1, "NaN"]}]}


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, dict[str, list[str]]]]]]:
    """A stand-in for Prometheus: its URL, and what it was asked."""
    asked: list[tuple[str, dict[str, list[str]]]] = []
    with serving(type("Handler", (_Prometheus,), {"asked": asked})) as url:
        yield url, asked


def _document(*targets: dict[str, Any]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "prometheus"}
    return {
        "uid": "u",
        "title": "t",
        "templating": {
            "list": [
                {"name": "window", "type": "custom", "query": "1h,24h", "current": {"value": "24h"}},
                {
                    "name": "feature", "type": "query", "datasource": source, "sort": 7,
                    "query": {"query": "label_values(m{w=`${window:raw}`}, ml_feature_name)"},
                },
            ]
        },
        "panels": [
            {
                "id": 1, "title": "Of $feature", "type": "timeseries", "datasource": source, "targets": list(targets),
                "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            }
        ],
    }  # fmt: skip


def test_a_dashboard_is_run_as_a_whole(server: tuple[str, list[tuple[str, dict[str, list[str]]]]]) -> None:
    """Variables first, in their order; a range query over the time shown; exemplars; the legend from the labels."""
    url, asked = server
    target = {
        "refId": "A",
        "expr": "rate(m{f=`${feature:raw}`}[$__rate_interval])",
        "legendFormat": "{{a}}",
        "exemplar": True,
    }
    found = run(load(_document(target)), Sources(url, url, url), HOUR, {"feature": ODD})
    assert asked[0][0] == "/api/v1/label/ml_feature_name/values"
    assert asked[0][1]["match[]"] == ["m{w=`24h`}"]
    assert found.variables["feature"].options == ("feature 9", "feature 10", ODD)
    assert asked[1] == (
        "/api/v1/query_range",
        {
            "query": [f"rate(m{{f=`{ODD}`}}[60s])"],
            "start": ["999990.000"],
            "end": ["1003590.000"],
            "step": ["15"],
        },
    )
    (shown,) = found.panels
    (answer,) = shown.answers
    assert (shown.title, answer.complaint(), answer.has_data) == (f"Of {ODD}", "", True)
    assert (answer.series[0].name, answer.series[0].last, len(answer.exemplars)) == ("1", 2.5, 1)


def test_what_is_wrong_with_an_answer_is_told(server: tuple[str, list[tuple[str, dict[str, list[str]]]]]) -> None:
    """A query that is refused, one with a variable that is not there, a legend without its label, nothing but NaN."""
    url, _ = server
    targets = (
        {"refId": "A", "expr": "nonsense("},
        {"refId": "B", "expr": "m{x=`$nobody`}"},
        {"refId": "C", "expr": "m", "legendFormat": "{{a}} {{b}}"},
        {"refId": "D", "expr": "m", "instant": True, "legendFormat": "$window"},
    )
    (shown,) = run(load(_document(*targets)), Sources(url, url, url), HOUR).panels
    refused, unknown, legend, nothing = shown.answers
    assert "400" in refused.complaint()
    assert "$nobody" in unknown.complaint()
    assert legend.complaint() == "the legend speaks of b, which a series does not have"
    assert (nothing.complaint(), nothing.has_data, nothing.series[0].name) == ("", False, "24h")


def test_a_variable_may_be_made_of_an_answer(server: tuple[str, list[tuple[str, dict[str, list[str]]]]]) -> None:
    """A part of each line of it, in its order; within the time that is shown."""
    url, asked = server
    document = _document()
    document["templating"]["list"][1] |= {"sort": 0, "regex": '/a="([^"]+)"/'}
    document["templating"]["list"][1]["query"]["query"] = "query_result(max_over_time(m[$__range:1m]))"
    found = run(load(document), Sources(url, url, url), HOUR)
    assert asked == [("/api/v1/query", {"query": ["max_over_time(m[3600s:1m])"], "time": ["1003600.000"]})]
    assert found.variables["feature"].options == ("1",)
    assert found.variables["feature"].chosen.value == "1"


class _Rules(Quiet, BaseHTTPRequestHandler):
    """Prometheus' rules: one group is evaluated now and then, one just was, one some time ago."""

    def do_GET(self) -> None:
        told = {"seldom": (240, "01:00:00Z"), "now": (60, "02:00:00.000000001Z"), "before": (30, "01:59:59Z")}
        groups = [
            {"name": name, "interval": interval, "lastEvaluation": f"2026-01-01T{at}"}
            for name, (interval, at) in told.items()
        ]
        _answer(self, 200, {"groups": groups})


def test_rules_that_have_not_seen_something_yet_are_told() -> None:
    """Those of a day are not waited for."""
    with serving(_Rules) as url:
        assert not_since(url, datetime(2026, 1, 1, 2, tzinfo=timezone.utc).timestamp()) == {"before"}
