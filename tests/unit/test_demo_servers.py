"""Answers of Jaeger and Prometheus, in their own JSON, as the demonstration counts and draws them."""

from __future__ import annotations

from typing import Any

import pytest

from bento_observe.demo import _jaeger
from bento_observe.demo._buckets import buckets
from bento_observe.stack.query import Sample


def _span(span_id: str, kind: str, duration: int, parent: str = "", **tags: Any) -> dict[str, Any]:
    found = {"span.kind": kind, **{name.replace("__", "."): value for name, value in tags.items()}}
    return {
        "spanID": span_id,
        "operationName": "POST /classify" if kind == "server" else "predict",
        "references": [{"refType": "CHILD_OF", "spanID": parent}] if parent else [],
        "startTime": 1_000,
        "duration": duration,
        "processID": "p1",
        "tags": [{"key": key, "value": value} for key, value in found.items()],
    }


def _trace(trace_id: str, *spans: dict[str, Any], environment: str = "demo-1") -> dict[str, Any]:
    tags = [{"key": "deployment.environment.name", "value": environment}]
    return {"traceID": trace_id, "spans": list(spans), "processes": {"p1": {"serviceName": "Wine", "tags": tags}}}


def _answered(trace_id: str, duration: int, status: int = 200) -> dict[str, Any]:
    tags = {"http__response__status_code": status, "http__route": "/classify"}
    return _trace(trace_id, _span("1", "server", duration, **tags), _span("2", "internal", duration // 2, parent="1"))


def test_spans_are_counted_by_status_stage_and_parent() -> None:
    """A server span with a parent continues a trace of the client; an internal one is a stage."""
    spans = [
        _span("1", "server", 5, http__response__status_code=200),
        _span("2", "internal", 3, parent="1"),
        _span("3", "server", 5, parent="c", http__response__status_code=500),
    ]
    assert _jaeger.statuses(spans) == {"200": 1, "500": 1}
    assert _jaeger.stages(spans) == {"predict": 1}
    assert _jaeger.continued(spans) == 1


def test_the_typical_trace_is_the_answered_one_of_median_duration() -> None:
    """Failed requests don't count; times become nanoseconds, references parents."""
    traces = [_answered("a", 10), _answered("b", 30), _answered("c", 20), _answered("d", 25, status=500)]
    trace_id, bars = _jaeger.typical(traces)
    assert trace_id == "c"
    assert [(bar.parent_span_id, bar.end_ns - bar.start_ns) for bar in bars] == [(None, 20_000), ("1", 10_000)]
    assert bars[0].start_ns == 1_000_000


def test_without_an_answered_request_there_is_no_typical_trace() -> None:
    """Told by an error that the pictures know."""
    with pytest.raises(LookupError):
        _jaeger.typical([_answered("d", 25, status=500)])


def test_the_environments_of_a_trace_tell_one_run_from_another() -> None:
    """A trace that two runs had a part in belongs to neither."""
    assert _jaeger.environments(_trace("a", environment="demo-2")) == {"demo-2"}


def test_series_that_count_up_to_their_label_become_buckets() -> None:
    """In any order; the outer two are open, and one without bounds is known to hold all."""
    up_to = {"+Inf": 9.0, "-2": 3.0, "1e+01": 8.0, "0.5": 3.0}
    found = buckets([Sample({"le": le}, count) for le, count in up_to.items()])
    assert found.edges[1:-1].tolist() == [-2.0, 0.5, 10.0]
    assert found.counts.tolist() == [3.0, 0.0, 5.0, 1.0]
    assert found.open_ended
    assert buckets([Sample({"le": "+Inf"}, 4.0)]).total == 4.0
