"""Streams: their items are counted and timed, and one that does not come to its end says why."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from received import Point, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Request

STREAM = "bentoml.api.stream."


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("streams:Streams", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def metric(scene: Scene, name: str, api: str) -> Point:
    """The only series of a metric of an API."""
    (point,) = scene.sink.wait(lambda: scene.sink.last(STREAM + name, bentoml__api__name=api), what=name)
    assert isinstance(point, Point)
    return point


@pytest.mark.parametrize("path", ["/count", "/acount", "/events", "/tokens"])
def test_items_are_counted_and_the_spans_last_as_long_as_the_stream(scene: Scene, path: str) -> None:
    """Generators, asynchronous ones, server-sent events, models: on the predict span and in the metrics."""
    answer, (server, decode, predict, *own) = scene.traced(path, items=7)

    assert (answer.status, server.status, predict.status) == (200, 0, 0)
    assert (decode.name, predict.name) == ("decode", "predict")
    assert predict.attributes["bentoml.api.stream.items"] == 7
    assert "error.type" not in predict.attributes
    assert predict.end_ns <= server.end_ns
    assert server.attributes["http.response.body.size"] == len(answer.body)
    assert {span.parent_id for span in own} <= {predict.span_id}
    items, first, rate = (metric(scene, name, path[1:]) for name in ("items", "first_item.duration", "rate"))
    assert (items.count, items.sum, first.count, rate.count) == (1, 7, 1, 1)
    assert items.attributes == first.attributes == rate.attributes == {"bentoml.api.name": path[1:]}


@pytest.mark.parametrize("path", ["/count", "/acount"])
def test_spans_of_the_handlers_own_are_made_within_the_stream(scene: Scene, path: str) -> None:
    """One around each `yield`, below predict, though BentoML makes the items in several threads or tasks."""
    answer, (_, _, predict, *_) = scene.traced(path, items=5)
    own = scene.sink.wait(
        lambda: (
            len(scene.sink.spans(trace_id=answer.trace_id, scope="streams")) == 5
            and scene.sink.spans(trace_id=answer.trace_id, scope="streams")
        )
    )

    assert [span.name for span in sorted(own, key=lambda span: span.start_ns)] == [f"make {n}" for n in range(5)]
    assert {span.parent_id for span in own} == {predict.span_id}
    assert "Failed to detach context" not in scene.server.output


def test_the_first_item_and_the_rate_after_it_are_timed(scene: Scene) -> None:
    """0.3 s to the first item, then one each 20 ms: about 50 a second, whatever the first one took."""
    scene.ask("/slowly", first=0.3, every=0.02, items=11)

    assert 0.3 <= metric(scene, "first_item.duration", "slowly").sum < 0.6
    assert 25 < metric(scene, "rate", "slowly").sum < 50
    exemplar = metric(scene, "rate", "slowly")
    assert exemplar.unit == "{item}/s"


def test_a_stream_without_an_item_has_no_first_one(scene: Scene) -> None:
    """Its number of items is counted, there is nothing to time."""
    before = scene.sink.count(STREAM + "first_item.duration", bentoml__api__name="tokens")
    _, (_, _, predict) = scene.traced("/tokens", items=0)

    assert predict.attributes["bentoml.api.stream.items"] == 0
    scene.sink.wait(lambda: any(p.counts[0] for p in scene.sink.last(STREAM + "items", bentoml__api__name="tokens")))
    assert scene.sink.count(STREAM + "first_item.duration", bentoml__api__name="tokens") == before


@pytest.mark.parametrize("path", ["/breaks", "/abreaks"])
def test_an_error_in_mid_stream_is_an_error_though_the_status_is_200(scene: Scene, path: str) -> None:
    """On both spans, with the exception on predict, and what came before is counted."""
    answer, (server, _, predict) = scene.traced(path, after=3)

    assert (answer.status, answer.body) == (200, b"0;1;2;")
    assert server.attributes["http.response.status_code"] == 200
    assert server.attributes["error.type"] == predict.attributes["error.type"] == "RuntimeError"
    assert (server.status, predict.status) == (2, 2)
    assert predict.attributes["bentoml.api.stream.items"] == 3
    assert [event.attributes["exception.message"] for event in predict.events] == ["no further"]
    assert metric(scene, "items", path[1:]).attributes["error.type"] == "RuntimeError"


def test_an_error_before_the_first_item_is_a_500(scene: Scene) -> None:
    """BentoML asks for the first item before it answers."""
    answer, (server, _, predict) = scene.traced("/breaks", after=0)

    assert answer.status == server.attributes["http.response.status_code"] == 500
    assert (server.status, predict.status) == (2, 2)
    assert predict.attributes["bentoml.api.stream.items"] == 0


@pytest.mark.parametrize(("path", "made"), [("/unfit", 2), ("/unfit_sync", 3)])
def test_an_item_that_cannot_be_encoded_is_an_error(scene: Scene, path: str, made: int) -> None:
    """BentoML logs it and ends the answer as if it were whole; the handler is not told."""
    answer, (server, _, predict) = scene.traced(path)

    assert answer.status == server.attributes["http.response.status_code"] == 200
    assert server.attributes["error.type"] == predict.attributes["error.type"] == "stream_broken"
    assert (server.status, predict.status) == (2, 2)
    assert predict.attributes["bentoml.api.stream.items"] == made


def _leave(scene: Scene, path: str) -> list[Span]:
    connection = http.client.HTTPConnection("127.0.0.1", scene.server.port, timeout=10)
    connection.request("POST", path, b"{}", {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.read(2048)
    response.close()
    connection.close()
    return scene.trace(response.headers["x-bentoml-trace-id"])


@pytest.mark.parametrize("path", ["/endless", "/endless_sync"])
def test_a_client_that_leaves_half_way_is_recorded_as_such(scene: Scene, path: str) -> None:
    """Of both kinds of generator, though BentoML closes a synchronous one only when it is collected. No error."""
    server, _, predict = _leave(scene, path)

    assert server.attributes["error.type"] == predict.attributes["error.type"] == "client_disconnect"
    assert (server.status, predict.status, predict.events) == (0, 0, [])
    assert predict.end_ns <= server.end_ns
    assert predict.attributes["bentoml.api.stream.items"] >= 2
    assert metric(scene, "items", path[1:]).attributes["error.type"] == "client_disconnect"
    scene.nothing_in_flight()


def test_a_handler_may_leave_a_stream_of_its_own(scene: Scene) -> None:
    """Which is no error: it had all it wanted."""
    answer, (server, *stages) = scene.traced("/first_two")
    inner = next(span for span in stages if span.attributes["bentoml.api.name"] == "acount")

    assert answer.json() == ["0;", "1;"]
    assert "error.type" not in {**server.attributes, **inner.attributes}
    assert inner.attributes["bentoml.api.stream.items"] == 2


def test_a_generator_that_is_returned_is_served(scene: Scene) -> None:
    """Its items are made after the handler has returned: they are not counted, the request lasts until the last."""
    answer, (server, *stages) = scene.traced("/returned", items=4)

    assert (answer.status, answer.body) == (200, b"0;1;2;3;")
    assert [span.name for span in stages] == ["decode", "predict"]
    assert server.attributes["http.response.body.size"] == 8


def test_counts_equal_the_streams_sent(scene: Scene) -> None:
    """Whatever became of them, from several clients at once."""
    from traffic import send_all

    before: Any = {api: scene.sink.count(STREAM + "items", bentoml__api__name=api) for api in ("acount", "count")}
    sent = [
        Request(path, path, json.dumps({"items": number % 5}).encode())
        for number in range(40)
        for path in ("/acount", "/count")
    ]
    assert {answer.status for answer in send_all(scene.server.port, sent)} == {200}
    for api, count in before.items():
        scene.sink.wait(
            lambda api=api, count=count: scene.sink.count(STREAM + "items", bentoml__api__name=api) == count + 40
        )


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
