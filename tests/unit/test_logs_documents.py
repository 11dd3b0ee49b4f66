"""Which record is made of a document: ours, and those that others put into the same data streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bento_observe.cli._log_lines import as_json, lines
from bento_observe.stack.logs import LogRecord, _record

WHOLE: dict[str, Any] = {
    "severity_text": "ERROR",
    "severity_number": 17,
    "body": {"text": "no price"},
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "scope": {"name": "shop.prices"},
    "attributes": {"price": 3},
    "resource": {"attributes": {"service.name": "wine"}},
}
RECORD = LogRecord(
    key="logs/1",
    time_ns=1_795_643_064_527_842_529,
    severity="ERROR",
    severity_number=17,
    service="wine",
    logger="shop.prices",
    body="no price",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    attributes={"price": 3},
    resource={"service.name": "wine"},
)


def read(source: dict[str, Any], time: str | None = "2026-11-25T21:44:24.527842529Z") -> LogRecord:
    return _record({"_index": "logs", "_id": "1", "_source": source, "sort": [time]})


def test_a_document_of_ours_has_all_that_a_record_has() -> None:
    """To the nanosecond."""
    assert read(WHOLE) == RECORD


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({"severity_number": None}, {"severity_number": 0}),
        ({"severity_number": "17"}, {"severity_number": 17}),
        ({"severity_number": -1}, {"severity_number": 0}),
        ({"severity_number": "high"}, {"severity_number": 0}),
        ({"severity_number": [9]}, {"severity_number": 0}),
        ({"severity_text": None}, {"severity": ""}),
        ({"body": None}, {"body": ""}),
        ({"body": "a line"}, {"body": "a line"}),
        ({"body": ["a", 1]}, {"body": '["a", 1]'}),
        ({"body": {"text": None}}, {"body": ""}),
        ({"body": {"structured": {"a": "ü"}}}, {"body": '{"a": "ü"}'}),
        ({"body": {"other": 1}}, {"body": '{"other": 1}'}),
        ({"scope": None}, {"logger": ""}),
        ({"scope": "shop"}, {"logger": ""}),
        ({"attributes": None}, {"attributes": {}}),
        ({"attributes": [1]}, {"attributes": {}}),
        ({"resource": None}, {"service": "", "resource": {}}),
        ({"resource": {"attributes": None}}, {"service": "", "resource": {}}),
        ({"trace_id": None, "span_id": None}, {"trace_id": "", "span_id": ""}),
    ],
)
def test_what_is_odd_in_a_document_is_all_that_is_missing(odd: dict[str, Any], expected: dict[str, Any]) -> None:
    """The rest is there, and the record can be shown both ways."""
    found = read({**WHOLE, **odd})
    assert found == replace(RECORD, **expected)
    assert as_json(found)
    assert list(lines(found))


@pytest.mark.parametrize("time", [None, "+12026-11-25T21:44:24.000Z"])
def test_a_document_without_a_time_is_the_oldest(time: str | None) -> None:
    """So it is with one that Python cannot tell."""
    assert read(WHOLE, time) == replace(RECORD, time_ns=0)
