"""The spans of a request: what user code may do with them, and what becomes of it in OTLP."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, TraceState
from received import Span, spans

from bento_observe import semconv, wire
from bento_observe._stages import begin_stage, inner_stage, predict_stage
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    RequestMetrics,
    RequestSource,
    RequestSpan,
    SpanEncoder,
    current_request,
)
from bento_observe.request._traces import scope_spans
from bento_observe.telemetry import Health


def make_request(sampled: bool = True, **fields: Any) -> RequestSpan:
    request = RequestSpan()
    values: dict[str, Any] = {
        "trace_id": b"\x01" * 16,
        "span_id": b"\x02" * 8,
        "parent_id": b"",
        "trace_state": TraceState.get_default(),
        "sampled": sampled,
        "remote_parent": False,
        "nested": False,
        "method": "POST",
        "method_given": "POST",
        "path": "/predict",
        "query": b"",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("10.0.0.1", 4000),
        "headers": {b"host": b"model:3000", b"user-agent": b"test/1"},
        "route": "/predict",
        "status": 200,
    }
    for name, value in {**values, **fields}.items():
        setattr(request, name, value)
    return request


def encoded(request: RequestSpan, attributes: dict[str, Any] | None = None) -> list[Span]:
    """As the sink reads them; it fails on an attribute that is there twice."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    if not request.ended:
        request.close(time.perf_counter_ns())
    fields = SpanEncoder(attributes or {}).encode(request)
    return list(spans(ExportTraceServiceRequest.FromString(wire.message(b"\x0a", scope_spans(fields)))))


def test_a_request_is_a_span_by_the_http_conventions() -> None:
    """Name, kind, ids, times and attributes; nothing that is not known."""
    request = make_request(query=b"a=1", request_size=10, response_size=20)
    (span,) = encoded(request)

    assert (span.name, span.kind, span.parent_id, span.flags & 1) == ("POST /predict", 2, "", 1)
    assert (span.trace_id, span.span_id) == ("01" * 16, "02" * 8)
    assert span.start_ns == request.start_unix_ns
    assert span.end_ns - span.start_ns == request.end_ns - request.start_ns
    assert span.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "server.address": "model",
        "server.port": 3000,
        "user_agent.original": "test/1",
        "url.path": "/predict",
        "url.query": "a=1",
        "client.address": "10.0.0.1",
        "client.port": 4000,
        "http.request.body.size": 10,
        "http.response.body.size": 20,
    }


def test_one_request_says_nothing_of_another() -> None:
    """The encoder remembers what is constant: requests that differ in any of it are told apart."""
    encoder = SpanEncoder({})
    variants: list[dict[str, Any]] = [
        {},
        {"status": 404},
        {"route": ""},
        {"method": "GET"},
        {"scheme": "https"},
        {"http_version": "2"},
        {"error_type": "ValueError"},
        {"headers": {b"host": b"other"}},
        {"headers": {}},
        {"nested": True},
    ]
    for _ in range(2):  # the second time from memory
        for fields in variants:
            request = make_request(**fields)
            request.close(time.perf_counter_ns())
            parts = encoder.encode(request)
            assert parts == SpanEncoder({}).encode(request)


def test_a_client_that_varies_its_headers_does_not_fill_memory() -> None:
    """What the encoder remembers is bounded."""
    encoder = SpanEncoder({})
    for number in range(5000):
        request = make_request(headers={b"user-agent": b"%d" % number})
        request.close(time.perf_counter_ns())
        encoder.encode(request)

    assert len(encoder._servers) <= 1024


def test_stages_are_children_with_the_attributes_of_the_model() -> None:
    """And the exception that ended one is an event of it."""
    request = make_request()
    stage = request.stage("predict", "predict", time.perf_counter_ns())
    stage.close(time.perf_counter_ns(), ValueError("no good"))
    _, span = encoded(request, {"ml.model.name": "wine"})

    assert (span.name, span.parent_id, span.status, span.status_message) == ("predict", "02" * 8, 2, "no good")
    assert span.attributes == {"bentoml.api.name": "predict", "ml.model.name": "wine", "error.type": "ValueError"}
    assert span.events[0].attributes["exception.type"] == "ValueError"


def test_a_stage_that_outlives_its_request_is_cut_off() -> None:
    """A time-out ends the request while its thread goes on; what the thread does then is not told."""
    request = make_request()
    stage = request.stage("slow", "predict", time.perf_counter_ns())
    request.close(time.perf_counter_ns())
    stage.set_attribute("late", True)
    stage.close(time.perf_counter_ns(), ValueError("later still"))
    server, span = encoded(request)

    assert span.end_ns <= server.end_ns
    assert "late" not in span.attributes
    assert "error.type" not in span.attributes


def test_user_code_may_add_to_the_current_span() -> None:
    """Attributes, events, links, a name and a status, through the OpenTelemetry API."""
    request = make_request()
    linked = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    with trace.use_span(request):
        current = trace.get_current_span()
        assert current.is_recording()
        current.set_attribute("one", 1)
        current.set_attributes({"two": [1, 2], "three": {"deep": True}})
        current.add_event("happened", {"how": "well"})
        current.add_link(linked, {"why": "because"})
        current.update_name("better")
        current.set_status(Status(StatusCode.ERROR, "not well"))
    (span,) = encoded(request)

    assert (span.attributes["one"], span.attributes["two"], span.attributes["three"]) == (1, [1, 2], {"deep": True})
    assert (span.events[0].name, span.events[0].attributes) == ("happened", {"how": "well"})
    assert span.links[0].span_id == f"{0xDEF:016x}"
    assert (span.name, span.status, span.status_message) == ("better", 2, "not well")


def test_an_attribute_of_ours_may_be_replaced() -> None:
    """The last value counts, once: OTLP forbids a key to be there twice."""
    request = make_request()
    request.set_attribute("http.route", "/mine")
    stage = request.stage("predict", "predict", time.perf_counter_ns())
    stage.set_attribute("bentoml.api.name", "mine")
    server, span = encoded(request)

    assert server.attributes["http.route"] == "/mine"
    assert span.attributes["bentoml.api.name"] == "mine"


def test_ok_is_final() -> None:
    """A status of OK is not undone by a later error, as the specification has it."""
    request = make_request()
    request.set_status(StatusCode.OK)
    request.set_status(StatusCode.ERROR, "after all")
    (span,) = encoded(request)

    assert (span.status, span.status_message) == (1, "")


def test_what_one_span_can_hold_is_bounded() -> None:
    """128 attributes, events and links, as in the SDK; the rest is left out."""
    request = make_request()
    for number in range(1000):
        request.set_attribute(f"key {number}", number)
        request.add_event(f"event {number}")
        request.add_link(SpanContext(number + 1, number + 1, is_remote=False))
    (span,) = encoded(request)

    assert sum(key.startswith("key ") for key in span.attributes) == 128
    assert (len(span.events), len(span.links)) == (128, 128)


def test_what_one_request_can_hold_is_bounded_and_the_rest_counted() -> None:
    """A stream that calls another API for each item, and a task that does: what is too much is not observed."""
    health, request = Health(), make_request()
    token = current_request.set(request)
    try:
        with trace.use_span(request, end_on_exit=False):
            begun = [predict_stage("other", health) for _ in range(1001)]
        assert (begun[999] is None, begun[1000]) == (False, None)
        assert inner_stage("call", "other", health, request) is None
        request.close(time.perf_counter_ns())
        later = [begin_stage("task", "other", health) for _ in range(1001)]
        assert (later[999] is None, later[1000]) == (False, None)
    finally:
        current_request.reset(token)

    assert (len(request.stages), len(request.later)) == (1000, 1000)
    assert health.counts()[semconv.DROPPED] == {("traces", "stages"): 3, ("metrics", "stages"): 3}


def test_what_came_after_the_answer_is_let_go_when_it_is_sent() -> None:
    """BentoML keeps the context of a request, and so the request, for the whole of its time-out."""
    request = make_request()
    request.close(time.perf_counter_ns())
    request.stage("late", "task", time.perf_counter_ns())
    afterwards = request.leave(time.perf_counter_ns())
    assert afterwards is not None
    access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
    source = RequestSource(SpanEncoder({}), RequestMetrics("always_off"), access_log, None, None, Health())
    source.add(afterwards)
    source.step()

    assert (request.later, afterwards.stages) == ([], ())


@pytest.mark.parametrize("state", ["unsampled", "ended"])
def test_a_span_that_is_not_sent_takes_nothing(state: str) -> None:
    """It says that it is not recording, keeps no memory, and its context is still good for children."""
    request = make_request(sampled=state != "unsampled")
    if state == "ended":
        request.close(time.perf_counter_ns())
    request.set_attribute("key", "value")
    request.record_exception(ValueError())

    assert not request.is_recording()
    assert request.additions is None
    assert request.get_span_context().is_valid
    assert request.get_span_context().trace_flags.sampled == (state == "ended")


def test_a_path_that_no_utf8_can_hold_is_told() -> None:
    """Clients send what they like."""
    (span,) = encoded(make_request(path="/a\udcff", query=b"\xff=\xfe", headers={b"host": b"\xff:x"}))

    assert span.attributes["url.path"] == "/a?"
    assert span.attributes["server.address"] == "ÿ:x"


def test_a_record_of_the_access_log_tells_how_long_the_request_took() -> None:
    """In seconds, under the name of the metric, so that slow requests can be searched for."""
    request = make_request()
    request.close(request.start_ns + 1_250_000_000)
    access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
    record = ScopeLogs.FromString(access_log.encode(request, "line")).log_records[0]
    (seconds,) = (pair.value.double_value for pair in record.attributes if pair.key == semconv.REQUEST_DURATION.name)
    assert seconds == 1.25
