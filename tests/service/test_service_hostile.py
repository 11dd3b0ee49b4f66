"""What would take telemetry down, leak a client's data, or be spoilt by being observed."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from received import SERVER
from server import BentoServer, plain_and_observed
from sink import Sink
from traffic import Answer, Client, Request

SETTINGS = {
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
    "BENTO_OBSERVE_FLUSH_INTERVAL": "50",
    "TEST_TIMEOUT": "1",  # seconds after which BentoML answers for a middleware that failed
}
SECRET = "4111-1111-1111-1111"


def post(server: BentoServer, path: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Answer:
    with Client(server.port) as client:
        return client.send(Request(path, path, body, "POST", headers=headers or {}))


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def server(sink: Sink) -> Iterator[BentoServer]:
    with BentoServer("hostile:Hostile", {**sink.environment(), **SETTINGS}) as server:
        yield server


def test_what_a_client_sent_does_not_leave_with_a_validation_error(server: BentoServer, sink: Sink) -> None:
    """A refused value is neither in the span nor in any log record, while what was wrong with it is."""
    answer = post(server, "/numbers", json.dumps({"values": [SECRET]}).encode())
    assert answer.status == 400
    spans = sink.wait(lambda: sink.spans(trace_id=answer.trace_id))
    records = sink.wait(lambda: [log for log in sink.logs(trace_id=answer.trace_id) if log.scope != "bentoml.access"])
    assert SECRET not in repr((spans, records))
    (exception,) = [event for span in spans for event in span.events]
    assert "values.0: int_parsing" in exception.attributes["exception.message"]


def test_a_body_with_ten_thousand_faults_costs_other_requests_nothing(server: BentoServer, sink: Sink) -> None:
    """Its exception is cut to size, and every request around it is told in full."""
    huge = json.dumps({"values": ["x" * 20] * 10_000}).encode()
    good = json.dumps({"values": [1]}).encode()
    answers = [post(server, "/numbers", huge if turn == 20 else good) for turn in range(40)]
    assert sorted(answer.status for answer in answers) == [200] * 39 + [400]
    for answer in answers:
        sink.wait(lambda answer=answer: sink.spans(trace_id=answer.trace_id, kind=SERVER))
    (refused,) = [answer.trace_id for answer in answers if answer.status == 400]
    events = [event for span in sink.spans(trace_id=refused) for event in span.events]
    assert all(len(event.attributes["exception.message"]) <= 1024 for event in events)
    assert all(len(event.attributes["exception.stacktrace"]) <= 16_384 for event in events)
    assert "10000 validation errors" in events[0].attributes["exception.message"]


def test_an_application_that_raises_is_a_500_with_an_error_type(server: BentoServer, sink: Sink) -> None:
    """A middleware of the user's that fails leaves a request without an answer of its own."""
    before = sink.count("http.server.request.duration", **{"http.response.status_code": 500})
    answer = post(server, "/numbers", b'{"values": [1]}', {"x-raise": "1"})
    assert answer.status == 500
    sink.wait(lambda: sink.count("http.server.request.duration", **{"http.response.status_code": 500}) == before + 1)
    (span,) = sink.wait(
        lambda: [s for s in sink.spans(kind=SERVER) if s.attributes["http.response.status_code"] == 500]
    )
    assert span.status == 2
    assert span.attributes["error.type"]


def test_an_attribute_that_cannot_be_shown_costs_only_itself(server: BentoServer, sink: Sink) -> None:
    """The span arrives with a stand-in for the value, and so does the access log record."""
    answer = post(server, "/unshowable")
    predict = sink.wait(lambda: sink.spans(trace_id=answer.trace_id, name="predict"))[0]
    assert predict.attributes["odd"] == "<Unshowable that cannot be shown>"
    assert sink.wait(lambda: sink.logs(trace_id=answer.trace_id, scope="bentoml.access"))


def test_user_code_may_set_an_attribute_of_ours(server: BentoServer, sink: Sink) -> None:
    """The key is there once, with the user's value."""
    answer = post(server, "/override")
    predict = sink.wait(lambda: sink.spans(trace_id=answer.trace_id, name="predict"))[0]
    assert predict.attributes["bentoml.api.name"] == "another"


def test_an_absurd_content_length_is_not_believed(server: BentoServer, sink: Sink) -> None:
    """Request sizes are those of bytes that came."""
    before = sum(point.sum for point in sink.last("http.server.request.body.size"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.putrequest("GET", "/no/such/path")
    connection.putheader("Content-Length", "99999999999999999999")
    connection.endheaders()
    assert connection.getresponse().status in (400, 404)
    connection.close()
    answer = post(server, "/numbers", b'{"values": [1]}')
    sink.wait(lambda: sink.spans(trace_id=answer.trace_id, kind=SERVER))
    after = sink.wait(lambda: sum(point.sum for point in sink.last("http.server.request.body.size")))
    assert before <= after < before + 10_000_000


def test_a_mounted_fastapi_application_is_observed_once(server: BentoServer, sink: Sink) -> None:
    """FastAPI, which observes itself where there are providers, adds neither a trace nor a count."""
    status, _ = server.get("/mounted/items/7")
    assert status == 200
    (inner,) = sink.wait(lambda: sink.spans(name="inside the mounted application"))
    (outer,) = [span for span in sink.spans(trace_id=inner.trace_id) if span.kind == SERVER]
    assert inner.parent_id == outer.span_id
    assert outer.attributes["http.route"] == "/mounted/items/{item}"
    routes = {"http.route": "/mounted/items/{item}"}
    assert sink.wait(lambda: sink.count("http.server.request.duration", **routes)) == 1
    assert not [span for span in sink.spans() if span.scope == "fastapi"]


def test_schemas_and_the_console_are_those_of_plain_bentoml(sink: Sink) -> None:
    """Recursive models have the same schema; loggers with and without a level print the same lines."""
    with plain_and_observed("hostile:Hostile", {**sink.environment(), **SETTINGS}) as (plain, observed):
        assert plain.get("/schema.json") == observed.get("/schema.json")
        assert plain.get("/docs.json") == observed.get("/docs.json")
        for server in (plain, observed):
            assert post(server, "/log").status == 200
            assert post(server, "/count_nodes", b'{"name": "a", "children": [{"name": "b"}]}').status == 200
            output = server.wait_for_output("a warning")
            assert "of a logger with a level of its own" in output
            assert "below the root's" not in output


def test_an_instrument_that_hangs_costs_only_itself() -> None:
    """Spans, logs and the other metrics go on arriving, and the server stops within five seconds."""
    with Sink() as sink:
        environment = {**sink.environment(), **SETTINGS, "TEST_HANGING_GAUGE": "1"}
        with BentoServer("hostile:Hostile", environment) as server:
            answers = [post(server, "/numbers", b'{"values": [1]}') for _ in range(5)]
            sink.wait(lambda: sink.count("http.server.request.duration") == 5)
            assert server.stop() < 5.0
            assert {span.trace_id for span in sink.spans(kind=SERVER)} == {answer.trace_id for answer in answers}
            assert len(sink.logs(scope="bentoml.access")) == 5
