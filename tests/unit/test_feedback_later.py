"""Labels that handlers record while ids have to be looked up: matched in the end, or counted as lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe.feedback import _later
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._elasticsearch import TIME, StoreError
from bento_observe.feedback._later import LabelThread
from bento_observe.feedback._lookup import Lookup
from bento_observe.feedback._matching import Matched, Matcher
from bento_observe.feedback._performance import Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.telemetry import Health


class Predictions:
    """Has those that it is given, unless it is away; asked, it waits for `gate`."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def find(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        self.asked += 1
        self.gate.wait(20)
        if self.away:
            raise StoreError("away")
        return {one: self._fields(one) for one in ids if one in self.there}

    def close(self) -> None:
        self.gate.set()

    def _fields(self, one: str) -> Mapping[str, Any]:
        names = {
            semconv.ML_PREDICTION_ID: one, semconv.ML_PREDICTION_TYPE: "class", semconv.ML_PREDICTION_CLASS: "a",
            semconv.API_NAME: "api",
        }  # fmt: skip
        return {TIME: [str(time.time() * 1000)], **{f"attributes.{name}": [value] for name, value in names.items()}}


class Bench:
    def __init__(self, wait: float = 0.2, end_within: float = 20.0) -> None:
        self.predictions, self.health = Predictions(), Health()
        self.performance = Performance(lambda model: Classes(), lambda model: 0.0)
        seen = Seen(None, 10_000, pytest.fail)
        lookup = Lookup(self.predictions, "shop", self.health)
        self.matcher = Matcher(
            TokenReader(Keys((Key.of(b"a key"),))), lambda: seen, self.performance, 3600, lambda *_: None, lookup=lookup
        )
        self.thread = LabelThread(self.matcher, lookup, wait, 0.01, end_within, self.health)

    def matched(self) -> int:
        return sum(group.labels for _, group in self.performance.groups())

    def dropped(self) -> Mapping[tuple[str, ...], int]:
        return self.health.counts()[semconv.DROPPED]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.thread.end()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_handlers_and_the_encoder_wait_for_nothing(bench: Bench) -> None:
    """While Elasticsearch takes its time."""
    bench.predictions.gate.clear()
    bench.predictions.there = {"1", "2"}
    began = time.monotonic()
    bench.thread.put(["1", "2"], ["a", "b"])
    assert not bench.thread.step()
    until(lambda: bench.predictions.asked == 1)
    assert bench.matcher.refused() == {}
    assert time.monotonic() - began < 10
    assert bench.matched() == 0
    bench.predictions.gate.set()
    until(lambda: bench.matched() == 2)


def test_what_cannot_be_looked_up_is_matched_once_it_can(bench: Bench) -> None:
    """And counts as refused in no metric meanwhile; even where its event arrives later still."""
    bench.predictions.away = True
    bench.thread.put([str(number) for number in range(300)], ["a"] * 300)
    until(lambda: bench.predictions.asked > 5)
    bench.predictions.there = {str(number) for number in range(299)}
    bench.predictions.away = False
    until(lambda: bench.matched() == 299)
    bench.predictions.there.add("299")
    until(lambda: bench.matched() == 300)
    assert bench.matcher.refused() == {}


def test_an_id_that_is_not_there_is_asked_for_a_second_time_and_then_refused(bench: Bench) -> None:
    """Once each."""
    bench.thread.put(["nobody's"], ["a"])
    until(lambda: bench.matcher.refused() == {"unknown_id": 1})
    assert bench.predictions.asked == 2


def test_the_end_matches_what_waits(bench: Bench) -> None:
    """Also what would have been tried again later."""
    bench = Bench(wait=1000)
    bench.thread.put(["late", "nobody's"], ["a", "a"])
    until(lambda: bench.predictions.asked == 1)
    bench.predictions.there = {"late", "new"}
    bench.thread.put(["new"], ["a"])
    bench.thread.end()
    assert bench.matched() == 2
    assert bench.matcher.refused() == {"unknown_id": 1}
    assert bench.dropped() == {}


def test_what_the_end_leaves_is_counted() -> None:
    """Wherever it is: in hand, kept for another try, or not looked at."""
    bench = Bench(wait=1000, end_within=0.05)
    bench.thread.put(["nobody's"], ["a"])
    until(lambda: bench.predictions.asked == 1)
    bench.predictions.away = True
    bench.thread.put(["1", "2"], ["a", "a"])
    until(lambda: bench.predictions.asked > 2)
    bench.predictions.gate.clear()
    asked = bench.predictions.asked
    until(lambda: bench.predictions.asked > asked)
    bench.thread.put(["3"] * 500, ["a"] * 500)
    bench.thread.end()
    assert bench.dropped() == {("labels", "shutdown"): 503}
    assert bench.matched() == 0


def test_only_so_many_are_asked_for_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are refused at once; what cannot be looked up stays with the intake, whose memory is bounded."""
    monkeypatch.setattr(_later, "_MAX_MISSING", 100)
    bench = Bench(wait=1000)
    bench.thread.put([str(number) for number in range(250)], ["a"] * 250)
    until(lambda: bench.matcher.refused() == {"unknown_id": 150})
    bench.predictions.there = {str(number) for number in range(250)}
    bench.thread.end()
    assert bench.matched() == 100


def test_a_fault_of_ours_costs_the_labels_at_hand_and_is_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first try and at the second; the next ones are matched."""
    bench = Bench(wait=0.0)
    tries = []

    def take(ids: Sequence[object], *rest: Any, **more: Any) -> Matched:
        tries.append(ids)
        if len(tries) in (1, 3):
            raise RuntimeError("a fault of ours")
        return plain(ids, *rest, **more)

    plain = bench.matcher.take
    monkeypatch.setattr(bench.matcher, "take", take)
    bench.thread.put(["1"], ["a"])
    until(lambda: bench.dropped() == {("labels", "error"): 1})
    bench.thread.put(["nobody's"], ["a"])
    until(lambda: bench.dropped() == {("labels", "error"): 2})
    bench.predictions.there = {"2"}
    bench.thread.put(["2"], ["a"])
    until(lambda: bench.matched() == 1)
    bench.thread.end()
    assert bench.dropped() == {("labels", "error"): 2}


def test_a_forked_child_starts_no_thread(bench: Bench) -> None:
    """Nothing that it is told is for anybody."""
    bench = Bench()
    bench.thread.close()
    bench.thread.put(["1"], ["a"])
    bench.thread.end()
    assert bench.dropped() == {}
    assert bench.predictions.asked == 0
