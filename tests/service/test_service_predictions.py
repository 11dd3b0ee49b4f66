"""A service whose predictions are kept: events that equal its predictions, and an Elasticsearch that is not there.

Labels that are matched by plain ids take the real one: tests/stack/test_stack_predictions.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ports import free_port
from received import Log
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request, send_all

HEADER = "x-prediction-id"


def environment(sink: Sink) -> dict[str, str]:
    return {
        **sink.environment(),
        "BENTO_OBSERVE_PREDICTIONS": "elasticsearch",
        "BENTO_OBSERVE_PREDICTIONS_URL": f"http://127.0.0.1:{free_port()}",  # of nobody
    }


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("labelled:Labelled", {**environment(sink), **SETTINGS}) as server:
        yield Scene(server, sink)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [one for one in answer.headers.get(HEADER, "").split(",") if one]


def events(sink: Sink) -> dict[str, Log]:
    return {log.attributes["ml.prediction.id"]: log for log in sink.logs(scope="bento_observe.predictions")}


def event(scene: Scene, one: str) -> Log:
    found: Log = scene.sink.wait(lambda: events(scene.sink).get(one), what=f"the event of {one}")
    return found


def test_a_prediction_is_an_event_of_its_request(scene: Scene) -> None:
    """Under the caller's id, which the answer and the trace have as it is."""
    answer, spans = scene.traced("/verdict", case={"number": 4, "country": "FR"}, headers={HEADER: "order-17"})
    assert ids(answer) == ["order-17"]
    assert spans[0].attributes["ml.prediction.id"] == "order-17"
    found = event(scene, "order-17")
    assert (found.trace_id, found.span_id) == (answer.trace_id, spans[0].span_id)
    assert found.attributes == pytest.approx(
        {
            "ml.prediction.id": "order-17", "ml.prediction.type": "class", "ml.prediction.class": "b",
            "ml.prediction.confidence": 0.5 + 4 / 14,
            "bentoml.api.name": "verdict", "ml.slice.country": "FR",
        }
    )  # fmt: skip


def test_rows_have_ids_and_events_of_their_own(scene: Scene) -> None:
    """In a header, by hand, and where BentoML puts requests together."""
    few = ids(scene.ask("/fraud", numbers=[1, 2, 3]))
    many = scene.ask("/by_hand", numbers=list(range(100))).json()["ids"]
    batched = ids(scene.ask("/batched", numbers=[1, 2]))
    (price,) = ids(scene.ask("/price", number=10.0))
    for one in (*few, many[0], many[99], *batched, price):
        event(scene, one)
    assert [one.rpartition(".")[2] for one in few] == ["0", "1", "2"]
    found = event(scene, price).attributes
    assert (found["ml.prediction.value"], found["bentoml.api.name"]) == (20.0, "price")
    assert len(set(many)) == 100


def test_an_elasticsearch_that_is_not_there_is_told_to_who_sends_labels(scene: Scene) -> None:
    """With when to send them again; in one line of the log, and to nobody who asks for predictions."""
    body = json.dumps({"ids": ["order-17", None], "labels": ["b", "b"]}).encode()
    answer = scene.send(Request("labels", "/observe/labels", body))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "matched": 0,
        "refused": {"lookup_failed": 1, "no_id": 1},
        "errors": [{"position": 0, "reason": "lookup_failed"}, {"position": 1, "reason": "no_id"}],
    }
    began = time.monotonic()
    assert scene.ask("/feedback", ids=["order-17"], labels=["b"]).status == 200
    assert time.monotonic() - began < 3
    scene.send(Request("labels", "/observe/labels", body))
    assert scene.server.output.count("predictions cannot be looked up: it cannot be reached") == 1
    assert "BENTO_OBSERVE_LABEL_KEY" not in scene.server.output
    scene.nothing_went_wrong()


def test_every_prediction_that_ended_before_sigterm_is_an_event() -> None:
    """And a label that waits for its look-up is counted as lost."""
    rows = 2000

    def post(path: str, **fields: Any) -> Request:
        return Request(path, path, json.dumps(fields).encode())

    with Sink() as sink, BentoServer("labelled:Labelled", environment(sink), workers=2) as server:
        answers = send_all(server.port, [post("/fraud", numbers=list(range(16))) for _ in range(200)])
        with Client(server.port) as client:
            by_hand = client.send(post("/by_hand", numbers=list(range(rows)))).json()["ids"]
            answers.append(client.send(post("/feedback", ids=by_hand[:7], labels=["1"] * 7)))
        took = server.stop()
        expected = {one for answer in answers for one in ids(answer)} | set(by_hand)
        assert len(expected) == 200 * 16 + rows + 1
        assert set(events(sink)) == expected
        assert sum(log.scope == "bento_observe.predictions" for log in sink.logs()) == len(expected)
        assert sink.value("bento_observe.dropped", signal="labels", reason="shutdown") == 7
        assert took < 15
