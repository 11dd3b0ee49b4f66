"""Reads back what arrived in Jaeger, Prometheus and Elasticsearch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bento_observe.stack import _http

_HOUR_S = 3600.0
_SKEW_S = 60.0
_US = 1_000_000


def jaeger_traces(
    url: str, service: str, *, start: float | None = None, end: float | None = None, page: int = 1000
) -> Iterator[dict[str, Any]]:
    """Every trace with a span of `service` that began between `start` and `end`, each once, in Jaeger's own JSON.

    Jaeger has no paging, only a limit, so a window of time that reaches the limit is asked for again in two halves.

    Args:
        url: Jaeger's URL.
        service: The `service.name`.
        start: Seconds since the epoch; default one hour ago.
        end: Seconds since the epoch; default now, and a minute for clocks that are ahead.
        page: Most traces that one request may bring.

    Raises:
        OSError: if Jaeger does not answer as it should, or more than `page` traces began within one microsecond.
    """
    now = time.time()
    first = int((now - _HOUR_S if start is None else start) * _US)
    last = int((now + _SKEW_S if end is None else end) * _US)
    seen: set[str] = set()
    for trace in _window(url, service, first, last, page):
        if trace["traceID"] not in seen:
            seen.add(trace["traceID"])
            yield trace


def jaeger_spans(
    url: str, service: str, *, start: float | None = None, end: float | None = None, page: int = 1000
) -> list[dict[str, Any]]:
    """Every span of `service` in the traces of `jaeger_traces`, in Jaeger's own JSON."""
    return [
        span
        for trace in jaeger_traces(url, service, start=start, end=end, page=page)
        for span in trace["spans"]
        if trace["processes"][span["processID"]]["serviceName"] == service
    ]


def _window(url: str, service: str, first: int, last: int, page: int) -> Iterator[dict[str, Any]]:
    fields = {"service": service, "start": str(first), "end": str(last), "limit": str(page)}
    traces = _http.get_json(f"{url}/api/traces", fields)["data"]
    if len(traces) < page:
        yield from traces
        return
    if first >= last:
        raise OSError(f"{url}: {page} or more traces of {service} began in microsecond {first}; ask with a larger page")
    middle = (first + last) // 2
    yield from _window(url, service, first, middle, page)
    yield from _window(url, service, middle + 1, last, page)


@dataclass(frozen=True)
class Sample:
    """One series of an instant query: its labels, and its value, or for a native histogram its count and buckets.

    `histogram` is as Prometheus writes it: `count`, `sum`, and `buckets` of [boundary rule, lower, upper, count], all
    numbers as strings.
    """

    labels: Mapping[str, str]
    value: float | None
    histogram: Mapping[str, Any] | None = None


def prometheus_query(url: str, promql: str) -> list[Sample]:
    """Evaluate an expression now.

    Raises:
        OSError: if Prometheus does not answer, or refuses the expression.
    """
    answer = _http.get_json(f"{url}/api/v1/query", {"query": promql})["data"]
    if answer["resultType"] == "scalar":
        return [Sample({}, float(answer["result"][1]))]
    return [
        Sample(
            series["metric"],
            float(series["value"][1]) if "value" in series else None,
            series["histogram"][1] if "histogram" in series else None,
        )
        for series in answer["result"]
    ]


def prometheus_value(url: str, promql: str) -> float:
    """The one number an expression has; 0 where it has no series.

    Raises:
        OSError: if Prometheus does not answer, or refuses the expression.
        ValueError: if there are several series, or a histogram.
    """
    samples = prometheus_query(url, promql)
    if not samples:
        return 0.0
    if len(samples) > 1 or samples[0].value is None:
        raise ValueError(f"{promql} has {len(samples)} series, or is a histogram; a single number was asked for")
    return samples[0].value


def prometheus_exemplars(url: str, promql: str, *, start: float | None = None) -> list[dict[str, Any]]:
    """The exemplars of the series that `promql` selects since `start` (default: one hour ago), in Prometheus' JSON."""
    now = time.time()
    fields = {
        "query": promql,
        "start": str(now - _HOUR_S if start is None else start),
        "end": str(now + _SKEW_S),
    }
    series = _http.get_json(f"{url}/api/v1/query_exemplars", fields)["data"]
    return [exemplar for one in series for exemplar in one["exemplars"]]


def elasticsearch_count(url: str, index: str, query: str = "*") -> int:
    """How many documents of `index` (patterns allowed) match a Lucene query string, the newest included.

    0 if there is no such index yet.

    Raises:
        OSError: if Elasticsearch does not answer, or refuses the query.
    """
    _refresh(url, index)
    return int(_http.get_json(f"{url}/{index}/_count", {"q": query, **_LENIENT})["count"])


def elasticsearch_search(url: str, index: str, query: str = "*", *, size: int = 100) -> list[dict[str, Any]]:
    """The `_source` of at most `size` documents that match, the oldest first; the errors are those of the count."""
    _refresh(url, index)
    body = {
        "query": {"query_string": {"query": query}},
        "size": size,
        "sort": [{"@timestamp": {"order": "asc", "unmapped_type": "date_nanos"}}],
    }
    answer = _http.send_json("POST", f"{url}/{index}/_search?{_LENIENT_QUERY}", body)
    return [hit["_source"] for hit in answer["hits"]["hits"]]


# A data stream comes into being with its first document.
_LENIENT = {"ignore_unavailable": "true", "allow_no_indices": "true"}
_LENIENT_QUERY = "&".join(f"{key}={value}" for key, value in _LENIENT.items())


def _refresh(url: str, index: str) -> None:
    _http.send_json("POST", f"{url}/{index}/_refresh?{_LENIENT_QUERY}")
