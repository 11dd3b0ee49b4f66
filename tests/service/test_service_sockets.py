"""WebSocket connections: one server span each, within the caller's trace, counted while they are open."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from httpx_ws import HTTPXWSException, WebSocketDisconnect, WebSocketUpgradeError, connect_ws
from received import SERVER, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import traceparent

ACTIVE, DURATION = "bentoml.websocket.connections", "bentoml.websocket.duration"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("sockets:Sockets", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def connection(scene: Scene, given: str) -> Span:
    """The server span of the connection that was opened with this traceparent."""
    (span,) = scene.sink.wait(lambda: scene.sink.spans(trace_id=given.split("-")[1], kind=SERVER), what="connection")
    assert isinstance(span, Span)
    return span


def test_a_connection_is_a_server_span_with_its_route_and_its_close_code(scene: Scene) -> None:
    """A child of the caller's span, as long as the connection; what the handler records is below it."""
    given = traceparent()
    with connect_ws(f"{scene.server.url}/chat/rooms/7", headers={"traceparent": given}) as talk:
        for text in ("a", "b"):
            talk.send_text(text)
            assert talk.receive_text() == f"7: {text.upper()}"
        scene.sink.wait(lambda: scene.sink.value(ACTIVE) == 1, what="an open connection")
        assert scene.sink.spans(trace_id=given.split("-")[1], kind=SERVER) == []
    span = connection(scene, given)

    assert (span.name, span.parent_id) == ("GET /chat/rooms/{room}", given.split("-")[2])
    expected = {
        "http.request.method": "GET",
        "http.response.status_code": 101,
        "http.route": "/chat/rooms/{room}",
        "url.path": "/chat/rooms/7",
        "url.scheme": "ws",
        "network.protocol.name": "websocket",
        "bentoml.websocket.close_code": 1000,
        "bentoml.websocket.messages.received": 2,
        "bentoml.websocket.messages.sent": 2,
    }
    assert expected.items() <= span.attributes.items()
    assert "error.type" not in span.attributes
    assert span.status == 0
    own = scene.sink.wait(lambda: scene.sink.spans(trace_id=span.trace_id, name="answer"))
    assert {inner.parent_id for inner in own} == {span.span_id}
    scene.sink.wait(lambda: scene.sink.value(ACTIVE) == 0, what="no open connection")
    scene.sink.wait(lambda: scene.sink.count(DURATION, bentoml__websocket__close_code=1000) == 1)


def test_connections_are_no_http_requests_in_the_metrics(scene: Scene) -> None:
    """Which would spoil their durations."""
    with connect_ws(f"{scene.server.url}/chat/rooms/8"):
        pass
    scene.trace(scene.ask("/turn", text="a").trace_id)
    scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", http__route="/turn"))
    assert {point.attributes.get("http.route") for point in scene.sink.last("http.server.request.duration")} == {
        "/turn"
    }
    assert scene.sink.value("http.server.active_requests") == 0


@pytest.mark.parametrize(
    ("code", "counted", "error"), [(1000, 1000, None), (1001, 1001, None), (4321, 4000, None), (1011, 1011, "1011")]
)
def test_the_code_that_the_service_closes_with_is_told(
    scene: Scene, code: int, counted: int, error: str | None
) -> None:
    """On the span as it is; in the metric the application's own ones are one."""
    given = traceparent()
    with connect_ws(f"{scene.server.url}/chat/rooms/7", headers={"traceparent": given}) as talk:
        talk.send_text(f"close {code}")
        with pytest.raises(WebSocketDisconnect) as closed:
            talk.receive_text()
    span = connection(scene, given)

    assert closed.value.code == span.attributes["bentoml.websocket.close_code"] == code
    assert span.attributes.get("error.type") == error
    assert span.status == (2 if error else 0)
    scene.sink.wait(lambda: scene.sink.count(DURATION, bentoml__websocket__close_code=counted))


def test_a_handler_that_raises_is_an_error(scene: Scene) -> None:
    given = traceparent()
    with connect_ws(f"{scene.server.url}/chat/rooms/7", headers={"traceparent": given}) as talk:
        talk.send_text("fail")
        with pytest.raises(HTTPXWSException):
            talk.receive_text()
    span = connection(scene, given)

    assert (span.attributes["error.type"], span.status) == ("ValueError", 2)
    assert [event.attributes["exception.message"] for event in span.events] == ["no more"]


@pytest.mark.parametrize(("path", "route"), [("/chat/refused", "/chat/refused"), ("/chat/nothing/here", None)])
def test_a_refused_handshake_is_a_403(scene: Scene, path: str, route: str | None) -> None:
    given = traceparent()
    with (
        pytest.raises(WebSocketUpgradeError),
        connect_ws(f"{scene.server.url}{path}", headers={"traceparent": given}),
    ):
        pass
    span = connection(scene, given)

    assert span.attributes["http.response.status_code"] == 403
    assert span.attributes["error.type"] == "403"
    assert span.attributes.get("http.route") == route
    assert "bentoml.websocket.close_code" not in span.attributes


def test_a_client_that_vanishes_is_recorded_as_such(scene: Scene) -> None:
    """Without a word: the connection is cut."""
    given = traceparent()
    with socket.create_connection(("127.0.0.1", scene.server.port)) as cut:
        lines = [
            "GET /chat/rooms/7 HTTP/1.1", "host: a", "connection: upgrade", "upgrade: websocket",
            "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", f"traceparent: {given}",
        ]  # fmt: skip
        cut.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b" 101 " in cut.recv(4096)
    span = connection(scene, given)

    # What uvicorn says of it depends on its WebSocket library: "abnormal", or, with wsproto, "no code".
    code = span.attributes["bentoml.websocket.close_code"]
    assert code in (1005, 1006)
    assert span.attributes.get("error.type") == ("client_disconnect" if code == 1006 else None)
    assert span.status == 0
    scene.sink.wait(lambda: scene.sink.value(ACTIVE) == 0, what="no open connection")


def test_apis_called_in_a_connection_pile_nothing_up(scene: Scene) -> None:
    """A connection may last for days: calls within are no stages of it."""
    given = traceparent()
    with connect_ws(f"{scene.server.url}/chat/asks", headers={"traceparent": given}) as talk:
        for _ in range(300):
            talk.send_text("abc")
            assert talk.receive_text() == "cba"
    span = connection(scene, given)

    assert span.attributes["bentoml.websocket.messages.received"] == 300
    assert scene.sink.spans(trace_id=span.trace_id, name="predict") == []


def test_what_is_open_when_the_server_stops_is_told() -> None:
    """Closed with the server's restart code, and sent before the worker ends."""
    given = traceparent()
    with Sink() as sink, BentoServer("sockets:Sockets", {**sink.environment(), **SETTINGS}) as server:
        with connect_ws(f"{server.url}/chat/rooms/1", headers={"traceparent": given}) as talk:
            talk.send_text("a")
            talk.receive_text()
            server.stop()
        (span,) = sink.spans(trace_id=given.split("-")[1], kind=SERVER)
        assert span.attributes["bentoml.websocket.close_code"] == 1012


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
