"""Ids that a legacy service's answers carry, and labels that come back with them to any of its workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, Request

HEADER = "x-prediction-id"
HIGH, LOW = [[4, 4, 4, 4]], [[1, 1, 1, 1]]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Two workers, with a key that only their supervisor made up."""
    env = {**SETTINGS, "BENTO_OBSERVE_LABELS": "true"}
    with Sink() as sink, BentoServer("runners:svc", {**sink.environment(), **env}, workers=2) as server:
        yield Scene(server, sink)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [one for one in answer.headers.get(HEADER, "").split(",") if one]


def send_labels(scene: Scene, body: Any) -> Answer:
    return scene.send(Request("labels", "/observe/labels", json.dumps(body).encode()))


def rows(scene: Scene, path: str, count: int) -> Answer:
    return scene.send(Request(path, path, json.dumps([[1, 2, 3, 4]] * count).encode()))


@pytest.mark.parametrize("path", ["/predict", "/predict_sync", "/near"])
def test_an_answer_carries_an_id_a_row_and_the_trace_has_it(scene: Scene, path: str) -> None:
    """Whatever runner has made it; the runner's own request has none."""
    answer = rows(scene, path, 3)
    found = ids(answer)
    assert len(set(found)) == 3

    def told() -> list[tuple[str, Any]]:
        spans = scene.sink.spans(trace_id=answer.trace_id)
        return [
            (span.name, span.attributes["ml.prediction.id"]) for span in spans if "ml.prediction.id" in span.attributes
        ]

    # The runner's own spans may come before the service's or after them.
    assert scene.sink.wait(told, what=f"the ids of {path}") == [(f"POST {path}", found)]
    assert ids(rows(scene, path, 17)) == []


def test_a_callers_own_id_is_in_the_trace(scene: Scene) -> None:
    """As of any service."""
    answer = scene.ask("/verdict", rows=HIGH, headers={HEADER: "order-17"})
    assert len(ids(answer)) == 1
    spans = scene.sink.wait(lambda: scene.sink.spans(trace_id=answer.trace_id, name="POST /verdict"), what="the span")
    assert [span.attributes["ml.prediction.id"] for span in spans] == ["order-17"]


def test_what_is_no_prediction_or_an_error_has_none(scene: Scene) -> None:
    """Nor has a stream."""
    stream = scene.send(Request("/stream", "/stream", b"a b", headers={"content-type": "text/plain"}))
    assert ids(stream) == []
    assert ids(scene.ask("/both", rows=HIGH)) == []
    assert HEADER not in rows(scene, "/broken", 1).headers


def test_labels_are_matched_by_http_and_by_python(scene: Scene) -> None:
    """By any worker; each once."""
    found = [ids(scene.ask("/verdict", rows=one))[0] for one in (HIGH, LOW) * 20]
    labels = ["high", "low"] * 15 + ["high", "high"] * 5
    for one, label in zip(found[:30], labels, strict=False):
        assert send_labels(scene, {"id": one, "label": label}).json() == {"matched": 1, "refused": {}}
    assert scene.ask("/feedback", ids=found[30:], labels=labels[30:]).status == 200
    answer = send_labels(scene, {"ids": [found[0], "x"], "labels": ["high", "high"]})
    assert (answer.status, answer.json()["refused"]) == (422, {"duplicate": 1, "malformed": 1})
    (value,) = ids(rows(scene, "/predict", 1))
    assert send_labels(scene, {"id": value, "label": 12.5}).json()["matched"] == 1

    def counted() -> dict[tuple[str, str], float]:
        told: dict[tuple[str, str], float] = {}
        for point in scene.sink.last("ml.model.confusion", bentoml__api__name="verdict"):
            pair = point.attributes["ml.prediction.class"], point.attributes["ml.label.class"]
            told[pair] = told.get(pair, 0) + point.value
        return told

    scene.sink.wait(lambda: sum(counted().values()) == 40, what="the confusion of 40 labels")
    assert counted() == {("high", "high"): 20, ("low", "low"): 15, ("low", "high"): 5}
    scene.sink.wait(lambda: scene.sink.value("ml.model.error.squares") == 2.5**2, what="an error")


def test_requests_with_labels_are_told_by_no_span_or_log(scene: Scene) -> None:
    """As of any service; nothing of ours went wrong."""
    send_labels(scene, [])
    answer = scene.ask("/verdict", rows=HIGH)
    scene.trace(answer.trace_id)
    assert not [span for span in scene.sink.spans() if "/observe/labels" in json.dumps(span.attributes)]
    assert "/observe/labels" not in scene.server.output
    assert "BENTO_OBSERVE_LABEL_KEY is not set" in scene.server.output
    scene.nothing_went_wrong()
