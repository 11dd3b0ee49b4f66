"""The endpoint for labels in a service with middlewares of its own: they are before it, BentoML's limits are not."""

from __future__ import annotations

import fcntl
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, Request

LABELS = "/v1/observe/labels"
TOKEN = {"authorization": "the token"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def scene(tables: Path) -> Iterator[Scene]:
    with (
        Sink() as sink,
        BentoServer(
            "guarded:Guarded", {**sink.environment(), **SETTINGS, "TMPDIR": str(tables)}, prefix="/v1"
        ) as server,
    ):
        yield Scene(server, sink)


def predicted(scene: Scene) -> str:
    answer = scene.ask("/v1/verdict", headers=TOKEN, number=1)
    assert answer.status == 200, answer.body
    return answer.headers["x-prediction-id"]


def send_labels(scene: Scene, body: Any, **headers: str) -> Answer:
    return scene.send(Request("labels", LABELS, json.dumps(body).encode(), headers=headers))


def test_who_may_not_come_in_sends_no_labels(scene: Scene) -> None:
    """The middleware's answer is the answer; with its token, the label is still to be had."""
    label = {"id": predicted(scene), "label": "b"}
    refused = send_labels(scene, label)
    assert (refused.status, refused.body) == (401, b"who are you?")
    assert send_labels(scene, label, **TOKEN).json() == {"matched": 1, "refused": {}}


def test_a_middleware_reads_the_body_first_and_adds_to_the_answer(scene: Scene) -> None:
    """Also of a body that is too large, and of a method that is none."""
    body = [{"id": predicted(scene), "label": "a"}]
    answer = send_labels(scene, body, **TOKEN)
    assert (answer.status, answer.json()["matched"]) == (200, 1)
    assert answer.headers["x-weight"] == str(len(json.dumps(body)))
    assert send_labels(scene, " " * (2 << 20), **TOKEN).status == 413
    assert scene.send(Request("labels", LABELS, method="GET", headers=TOKEN)).status == 405


def test_a_middleware_that_fails_is_answered_as_elsewhere(scene: Scene) -> None:
    """By 500, and the next one is served."""
    label = {"id": predicted(scene), "label": "b"}
    assert send_labels(scene, label, **TOKEN, **{"x-raise": "1"}).status == 500
    assert send_labels(scene, label, **TOKEN).json()["matched"] == 1


def test_only_its_own_path_is_the_endpoints(scene: Scene) -> None:
    """Below the prefix, where it is before what is mounted; anything else goes there."""
    answer = scene.ask(f"{LABELS}/more", headers=TOKEN)
    assert answer.json() == {"caught": "observe/labels/more"}
    assert scene.ask("/observe/labels", headers=TOKEN).status == 404


def test_the_limits_of_predictions_are_not_those_of_labels(scene: Scene) -> None:
    """While the one place is taken labels are matched, also those whose body takes longer than BentoML's time-out."""
    first, second = predicted(scene), predicted(scene)
    body = json.dumps({"id": first, "label": "b"}).encode()
    slow = http.client.HTTPConnection("127.0.0.1", scene.server.port, timeout=30)
    slow.putrequest("POST", LABELS)
    for name, value in {**TOKEN, "content-type": "application/json", "content-length": str(len(body))}.items():
        slow.putheader(name, value)
    slow.endheaders(body[:10])
    # Begun later, and ended by the time-out: the labels have taken longer when it is.
    waited: list[Answer] = []
    waiting = threading.Thread(target=lambda: waited.append(scene.ask("/v1/wait", headers=TOKEN)))
    waiting.start()
    scene.sink.wait(lambda: scene.sink.value("http.server.active_requests") == 1, what="the request that waits")
    assert scene.ask("/v1/verdict", headers=TOKEN, number=1).status == 429
    assert send_labels(scene, {"id": second, "label": "b"}, **TOKEN).json()["matched"] == 1
    waiting.join(30)
    assert [answer.status for answer in waited] == [504]
    slow.send(body[10:])
    answer = slow.getresponse()
    assert (answer.status, json.loads(answer.read())["matched"]) == (200, 1)
    slow.close()


def test_while_another_process_keeps_the_table_labels_are_put_off(scene: Scene, tables: Path) -> None:
    """By 503 where somebody can send them again, in memory where a handler has recorded them; each then counts once."""
    before, at_once, later = predicted(scene), predicted(scene), predicted(scene)
    assert send_labels(scene, {"id": before, "label": "b"}, **TOKEN).json()["matched"] == 1
    matched = scene.count("ml.label.delay")
    (table,) = tables.glob("bento-observe-*/labels-*.seen")
    with table.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as a worker that was stopped has it
        answer = send_labels(scene, [{"id": at_once, "label": "b"}, {"id": "nonsense", "label": "b"}], **TOKEN)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["refused"] == {"busy": 1, "malformed": 1}
        assert scene.ask("/v1/feedback", headers=TOKEN, id=later, label="b").status == 200
        assert scene.ask("/v1/verdict", headers=TOKEN, number=1).status == 200
        assert scene.count("ml.label.delay") == matched
    assert send_labels(scene, {"id": at_once, "label": "b"}, **TOKEN).json()["matched"] == 1
    scene.sink.wait(lambda: scene.sink.count("ml.label.delay") == matched + 2, what="the label that was recorded")
    assert send_labels(scene, {"id": later, "label": "b"}, **TOKEN).json()["refused"] == {"duplicate": 1}
    scene.count("ml.label.delay")
    refused = {point.attributes["reason"]: point.value for point in scene.sink.last("ml.label.refused")}
    assert refused == {"busy": 1, "malformed": 1, "duplicate": 1}


def test_none_of_it_is_in_a_span_or_in_a_metric_of_requests(scene: Scene) -> None:
    """Whoever answered it: BentoML's own metrics do not have it either."""
    scene.count("http.server.request.duration")
    paths = {span.attributes.get("url.path") for span in scene.sink.spans()}
    assert "/v1/verdict" in paths
    assert LABELS not in paths
    routes = {point.attributes.get("http.route") for point in scene.sink.last("http.server.request.duration")}
    assert LABELS not in routes
    shown = scene.send(Request("metrics", "/v1/metrics", method="GET", headers=TOKEN)).body.decode()
    assert 'endpoint="/v1/verdict"' in shown
    assert f'"{LABELS}"' not in shown
    scene.nothing_in_flight()
    assert scene.sink.last("bento_observe.errors") == []
