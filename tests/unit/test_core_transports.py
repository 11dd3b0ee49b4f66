"""Both ways to an OTLP endpoint, and what each of its answers is taken to mean."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from ports import black_hole, free_port
from sink import Sink

from bento_observe.settings import Endpoint
from bento_observe.telemetry import _transport
from bento_observe.telemetry._transport import Outcome, Transport

PAYLOAD = ExportTraceServiceRequest(
    resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(name="one"), Span(name="two")])])]
).SerializeToString()


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


@pytest.fixture(params=["grpc", "http/protobuf"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_transport(protocol: str, sink: Sink | None = None, port: int = 0, **fields: Any) -> Transport:
    if sink is not None:
        port = sink.grpc_port if protocol == "grpc" else sink.http_port
    url = f"http://127.0.0.1:{port}" + ("" if protocol == "grpc" else "/v1/traces")
    transport = _transport.create("traces", Endpoint(protocol=protocol, url=url, **fields))
    assert transport is not None
    return transport


def send(protocol: str, sink: Sink, behaviour: str = "accept", timeout: float = 5.0, **fields: Any) -> Outcome:
    """One request to an endpoint that behaves like that."""
    sink.clear()
    sink.behaviour = behaviour
    transport = open_transport(protocol, sink, **fields)
    try:
        return transport.send(PAYLOAD, timeout)
    finally:
        sink.behaviour = "accept"
        transport.close()


@pytest.mark.parametrize("compression", ["", "gzip", "deflate"])
def test_what_is_sent_arrives(protocol: str, sink: Sink, compression: str) -> None:
    """Compressed or not, with the headers that were asked for."""
    headers = (("x-tenant", "blue"), ("authorization", "Bearer secret"))

    assert send(protocol, sink, compression=compression, headers=headers) == Outcome(accepted=True)
    assert [span.name for span in sink.spans()] == ["one", "two"]
    (export,) = sink.exports
    assert headers[0][1] == export.headers["x-tenant"]
    assert export.headers["authorization"] == "Bearer secret"
    assert "bento-observe/" in export.headers["user-agent"]


def test_several_requests_share_one_connection(sink: Sink, protocol: str) -> None:
    """A transport is made once and used for the life of a process."""
    sink.clear()
    transport = open_transport(protocol, sink)
    assert all(transport.send(PAYLOAD, 5.0).accepted for _ in range(20))
    transport.close()

    assert len(sink.spans()) == 40


def test_a_refusal_is_final(protocol: str, sink: Sink) -> None:
    """INVALID_ARGUMENT and 400: trying again cannot help."""
    outcome = send(protocol, sink, "reject")

    assert not outcome.accepted
    assert outcome.retry_after is None
    assert outcome.reason in ("invalid_argument", "http_400")


def test_an_endpoint_that_is_busy_says_when_to_come_again(protocol: str, sink: Sink) -> None:
    """RetryInfo in the status details of gRPC, Retry-After in HTTP; in seconds."""
    sink.retry_after = 2.0
    outcome = send(protocol, sink, "busy")

    assert (outcome.accepted, outcome.retry_after) == (False, 2.0)


def test_an_endpoint_that_is_unavailable_may_be_asked_again(protocol: str, sink: Sink) -> None:
    """UNAVAILABLE and 503, without a time."""
    outcome = send(protocol, sink, "unavailable")

    assert (outcome.accepted, outcome.retry_after) == (False, 0.0)


def test_a_partial_success_says_how_many_were_refused(protocol: str, sink: Sink) -> None:
    """And why."""
    assert send(protocol, sink, "partial") == Outcome(accepted=True, rejected=1, reason="one too many")


def test_an_answer_that_never_comes_is_not_waited_for(protocol: str, sink: Sink) -> None:
    """The given time and no more; it may be tried again."""
    began = time.monotonic()
    sink.behaviour = "hang"
    transport = open_transport(protocol, sink)
    outcome = transport.send(PAYLOAD, 0.3)
    sink.behaviour = "accept"
    transport.close()

    assert 0.2 < time.monotonic() - began < 1.5
    assert (outcome.accepted, outcome.retry_after) == (False, 0.0)


@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_nobody_there_may_be_tried_again(protocol: str, kind: str) -> None:
    """A closed port, and one that accepts connections and never reads; neither raises."""
    with black_hole() as hole:
        transport = open_transport(protocol, port=hole if kind == "silent" else free_port())
        began = time.monotonic()
        outcome = transport.send(PAYLOAD, 0.3)
        transport.close()

    assert time.monotonic() - began < 1.5
    assert (outcome.accepted, outcome.retry_after) == (False, 0.0)


def test_an_endpoint_that_comes_back_is_found(protocol: str) -> None:
    """Through the same transport, within seconds."""
    with Sink() as first:
        transport = open_transport(protocol, first)
        assert transport.send(PAYLOAD, 5.0).accepted
        first.stop()
        assert not transport.send(PAYLOAD, 1.0).accepted
        first.start()
        deadline = time.monotonic() + 10
        while not transport.send(PAYLOAD, 1.0).accepted:
            assert time.monotonic() < deadline, "the endpoint is back but is not found"
            time.sleep(0.1)
        transport.close()


def test_grpc_takes_an_endpoint_without_a_scheme(sink: Sink) -> None:
    """`host:port`, as many write it."""
    sink.clear()
    transport = _transport.create("traces", Endpoint(url=f"127.0.0.1:{sink.grpc_port}"))
    assert transport is not None
    assert transport.send(PAYLOAD, 5.0).accepted
    transport.close()


def test_the_console_gets_one_json_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """OTLP/JSON, as the specification has it."""
    transport = _transport.create("traces", Endpoint(exporter="console"))
    assert transport is not None
    assert transport.send(PAYLOAD, 1.0).accepted
    (line,) = capsys.readouterr().out.splitlines()

    spans = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [span["name"] for span in spans] == ["one", "two"]


def test_no_exporter_is_no_transport() -> None:
    """Then there is no thread and no queue either."""
    assert _transport.create("traces", Endpoint(exporter="none")) is None
