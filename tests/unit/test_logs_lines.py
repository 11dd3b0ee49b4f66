"""How a log record is shown in a terminal and as JSON."""

from __future__ import annotations

import json
from datetime import timezone
from typing import Any

import pytest
from rich.text import Text

from bento_observe.cli._log_lines import as_json, lines
from bento_observe.stack.logs import LogRecord

TRACE = "0af7651916cd43dd8448eb211c80319c"


def record(**fields: Any) -> LogRecord:
    values: dict[str, Any] = {
        "key": "index/1",
        "time_ns": 1_795_643_064_527_842_529,
        "severity": "INFO",
        "severity_number": 9,
        "service": "wine",
        "logger": "shop.prices",
        "body": "looked up",
        "trace_id": TRACE,
        "span_id": "b7ad6b7169203331",
    }
    return LogRecord(**{**values, **fields})


def plain(made: LogRecord) -> list[str]:
    return [line.plain for line in lines(made, timezone.utc)]


def test_a_record_is_one_line_with_all_that_leads_on() -> None:
    """Time to the millisecond, severity, service, logger, message, the user's attributes, trace id."""
    attributes = {"price": 3.5, "code.line.number": 12, "thread.name": "MainThread"}
    (line,) = plain(record(attributes=attributes))
    assert line == f"2026-11-25 21:44:24.527 INFO     wine shop.prices  looked up  price=3.5  trace={TRACE}"


def test_an_exception_stands_indented_below_its_message() -> None:
    """The whole stack, as Python prints it."""
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 4\n'
    attributes = {"exception.type": "KeyError", "exception.message": "4", "exception.stacktrace": stack}
    first, *below = plain(record(severity="ERROR", severity_number=17, attributes=attributes))
    assert first.endswith(f"looked up  trace={TRACE}")
    assert below == [f"    {line}" for line in stack.splitlines()]


def test_an_exception_without_a_stack_is_told_by_type_and_message() -> None:
    """What other senders leave out is not missed."""
    _, below = plain(record(attributes={"exception.type": "ValueError", "exception.message": "no"}))
    assert below == "    ValueError: no"


@pytest.mark.parametrize(
    ("number", "style"), [(5, "dim"), (9, "green"), (13, "yellow"), (17, "bold red"), (21, "bold white on red")]
)
def test_the_severity_has_its_colour(number: int, style: str) -> None:
    """Each of them another; a number between two counts as the lower."""
    for actual in (number, number + 3):
        line: Text = next(lines(record(severity_number=actual, severity="S"), timezone.utc))
        assert style in {str(span.style) for span in line.spans if line.plain[span.start : span.end].strip() == "S"}


def test_nothing_in_a_record_can_command_the_terminal() -> None:
    """Escapes and carriage returns are shown as what they are; line breaks of the message stay its own, indented."""
    evil = record(body="a\x1b[2Jb\rc\nd", logger="x\ny", service="\x9b31m", trace_id="", attributes={"k\n": "v\x07"})
    first, second = plain(evil)
    assert first.endswith("\\x9b31m x\\ny  a\\x1b[2Jb\\x0dc  k\\n=v\\x07")
    assert second == "    d"


def test_a_long_attribute_is_cut() -> None:
    """The line stays readable."""
    (line,) = plain(record(attributes={"payload": "x" * 10_000}))
    assert len(line) < 400


def test_the_access_log_does_not_repeat_itself() -> None:
    """Its line says already what its attributes are for."""
    (line,) = plain(record(logger="bentoml.access", attributes={"http.response.status_code": 200}))
    assert "http.response.status_code" not in line


def test_json_has_everything_in_one_line() -> None:
    """Nanoseconds, ids, attributes and resource, nothing cut or escaped twice."""
    made = record(body="a\nb", attributes={"x": [1, {"y": "ü" * 500}]}, resource={"service.name": "wine"})
    text = as_json(made)
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2026-11-25T21:44:24.527842529Z",
        "severity": "INFO",
        "service": "wine",
        "logger": "shop.prices",
        "message": "a\nb",
        "trace_id": TRACE,
        "span_id": "b7ad6b7169203331",
        "attributes": {"x": [1, {"y": "ü" * 500}]},
        "resource": {"service.name": "wine"},
    }
