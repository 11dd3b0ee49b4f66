"""A log record in the terminal: time, severity, who wrote it, what it says, its trace, its exception below."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo
from typing import Any, Final

from rich.text import Text

from bento_observe import semconv
from bento_observe.stack.logs import LogRecord

__all__ = ["as_json", "lines"]

_INDENT: Final = "    "
_LONGEST: Final = 200  # of an attribute: --json has all of it
# What is said by the line itself, or belongs to every record of a logger. The access log's line has its attributes.
_TOLD: Final = frozenset(
    {
        semconv.CODE_FILE_PATH,
        semconv.CODE_FUNCTION_NAME,
        semconv.CODE_LINE_NUMBER,
        semconv.THREAD_NAME,
        semconv.EXCEPTION_TYPE,
        semconv.EXCEPTION_MESSAGE,
        semconv.EXCEPTION_STACKTRACE,
    }
)
# By OTLP's severity number, from this one on.
_STYLES: Final = ((21, "bold white on red"), (17, "bold red"), (13, "yellow"), (9, "green"), (0, "dim"))
# What a terminal would obey rather than show: a record's text may come from anybody.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def lines(record: LogRecord, zone: tzinfo | None = None) -> Iterator[Text]:
    """The lines of one record, the first with its time in `zone` (default: this machine's)."""
    style = next(style for number, style in _STYLES if record.severity_number >= number)
    first, *more = _shown(record.body).split("\n")
    yield Text.assemble(
        (_time(record.time_ns, zone), "dim"),
        " ",
        (f"{_word(record.severity) or '-':<8}", style),
        " ",
        (_word(record.service), "cyan"),
        " ",
        (_word(record.logger), "blue"),
        "  ",
        (first, style if record.severity_number >= _STYLES[1][0] else ""),
        *(part for extra in _extras(record) for part in ("  ", (extra, "dim"))),
        (f"  trace={_word(record.trace_id)}" if record.trace_id else "", "magenta"),
    )
    for line in more:
        yield Text(f"{_INDENT}{line}")
    for line in _exception(record):
        yield Text(f"{_INDENT}{line}", style="red")


def as_json(record: LogRecord) -> str:
    """The record as one line of JSON; `time` in UTC with nanoseconds."""
    seconds, nanoseconds = divmod(record.time_ns, 1_000_000_000)
    when = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return json.dumps(
        {
            "time": f"{when}.{nanoseconds:09d}Z",
            "severity": record.severity,
            "service": record.service,
            "logger": record.logger,
            "message": record.body,
            "trace_id": record.trace_id,
            "span_id": record.span_id,
            "attributes": record.attributes,
            "resource": record.resource,
        },
        ensure_ascii=False,
    )


def _time(time_ns: int, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, timezone.utc).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}"


def _extras(record: LogRecord) -> Iterator[str]:
    if record.logger == semconv.LOGGER_ACCESS:
        return
    for name, value in record.attributes.items():
        if name not in _TOLD:
            told = _word(f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
            yield told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


def _exception(record: LogRecord) -> list[str]:
    """The stack, which ends with type and message; those alone where there is none."""
    attributes = record.attributes
    if stack := attributes.get(semconv.EXCEPTION_STACKTRACE):
        return _shown(stack).rstrip().split("\n")
    told = [attributes.get(name) for name in (semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE)]
    return _shown(": ".join(str(part) for part in told if part)).split("\n") if any(told) else []


def _shown(value: Any) -> str:
    text = str(value).replace("\r\n", "\n").expandtabs()
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _word(value: Any) -> str:
    return _shown(value).replace("\n", "\\n")
