"""Log records in Elasticsearch: what one asks for, and the records that come back.

The queries are Lucene query strings, so that Kibana's saved searches and the command line ask the very same.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

from bento_observe import semconv
from bento_observe.stack import _http

__all__ = [
    "BODY",
    "DATA_STREAMS",
    "ERRORS",
    "LOGGER",
    "SEVERITY",
    "SEVERITY_NUMBER",
    "SPAN_ID",
    "TIME",
    "TRACE_ID",
    "LogRecord",
    "attribute",
    "follow_logs",
    "of_service",
    "of_trace",
    "resource_attribute",
    "search_logs",
    "slower_than",
    "trace_id_of",
]

DATA_STREAMS: Final = "logs-*.otel-*"

TIME: Final = "@timestamp"
SEVERITY: Final = "severity_text"
SEVERITY_NUMBER: Final = "severity_number"
BODY: Final = "body.text"
LOGGER: Final = "scope.name"
TRACE_ID: Final = "trace_id"
SPAN_ID: Final = "span_id"

_HEX_DIGITS: Final = 32
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_ERROR_NUMBER: Final = 17  # OTLP's severities from ERROR on
_MOST: Final = 10_000  # Elasticsearch gives no more at once
_LATE_NS: Final = 10_000_000_000  # how much later than others a record may become searchable


def attribute(name: str) -> str:
    """The field of a record's attribute."""
    return f"attributes.{name}"


def resource_attribute(name: str) -> str:
    """The field of an attribute of what sent the record."""
    return f"resource.attributes.{name}"


ERRORS: Final = f"{SEVERITY_NUMBER}:>={_ERROR_NUMBER} OR {attribute(semconv.HTTP_RESPONSE_STATUS_CODE)}:>=500"
"""Records of severity ERROR and above, and requests that were answered with a status from 500 on."""


def slower_than(seconds: float) -> str:
    """Requests, which are records of the access log, that took at least so long."""
    return f"{attribute(semconv.ATTRIBUTE_REQUEST_DURATION)}:>={seconds:g}"


def of_trace(trace_id: str) -> str:
    """The records of a trace whose id begins so; `trace_id_of` makes one of what people paste."""
    return f"{TRACE_ID}:{trace_id}" if len(trace_id) == _HEX_DIGITS else f"{TRACE_ID}:{trace_id}*"


def of_service(name: str) -> str:
    """The records of one service; any characters are allowed in its name."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{resource_attribute(semconv.SERVICE_NAME)}:"{quoted}"'


def trace_id_of(text: str) -> str:
    """A trace id as it is stored, from one in any letter case, with dashes, or within a `traceparent` header.

    The beginning of one is enough.

    Raises:
        ValueError: if it is none.
    """
    given = text.strip().lower()
    if match := _TRACEPARENT.fullmatch(given):
        return match[1]
    plain = given.replace("-", "")
    if not re.fullmatch(f"[0-9a-f]{{1,{_HEX_DIGITS}}}", plain):
        raise ValueError(f"{text!r} is no trace id: it has up to {_HEX_DIGITS} hexadecimal digits")
    return plain


@dataclass(frozen=True)
class LogRecord:
    """One record; `time_ns` since the epoch, texts empty where it has none."""

    key: str
    time_ns: int
    severity: str
    severity_number: int
    service: str
    logger: str
    body: str
    trace_id: str
    span_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)


def search_logs(
    url: str, queries: Sequence[str] = (), *, since_ns: int | None = None, limit: int = 1000
) -> list[LogRecord]:
    """The newest `limit` records (at most 10,000) that match every query, the oldest of them first.

    Args:
        url: Elasticsearch's URL; a name and a password in it are sent as basic authentication.
        queries: Lucene query strings, such as `ERRORS`.
        since_ns: Nanoseconds since the epoch; default: all that is kept.
        limit: How many.

    Raises:
        OSError: if Elasticsearch does not answer, or refuses the query.
    """
    filters: list[dict[str, Any]] = [{"query_string": {"query": query}} for query in queries]
    if since_ns is not None:
        filters.append({"range": {TIME: {"gte": since_ns // 1_000_000, "format": "epoch_millis"}}})
    body = {
        "query": {"bool": {"filter": filters}},
        "size": min(limit, _MOST),
        "sort": [{TIME: {"order": "desc", "unmapped_type": "date_nanos", "format": "strict_date_optional_time_nanos"}}],
    }
    answer = _http.send_json("POST", f"{url}/{DATA_STREAMS}/_search?ignore_unavailable=true", body)
    return [_record(hit) for hit in reversed(answer["hits"]["hits"])]


def follow_logs(
    url: str, queries: Sequence[str] = (), *, since_ns: int, poll: float = 1.0
) -> Iterator[tuple[list[LogRecord], bool]]:
    """Records as they become searchable, without end: every `poll` seconds the new ones, and whether some are missing.

    Some are where more than 10,000 came within ten seconds. The errors are those of `search_logs`.
    """
    shown: dict[str, int] = {}
    while True:
        found = search_logs(url, queries, since_ns=since_ns, limit=_MOST)
        new = [record for record in found if record.key not in shown]
        yield new, len(found) == _MOST
        shown.update((record.key, record.time_ns) for record in new)
        newest = max(shown.values(), default=since_ns)
        since_ns = max(since_ns, newest - _LATE_NS)
        # A millisecond below: that is how finely the search tells times apart.
        shown = {key: when for key, when in shown.items() if when >= since_ns - 1_000_000}
        time.sleep(poll)


def _record(hit: Mapping[str, Any]) -> LogRecord:
    source = hit["_source"]
    resource = source.get("resource", {}).get("attributes", {})
    return LogRecord(
        key=f"{hit['_index']}/{hit['_id']}",
        time_ns=_nanoseconds(hit["sort"][0]),
        severity=str(source.get(SEVERITY, "")),
        severity_number=int(source.get(SEVERITY_NUMBER, 0)),
        service=str(resource.get(semconv.SERVICE_NAME, "")),
        logger=str(source.get("scope", {}).get("name", "")),
        body=_body(source.get("body", {})),
        trace_id=str(source.get(TRACE_ID, "")),
        span_id=str(source.get(SPAN_ID, "")),
        attributes=source.get("attributes", {}),
        resource=resource,
    )


def _body(body: Mapping[str, Any]) -> str:
    found = body.get("text", body.get("structured", ""))
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _nanoseconds(text: str | None) -> int:
    """Of an ISO time in UTC with up to nine decimals, of which `datetime` can hold six."""
    if text is None:  # a document of somebody else's, without a time
        return 0
    seconds, _, decimals = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc)
    return int(whole.timestamp()) * 1_000_000_000 + int(decimals.ljust(9, "0") or 0)
