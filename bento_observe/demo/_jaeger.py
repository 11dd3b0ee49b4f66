"""Traces in Jaeger's JSON: what the demonstration counts in them, and one of them as a picture's bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bento_observe import semconv
from bento_observe.dev.pictures import Bar

__all__ = ["continued", "environments", "stages", "statuses", "typical"]


def environments(trace: dict[str, Any]) -> set[str]:
    """The deployment environments that its processes tell."""
    return {str(_tags(process).get("deployment.environment.name")) for process in trace["processes"].values()}


def statuses(spans: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The number of server spans by HTTP status."""
    return dict(Counter(str(_tags(span).get(semconv.HTTP_RESPONSE_STATUS_CODE)) for span in _servers(spans)))


def stages(spans: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The number of internal spans by the first word of their name."""
    internal = (span for span in spans if _tags(span).get("span.kind") == "internal")
    return dict(Counter(span["operationName"].partition(" ")[0] for span in internal))


def continued(spans: Sequence[dict[str, Any]]) -> int:
    """The number of server spans with a parent, which is the client's."""
    return sum(_parent(span) is not None for span in _servers(spans))


def typical(traces: Sequence[dict[str, Any]]) -> tuple[str, list[Bar]]:
    """Of the traces of answered requests to `classify` the one of median duration; `LookupError` if there is none."""
    answered = sorted(
        (span["duration"], trace["traceID"])
        for trace in traces
        for span in _servers(trace["spans"])
        if _tags(span).get(semconv.HTTP_RESPONSE_STATUS_CODE) == 200
        and _tags(span).get(semconv.HTTP_ROUTE) == "/classify"
    )
    if not answered:
        raise LookupError("no trace of an answered request has arrived")
    trace_id = answered[len(answered) // 2][1]
    (trace,) = (trace for trace in traces if trace["traceID"] == trace_id)
    return trace_id, [_bar(span, trace["processes"]) for span in trace["spans"]]


def _servers(spans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for span in spans if _tags(span).get("span.kind") == "server"]


def _bar(span: dict[str, Any], processes: dict[str, Any]) -> Bar:
    tags, start = _tags(span), span["startTime"] * 1000
    return Bar(
        span["spanID"], _parent(span), span["operationName"], processes[span["processID"]]["serviceName"],
        start, start + span["duration"] * 1000, bool(tags.get("error")), tags.get("otel.status_description"),
    )  # fmt: skip


def _parent(span: dict[str, Any]) -> str | None:
    return next((found["spanID"] for found in span["references"] if found["refType"] == "CHILD_OF"), None)


def _tags(owner: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in owner["tags"]}
