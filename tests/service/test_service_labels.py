"""Ids that answers carry, and what becomes of labels that come back with them, over a served service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request

HEADER = "x-prediction-id"
KEY = "a key that is long enough for it"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("labelled:Labelled", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [one for one in answer.headers.get(HEADER, "").split(",") if one]


def send_labels(scene: Scene, body: Any, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return scene.send(Request("labels", "/observe/labels", data, headers=headers))


def value(scene: Scene, metric: str, **attributes: Any) -> float:
    scene.count("ml.model.score")  # waits until all that has ended by now is told
    return scene.sink.value(metric, **attributes)


def whole(scene: Scene, metric: str, api: str, **attributes: Any) -> float:
    """The value of a model as a whole, without its slices."""
    scene.count("ml.model.score")
    wanted = {"bentoml__api__name": api, **attributes}
    return sum(p.value for p in scene.sink.last(metric, **wanted) if "ml.slice.name" not in p.attributes)


def test_an_answer_carries_an_id_a_row_and_the_trace_has_it(scene: Scene) -> None:
    """One for a lone prediction, several for a few rows, none for many rows or for what is no prediction."""
    answer, spans = scene.traced("/verdict", case={"number": 4})
    (one,) = ids(answer)
    assert spans[0].attributes["ml.prediction.id"] == one
    assert len(set(ids(scene.ask("/fraud", numbers=[1, 2, 3])))) == 3
    assert ids(scene.ask("/fraud", numbers=list(range(17)))) == []
    assert ids(scene.ask("/nothing", text="a")) == []
    assert len(ids(scene.ask("/nested", number=1.0))) == 1
    assert len(ids(scene.ask("/batched", numbers=[1, 2]))) == 2


def test_a_row_without_a_prediction_has_no_id_and_is_counted(scene: Scene) -> None:
    """Its place in the header stays empty, so that the others keep theirs."""
    answer, spans = scene.traced("/gaps", number=1.0)
    first, second, third = answer.headers[HEADER].split(",")
    assert second == ""
    assert list(spans[0].attributes["ml.prediction.id"]) == [first, "", third]
    assert send_labels(scene, {"ids": [first, third], "labels": ["a", "b"]}).json() == {"matched": 2, "refused": {}}
    assert value(scene, "bento_observe.dropped", signal="predictions", reason="unreadable") == 1


def test_a_callers_own_id_is_in_the_trace_and_is_what_a_duplicate_is_told_by(scene: Scene) -> None:
    """A request that is sent twice makes one prediction, which can have one label."""
    headers = {HEADER: "order-17"}
    first, spans = scene.traced("/verdict", case={"number": 1}, headers=headers)
    second = scene.ask("/verdict", case={"number": 1}, headers=headers)
    assert spans[0].attributes["ml.prediction.id"] == "order-17"
    sent = [{"id": one, "label": "b"} for answer in (first, second) for one in ids(answer)]
    assert send_labels(scene, sent).json() == {"matched": 1, "refused": {"duplicate": 1}}


def test_labels_are_matched_by_http_and_by_python(scene: Scene) -> None:
    """Classes by what was predicted, in all and by slice; values by their error."""
    before = whole(scene, "ml.model.labels", "verdict"), whole(scene, "ml.model.labels", "price")
    found = [ids(scene.ask("/verdict", case={"number": n, "country": "FR"}))[0] for n in range(6)]
    assert send_labels(scene, {"ids": found[:3], "labels": ["a", "b", "b"]}).json() == {"matched": 3, "refused": {}}
    assert send_labels(scene, {"id": found[3], "label": "a"}).status == 200
    assert scene.ask("/feedback", ids=found[4:], labels=["c", "c"]).status == 200
    price = ids(scene.ask("/price", number=10.0))[0]
    assert send_labels(scene, {"id": price, "label": 23.5}).status == 200
    assert whole(scene, "ml.model.labels", "verdict") - before[0] == 6
    assert whole(scene, "ml.model.labels", "price") - before[1] == 1
    french = {"bentoml__api__name": "verdict", "ml__slice__value": "FR"}
    confusion = {
        (p.attributes["ml.prediction.class"], p.attributes["ml.label.class"]): p.value
        for p in scene.sink.last("ml.model.confusion", **french)
    }
    # A label of a class that was predicted before has its name, see `Classes`.
    assert confusion == {("a", "a"): 2, ("b", "b"): 1, ("c", "b"): 1, ("b", "c"): 1, ("c", "c"): 1}
    assert whole(scene, "ml.model.error", "price", ml__deviation__side="below") == 3.5
    assert value(scene, "ml.model.error.squares") == 12.25


def test_a_text_has_an_id_and_its_label_is_counted_by_itself(scene: Scene) -> None:
    """It is no class, of which there would be as many as answers."""
    found = [ids(scene.ask("/explain", number=float(number)))[0] for number in range(3)]
    sent = {"ids": found, "labels": ["good", 4, "what\nis this"]}
    answer = send_labels(scene, sent)
    assert (answer.status, answer.json()["refused"]) == (422, {"not_a_label": 1})
    assert whole(scene, "ml.model.labels", "explain") == 2
    of_texts = {"bentoml__api__name": "explain"}
    assert scene.sink.last("ml.model.confusion", **of_texts) == []
    assert scene.sink.count("ml.label.delay", **of_texts) == 2


def test_ids_by_hand_are_those_of_the_answer(scene: Scene) -> None:
    """And its header has the same ones where they are few."""
    answer = scene.ask("/by_hand", numbers=[1, 2, 3])
    body = answer.json()
    assert body["classes"] == [1, 0, 1]
    assert ids(answer) == body["ids"]
    many = scene.ask("/by_hand", numbers=list(range(1000)))
    assert ids(many) == []
    labels = [False, True] * 500
    assert send_labels(scene, {"ids": many.json()["ids"], "labels": labels}).json()["matched"] == 1000


@pytest.mark.parametrize(
    ("body", "status", "fault"),
    [
        (b"{", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"3", 400, "has no labels"),
        (b'{"ids": 3, "labels": []}', 400, "has no labels"),
        (b" " * (10 << 20), 413, "send fewer"),
    ],
)
def test_a_body_that_is_none_is_refused_as_a_whole(scene: Scene, body: bytes, status: int, fault: str) -> None:
    """With what to do about it."""
    answer = send_labels(scene, body)
    assert answer.status == status
    assert fault in answer.json()["error"]


def test_another_method_or_type_is_refused(scene: Scene) -> None:
    """By 405 and 415."""
    assert scene.send(Request("labels", "/observe/labels", method="GET")).status == 405
    assert send_labels(scene, b"a,b", **{"content-type": "text/csv"}).status == 415


def test_bad_entries_are_told_by_position_and_good_ones_are_kept(scene: Scene) -> None:
    """Every kind of bad entry between two good ones."""
    good = [ids(scene.ask("/verdict", case={"number": n}))[0] for n in range(7)]
    price = ids(scene.ask("/price", number=1.0))[0]
    forged = good[0][:60] + ("A" if good[0][60] != "A" else "B") + good[0][61:]
    entries: list[Any] = [
        {"id": good[0], "label": "a"},
        {"id": good[1]},
        {"label": "a"},
        {"id": good[2], "label": ["a"]},
        {"id": good[3], "label": float("nan")},
        {"id": price, "label": "cheap"},
        {"id": forged, "label": "a"},
        {"id": good[4][:-8], "label": "a"},
        {"id": 17, "label": "a"},
        "what",
        {"id": good[0], "label": "a"},
        {"id": good[6], "label": "a"},
    ]
    answer = send_labels(scene, entries)
    assert answer.status == 422
    told = {error["position"]: error["reason"] for error in answer.json()["errors"]}
    assert told == {
        1: "no_label", 2: "no_id", 3: "not_a_label", 4: "not_a_label", 5: "not_a_label", 6: "forged", 7: "truncated",
        8: "malformed", 9: "no_id",
    }  # fmt: skip
    assert answer.json()["matched"] == 2
    assert answer.json()["refused"]["duplicate"] == 1
    # A label that was no label does not use up its id.
    assert send_labels(scene, {"id": good[1], "label": "b"}).json()["matched"] == 1


def test_an_answer_that_fails_has_no_id(scene: Scene) -> None:
    """BentoML refuses the body, and there is no prediction."""
    answer = scene.ask("/verdict", case={"number": "x"})
    assert answer.status == 400
    assert HEADER not in answer.headers


def test_a_made_up_key_is_told_once(scene: Scene) -> None:
    """With what follows from it."""
    assert scene.server.output.count("BENTO_OBSERVE_LABEL_KEY is not set") == 1
    scene.nothing_went_wrong()


def test_what_a_made_up_key_was_needed_for_ends_with_the_supervisor(tmp_path: Path) -> None:
    """The table of labels, 16 MiB: nobody accepts those ids any more."""
    with BentoServer("labelled:Labelled", {"TMPDIR": str(tmp_path)}, workers=2) as server:
        with Client(server.port) as client:
            verdict = Request("verdict", "/verdict", json.dumps({"case": {"number": 1}}).encode())
            label = {"id": client.send(verdict).headers["x-prediction-id"], "label": "b"}
            sent = client.send(Request("labels", "/observe/labels", json.dumps(label).encode()))
        assert sent.json()["matched"] == 1
        assert len(list(tmp_path.glob("bento-observe-*/labels-*.seen"))) == 1
        server.stop()
        assert list(tmp_path.glob("bento-observe-*/*")) == []
