"""Batches and calls in OTLP: links, limits, and what user code adds."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from received import CLIENT, INTERNAL, Span, spans
from test_core_spans import make_request

from bento_observe import semconv, wire
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    BatchSpan,
    CallSpan,
    ConnectionSpan,
    RequestMetrics,
    RequestSource,
    SpanEncoder,
    StageSpan,
    _source,
)
from bento_observe.request._traces import scope_spans
from bento_observe.telemetry import Health


def member(sampled: bool = True) -> StageSpan:
    request = make_request(sampled)
    return request.stage("score", "predict", request.start_ns)


def message(fields: list[bytes]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(wire.message(b"\x0a", scope_spans(fields)))


def encoded(batch: BatchSpan) -> ExportTraceServiceRequest:
    if not batch.ended:
        batch.finish(batch.start_ns + 1000)
    return message(SpanEncoder({}).encode_batch(batch))


def test_of_more_than_128_links_the_rest_is_counted_as_dropped() -> None:
    """Those to sampled requests are kept."""
    members = [member(sampled=number >= 100) for number in range(300)]
    (span,) = encoded(BatchSpan("score", members, 300, 0)).resource_spans[0].scope_spans[0].spans

    assert (len(span.links), span.dropped_links_count) == (128, 172)
    sampled = {stage.span_id for stage in members if stage.sampled}
    assert {link.span_id for link in span.links} <= sampled
    assert all(link.flags & 1 for link in span.links)


def test_a_batch_takes_attributes_events_and_spans_of_the_users() -> None:
    """As any span: one of its own attributes set anew counts once."""
    batch = BatchSpan("score", [member(), member()], 2, 0)
    batch.begin([1, 2, 3])
    with trace.use_span(batch, end_on_exit=False):
        current = trace.get_current_span()
        current.set_attribute("shop.rows", 3)
        current.set_attribute("bentoml.batch.rows", 5)
        current.add_event("loaded")
        stage = batch.stage("other", "predict", batch.start_ns)
    stage.close(batch.start_ns + 500)
    own, inner = spans(encoded(batch))

    assert own.attributes == {
        "bentoml.api.name": "score",
        "bentoml.batch.size": 2,
        "bentoml.batch.rows": 5,
        "shop.rows": 3,
    }
    assert [event.name for event in own.events] == ["loaded"]
    assert (inner.name, inner.kind, inner.parent_id) == ("predict", INTERNAL, own.span_id)
    assert inner.trace_id == own.trace_id


def test_rows_lie_along_the_dimension_of_the_batch() -> None:
    """Of what has a shape; anything else has a length."""

    class Columns:
        shape = (3, 7)

    rows = []
    for data, dim in ((Columns(), 0), (Columns(), 1), (["a", "b"], 0)):
        batch = BatchSpan("score", [], 1, dim)
        batch.begin(data)
        rows.append(batch.rows)
    assert rows == [3, 7, 2]


def test_a_request_in_several_batches_has_waited_once() -> None:
    """Until the first one began; it links to all of them."""
    stage = member()
    first, second = BatchSpan("score", [stage], 1, 0), BatchSpan("score", [stage], 1, 0)

    assert (len(first.waits), len(second.waits)) == (1, 0)
    assert [span_id for _, span_id, _ in stage.batches] == [first.span_id, second.span_id]
    assert stage.queue_ns == first.waits[0]


def call(url: str, status: int = 200, error: Exception | None = None, **kwargs: Any) -> Span:
    parent = make_request().get_span_context()
    made = CallSpan(parent, url, "/score", **{"peer": "Scorer", **kwargs})
    made.status = status
    made.close(made.start_ns + 1, error)
    (span,) = spans(message([SpanEncoder({}).encode_call(made)]))
    return span


def test_where_a_call_goes_is_told_by_the_conventions() -> None:
    """Over a socket there is no URL; a password in one is not told; BentoML's tcp is HTTP."""
    socket = call("file:///tmp/a%20b/1.sock")
    assert (socket.kind, socket.name) == (CLIENT, "POST /score")
    assert socket.attributes["server.address"] == "/tmp/a b/1.sock"
    assert "url.full" not in socket.attributes
    addresses = {
        url: [call(url).attributes[key] for key in ("url.full", "server.address", "server.port")]
        for url in ("tcp://127.0.0.1:3001", "https://me:secret@models.example/v1/", "http://[::1]:80")
    }
    assert addresses == {
        "tcp://127.0.0.1:3001": ["http://127.0.0.1:3001/score", "127.0.0.1", 3001],
        "https://me:secret@models.example/v1/": ["https://models.example/v1/score", "models.example", 443],
        "http://[::1]:80": ["http://[::1]:80/score", "::1", 80],
    }


def test_a_call_fails_by_its_status_or_by_its_exception() -> None:
    """`error.type` is the one that there is; an answer that says no is no exception of ours to tell."""
    refused, broken = call("http://a", 404, ValueError("no")), call("http://a", 0, OSError("gone"))

    assert (refused.status, refused.attributes["error.type"], refused.events) == (2, "404", [])
    assert (broken.status, broken.attributes["error.type"]) == (2, "OSError")
    assert broken.events[0].attributes["exception.message"] == "gone"


@pytest.mark.parametrize("sampled", [True, False])
def test_each_call_is_counted_whether_or_not_it_is_sampled(sampled: bool) -> None:
    """By where it goes and how it ends, without what would be a series of its own for each URL."""
    parent = make_request(sampled).get_span_context()
    metrics = RequestMetrics("trace_based")
    for status in (200, 200, 503):
        made = CallSpan(parent, "tcp://127.0.0.1:3001", "/score", "Scorer")
        made.status = status
        made.close(made.start_ns + 2_000_000_000, ValueError("no") if status == 503 else None)
        metrics.count_call(made)
    (family,) = (metric for metric in metrics.collect(1, False) if metric.name == semconv.CLIENT_DURATION.name)

    found = []
    for point in family.histogram.data_points:
        if not point.count:  # what the series began with
            continue
        attributes = {pair.key: pair.value.string_value or pair.value.int_value for pair in point.attributes}
        found.append((point.count, point.sum, attributes))
        assert bool(point.exemplars) == sampled
    common = {
        "http.request.method": "POST",
        "url.template": "/score",
        "server.address": "127.0.0.1",
        "server.port": 3001,
        "service.peer.name": "Scorer",
    }
    assert found == [
        (2, 4.0, {**common, "http.response.status_code": 200}),
        (1, 2.0, {**common, "http.response.status_code": 503, "error.type": "503"}),
    ]


def test_what_is_given_up_is_counted_as_what_it_would_have_been() -> None:
    """A request is a record of the access log, too; of a connection and a batch BentoML writes none, or its own."""
    health = Health()
    access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
    source = RequestSource(SpanEncoder({}), RequestMetrics("always_off"), access_log, None, None, health)
    connection = ConnectionSpan()
    connection.sampled = True
    asked = CallSpan(make_request().get_span_context(), "http://a", "/score", "")
    for finished in (make_request(), make_request(sampled=False), connection, BatchSpan("a", [member()], 1, 0), asked):
        source.add(finished)
    source.give_up()

    assert health.counts()[semconv.DROPPED] == {
        ("traces", "shutdown"): 4,
        ("metrics", "shutdown"): 5,
        ("logs", "shutdown"): 2,
    }


def test_what_finds_no_place_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what has been sent: BentoML keeps the context of a request, and so the request, for its whole time-out."""
    monkeypatch.setattr(_source, "_PENDING_LIMIT", 0)
    access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
    source = RequestSource(SpanEncoder({}), RequestMetrics("always_off"), access_log, None, None, Health())
    request, batch = make_request(), BatchSpan("score", [member()], 1, 0)
    request.stage("score", "predict", 1)
    request.close(2)
    request.stage("score", "task", 3)
    afterwards = request.leave(4)
    assert afterwards is not None
    for finished in (request, afterwards, batch):
        source.add(finished)

    assert (request.headers, request.stages, request.later, afterwards.stages) == ({}, [], [], ())
    assert (batch.members, batch.stages) == ((), [])
