"""Plain ids looked up over HTTP, in what answers as Elasticsearch does and in what does not.

tests/stack/test_stack_predictions.py asks the real one; here is what that one does not do when told to.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from standin import Quiet, serving

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe._prediction_store import PredictionStore
from bento_observe.feedback import _elasticsearch
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._elasticsearch import AT_ONCE, TIME, Elasticsearch, StoreError
from bento_observe.feedback._lookup import Lookup
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._performance import GroupKey, Model, Performance
from bento_observe.feedback._plain_ids import base_id
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._token import Context, TokenMaker, class_body
from bento_observe.telemetry import Health

KEYS = Keys((Key.of(b"a key"),))
NOW = 1_700_000_000.0


def event(one: str, **attributes: Any) -> dict[str, list[Any]]:
    """The fields of an event of class "a" but for what is said; None leaves one out."""
    given: dict[str, Any] = {
        semconv.ML_PREDICTION_ID: one, semconv.ML_PREDICTION_TYPE: "class", semconv.ML_PREDICTION_CLASS: "a",
        semconv.API_NAME: "api", semconv.ML_MODEL_NAME: "m", semconv.ML_MODEL_VERSION: "1",
    } | {name.replace("__", "."): value for name, value in attributes.items()}  # fmt: skip
    fields = {f"attributes.{name}": [value] for name, value in given.items() if value is not None}
    return {TIME: [f"{NOW * 1000 - 60_000}"], **fields}


class StandIn:
    """Answers look-ups: with the events that it has, or whatever it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.events: dict[str, dict[str, list[Any]]] = {}
        self.late: dict[str, int] = {}
        """Ids, and how often they have to be asked for before they are there."""
        self.answers: list[tuple[int, bytes]] = []
        self.seconds = self.drip = 0.0
        self.asked: list[list[str]] = []
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {}

    def add(self, *events: dict[str, list[Any]]) -> None:
        self.events.update((one["attributes.ml.prediction.id"][0], one) for one in events)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        time.sleep(self.seconds)
        self.body = json.loads(body)
        ids = self.body["query"]["bool"]["filter"][0]["terms"]["attributes.ml.prediction.id"]
        self.asked.append(ids)
        if self.answers:
            return self.answers.pop(0)
        for one in ids:
            self.late[one] = self.late.get(one, 0) - 1
        hits = [{"fields": self.events[one]} for one in ids if one in self.events and self.late[one] < 0]
        return 200, json.dumps({"timed_out": False, "hits": {"hits": hits}} if hits else {"timed_out": False}).encode()


@pytest.fixture
def standin() -> Iterator[StandIn]:
    made = StandIn()

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = made.answer(body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            for part in [bytes([one]) for one in answer] if made.drip else [answer]:
                time.sleep(made.drip)
                try:
                    self.wfile.write(part)
                except OSError:  # it was left
                    return

    with serving(Handler) as url:
        made.url = url
        yield made


class Bench:
    """A matcher that looks ids up."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.health = Health()
        store = PredictionStore(**{"url": url, "timeout": 5.0, **settings})
        self.lookup = Lookup(Elasticsearch(store, "shop", "test"), "shop", self.health)
        self.performance = Performance(lambda model: Classes(), lambda model: 0.0)
        seen = Seen(None, 10_000, pytest.fail)
        self.matcher = Matcher(
            TokenReader(KEYS), lambda: seen, self.performance, 3600, lambda *_: None, lambda: NOW, self.lookup
        )

    def counts(self) -> dict[GroupKey, int]:
        return {key: group.labels for key, group in self.performance.groups()}


def token(number: int) -> str:
    return TokenMaker(KEYS).token(Context("api", "m", "1"), class_body("b", 0.5, 0, NOW), number.to_bytes(8, "big"))


def test_plain_ids_and_tokens_are_matched_side_by_side(standin: StandIn) -> None:
    """Classes and values, with slices; what nobody knows has a reason of its own."""
    bench = Bench(standin.url)
    value = {"ml__prediction__type": "value", "ml__prediction__class": None, "ml__prediction__value": 2.5}
    standin.add(
        event("order-1", ml__slice__country="DE", ml__slice__plan="free", ml__prediction__confidence=0.75),
        event("order-2", **value, bentoml__api__name="price"),
        event("order-3", ml__model__name=None, ml__model__version=None),
    )
    ids = ["order-1", token(1), "order-2", "nobody's", "order-3", 17, "", None, "x" * 201, "order-1", "\ud800", "a b"]
    found = bench.matcher.take(ids, ["a", "b", 2, *["a"] * 9])
    assert found.refused == {
        3: "unknown_id", 5: "malformed", 6: "no_id", 7: "no_id", 8: "malformed", 9: "duplicate", 10: "malformed",
        11: "malformed",
    }  # fmt: skip
    # What no answer can have given is not asked for: Elasticsearch might refuse all of the request.
    (asked,) = standin.asked
    assert sorted(asked) == ["nobody's", "order-1", "order-2", "order-3"]
    model = Model("api", "m", "1")
    assert bench.counts() == {
        GroupKey(model): 2,
        GroupKey(model, "country", "DE"): 1,
        GroupKey(model, "plan", "free"): 1,
        GroupKey(Model("price", "m", "1")): 1,
        GroupKey(Model("api", "", "")): 1,
    }
    group = dict(bench.performance.groups())[GroupKey(model)]
    assert group.confusion == {("a", "a", True): 1, ("b", "b", True): 1}
    assert sum(sum(scores.bins[True]) for scores in group.scores.values()) == 2
    assert dict(bench.performance.delays())[model].most == 60.0
    assert bench.matcher.take(["order-1"], ["a"]).refused == {0: "duplicate"}


def test_a_text_is_neither_class_nor_value(standin: StandIn) -> None:
    """Its label is counted, and there is nothing that it could be right about."""
    bench = Bench(standin.url)
    standin.add(event("answer-1", ml__prediction__type="text", ml__prediction__class=None))
    assert bench.matcher.take(["answer-1"], ["good"]).matched == 1
    group = dict(bench.performance.groups())[GroupKey(Model("api", "m", "1"))]
    assert (group.labels, group.confusion, group.values) == (1, {}, None)


def test_only_ids_of_this_service_and_environment_are_asked_for(standin: StandIn) -> None:
    """Two services may be given the same ids by their callers; each id is asked for once, and no token at all."""
    bench = Bench(standin.url)
    bench.matcher.take(["a", "b", "a", token(1)], ["a"] * 4)
    assert standin.asked == [["a", "b"]]
    assert standin.body["query"]["bool"]["filter"][1:] == [
        {"term": {"resource.attributes.service.name": "shop"}},
        {"term": {"resource.attributes.deployment.environment.name": "test"}},
    ]
    assert bench.matcher.take([token(2)], ["b"]).matched == 1
    assert len(standin.asked) == 1


def test_many_ids_are_asked_for_in_several_requests(standin: StandIn) -> None:
    """Elasticsearch bounds what one may answer."""
    bench = Bench(standin.url)
    ids = [f"order-{number}" for number in range(AT_ONCE * 2 + 1)]
    standin.add(*map(event, ids))
    assert bench.matcher.take(ids, ["a"] * len(ids)).matched == len(ids)
    assert [len(asked) for asked in standin.asked] == [AT_ONCE, AT_ONCE, 1]


@pytest.mark.parametrize(
    "own", ["ARTICLE-17", "AUTHOR/4", "AAAA", "AUabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMN"]
)
def test_an_id_of_a_callers_that_looks_like_a_token_is_looked_up_all_the_same(own: str, standin: StandIn) -> None:
    """By its first letters it could be one that was cut off, or another key's."""
    bench = Bench(standin.url)
    standin.add(event(own))
    assert bench.matcher.take([own], ["a"]).matched == 1


def test_a_token_that_was_cut_off_keeps_its_reason(standin: StandIn) -> None:
    """Where nobody has it as an id."""
    bench = Bench(standin.url)
    assert bench.matcher.take([token(1)[:40]], ["a"]).refused == {0: "truncated"}


def test_a_label_right_behind_its_prediction_waits_for_it(standin: StandIn) -> None:
    """Until the time is up; an id of ours that is old is not waited for."""
    bench = Bench(standin.url)
    standin.add(event("young"))
    standin.late["young"] = 3
    began = time.monotonic()
    assert bench.matcher.take(["young"], ["a"], began + 20).matched == 1
    assert len(standin.asked) == 4
    assert bench.matcher.take(["nobody's"], ["a"], time.monotonic() + 0.3).refused == {0: "unknown_id"}
    old = "01900000" + base_id(b"")[8:]
    asked = len(standin.asked)
    assert bench.matcher.take([old], ["a"], time.monotonic() + 20).refused == {0: "unknown_id"}
    assert len(standin.asked) == asked + 1


@pytest.mark.parametrize(
    ("status", "body", "tries"),
    [
        (503, b"", 3), (429, b"", 3), (500, b"", 1), (400, b'{"error": "no such field"}', 1), (401, b"", 1),
        (302, b"", 1), (200, b"<html>", 1), (200, b"[]", 1), (200, b'{"timed_out": true}', 1), (200, b"\xff", 1),
        (200, b'{"_shards": {"failed": 1}}', 1), (200, b'{"hits": {"hits": [{}]}}', 1), (200, b'{"hits": 3}', 1),
        (200, b'{"hits": {"hits": [{"fields": {"attributes.ml.prediction.id": []}}]}}', 1),
    ],
)  # fmt: skip
def test_what_is_no_answer_refuses_the_labels_and_uses_nothing_up(
    status: int, body: bytes, tries: int, standin: StandIn
) -> None:
    """Tokens among them are matched; sent again later, so are the others. What may pass is tried again."""
    bench = Bench(standin.url)
    standin.add(event("order-1"))
    standin.answers = [(status, body)] * tries
    found = bench.matcher.take(["order-1", token(1)], ["a", "b"])
    assert (found.matched, found.refused) == (1, {0: "lookup_failed"})
    assert len(standin.asked) == tries
    assert bench.matcher.refused() == {}  # counted by who does not try again


def test_a_label_that_failed_is_matched_when_it_is_sent_again(standin: StandIn) -> None:
    """After a moment in which nobody is asked."""
    bench = Bench(standin.url)
    standin.add(event("order-1"))
    standin.answers = [(500, b"")]
    deadline = time.monotonic() + 20
    refused = 0
    while not bench.matcher.take(["order-1"], ["a"]).matched:
        assert time.monotonic() < deadline
        refused += 1
    assert refused > 1
    assert len(standin.asked) == 2
    assert bench.matcher.take(["order-1"], ["a"]).refused == {0: "duplicate"}


def test_an_elasticsearch_that_is_slow_or_gone_is_not_waited_for(standin: StandIn) -> None:
    """Beyond the time-out, tries included."""
    standin.seconds = 2.0
    for url in (standin.url, "http://127.0.0.1:9"):
        bench = Bench(url, timeout=0.4)
        began = time.monotonic()
        assert bench.matcher.take(["order-1"], ["a"], began + 60).refused == {0: "lookup_failed"}
        assert time.monotonic() - began < 1.9


def test_an_answer_without_end_is_not_read_to_it(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that is too large nor one that drips."""
    monkeypatch.setattr(_elasticsearch, "_MOST_BYTES", 1000)
    standin.answers = [(200, b"[" * 100_000)]
    assert Bench(standin.url).matcher.take(["order-1"], ["a"]).refused == {0: "lookup_failed"}
    standin.answers = [(200, b" " * 900)]
    standin.drip = 0.05
    began = time.monotonic()
    assert Bench(standin.url, timeout=0.5).matcher.take(["order-1"], ["a"]).refused == {0: "lookup_failed"}
    assert time.monotonic() - began < 5


def test_a_thread_that_looks_up_keeps_no_other_from_matching(standin: StandIn) -> None:
    """The encoder asks for counts, and other threads match tokens, meanwhile."""
    bench = Bench(standin.url)
    standin.seconds = 3.0
    slow = threading.Thread(target=bench.matcher.take, args=(["order-1"], ["a"]))
    slow.start()
    assert bench.matcher.take([token(1)], ["b"]).matched == 1
    assert bench.matcher.refused() == {}
    assert slow.is_alive()
    slow.join()


@pytest.mark.parametrize(
    "odd",
    [
        {"ml__prediction__class": None},
        {"ml__prediction__class": ""},
        {"ml__prediction__type": None},
        {"ml__prediction__type": "picture"},
        {"ml__prediction__type": "value"},
        {"ml__prediction__type": "value", "ml__prediction__value": "many"},
        {"ml__prediction__confidence": "high"},
        {"ml__prediction__classes": "two"},
    ],
)
def test_an_event_that_makes_no_sense_is_none(odd: dict[str, Any], standin: StandIn) -> None:
    """Somebody else may write there, too."""
    bench = Bench(standin.url)
    standin.add(event("order-1", **odd), event("order-2"))
    del standin.events["order-2"][TIME]
    assert bench.matcher.take(["order-1", "order-2"], ["a", "a"]).refused == {0: "unknown_id", 1: "unknown_id"}


def test_what_is_not_counted_as_refused_is_told_all_the_same(standin: StandIn) -> None:
    """Who says it will try again."""
    bench = Bench(standin.url)
    assert bench.matcher.take(["nobody's"], ["a"], keep=("unknown_id",)).refused == {0: "unknown_id"}
    assert bench.matcher.refused() == {}


def test_given_up_it_takes_nothing_for_matched(standin: StandIn) -> None:
    """What nobody would send any more is still there to be sent by the next worker."""
    bench = Bench(standin.url)
    standin.add(event("order-1"))
    bench.lookup.close()
    assert bench.matcher.take(["order-1"], ["a"]).refused == {0: "lookup_failed"}


def test_it_shows_who_asks(standin: StandIn) -> None:
    """By a key, else by user and password; and what is wrong with them is told with what to set."""
    Elasticsearch(PredictionStore(standin.url, api_key="S2V5"), "shop").find(["a"])
    assert standin.headers["authorization"] == "ApiKey S2V5"
    Elasticsearch(PredictionStore(standin.url, user="me", password="p:w"), "shop").find(["a"])
    assert standin.headers["authorization"] == f"Basic {base64.b64encode(b'me:p:w').decode()}"
    standin.answers = [(403, b"")]
    with pytest.raises(StoreError, match="set BENTO_OBSERVE_PREDICTIONS_API_KEY"):
        Elasticsearch(PredictionStore(standin.url), "shop").find(["a"])
    assert "authorization" not in standin.headers
