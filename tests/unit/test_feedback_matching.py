"""What becomes of labels: matched once, or refused for a reason, whatever they are."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe.feedback._class_names import same_class
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._group import Group
from bento_observe.feedback._intake import LabelIntake
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._performance import GroupKey, Model, Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shared import BusyError
from bento_observe.feedback._token import Context, TokenMaker, class_body, value_body
from bento_observe.telemetry import Health
from bento_observe.telemetry._pipeline import Deferring

KEYS = Keys((Key.of(b"a key"),))
NOW = 1_700_000_000.0
MODEL = Model("api", "m", "1")


class Bench:
    """A matcher, and what makes ids for it."""

    def __init__(self, known: tuple[str, ...] = (), lost: Callable[[int], None] | None = None) -> None:
        self.now = NOW
        self.counted: list[Any] = []
        self.performance = Performance(lambda model: Classes(known, known), lambda model: 0.0, lost=lost)
        seen = Seen(None, 10_000, pytest.fail)
        self.matcher = Matcher(TokenReader(KEYS), lambda: seen, self.performance, 3600, self._counted, lambda: self.now)
        self._maker = TokenMaker(KEYS)
        self._made = 0

    def _counted(self, context: Context, labels: list[Any]) -> None:
        self.counted += [(context.api, label) for label in labels]

    def id(self, predicted: str | float, slices: tuple[tuple[str, str], ...] = (), api: str = "api") -> str:
        self._made += 1
        body = class_body(predicted, 0.5, 0, NOW) if isinstance(predicted, str) else value_body(predicted, NOW)
        return self._maker.token(Context(api, "m", "1", slices), body, self._made.to_bytes(8, "big"))

    def group(self) -> Group:
        return dict(self.performance.groups())[GroupKey(MODEL)]

    def confusion(self, key: GroupKey = GroupKey(MODEL)) -> dict[tuple[str, str], int]:  # noqa: B008
        group = dict(self.performance.groups())[key]
        return {(predicted, true): count for (predicted, true, _), count in group.confusion.items()}


def test_labels_of_every_type_are_the_classes_they_stand_for() -> None:
    """As training data and predictions are read: 1, 1.0 and numpy's are one class, true is 1."""
    bench = Bench()
    labels = [1, 1.0, "1", np.int64(1), np.float32(1), True, "true", 0, False]
    found = bench.matcher.take([bench.id("1") for _ in labels], labels)
    assert (found.matched, found.refused) == (9, {})
    assert bench.confusion() == {("1", "1"): 7, ("1", "0"): 2}


def test_classes_of_files_are_those_that_were_predicted() -> None:
    """Truth values as languages write them, whole numbers of columns with gaps; other text stays apart."""
    alike = [("true", "True"), ("True", True), ("FALSE", False), ("1", "1.0"), ("1.0", 1), ("-3", "-3.0")]
    apart = [("1.1", "1.10"), ("1.0", "1.00"), ("true", "t"), ("false", "0.5")]
    for pairs, correct in ((alike, len(alike)), (apart, 0)):
        bench = Bench()
        found = bench.matcher.take([bench.id(one) for one, _ in pairs], [label for _, label in pairs])
        assert (found.matched, found.refused) == (len(pairs), {})
        assert sum(count for (_, _, right), count in bench.group().confusion.items() if right) == correct


@pytest.mark.parametrize("known", [(), ("false", "true")])
def test_labels_are_counted_under_the_names_of_the_models_classes(known: tuple[str, ...]) -> None:
    """However they are written: their distribution is compared with that of the training data."""
    bench = Bench(known)
    labels: list[Any] = ["True", "TRUE", True, 1, "1.0"]
    assert bench.matcher.take([bench.id("true") for _ in labels], labels).matched == 5
    assert bench.counted == [("api", "true")] * 5


def test_a_value_may_be_written_as_text() -> None:
    """As a file has it that says 12.50."""
    bench = Bench()
    assert bench.matcher.take([bench.id(10.0), bench.id(0.0)], ["12.50", "-1e2"]).matched == 2
    values = bench.group().values
    assert values is not None
    assert (values.below, values.above) == (2.5, 100.0)


@pytest.mark.parametrize(
    ("text", "value"), [(".5", 0.5), ("-.5", -0.5), ("5.", 5.0), ("+1", 1.0), ("+1.5e+3", 1500.0), ("5.e1", 50.0)]
)
def test_a_value_is_written_as_programs_write_it(text: str, value: float) -> None:
    """Without a digit on one side of the point, and with a sign."""
    bench = Bench()
    assert bench.matcher.take([bench.id(0.0)], [text]).matched == 1
    assert bench.counted == [("api", value)]


@pytest.mark.parametrize("text", [".", "+", "", "+-1", "1..", "e5", ".e5", "1_0", "nan", "\u0661"])
def test_what_is_no_number_is_no_value(text: str) -> None:
    """Nor what only Python reads as one."""
    bench = Bench()
    assert bench.matcher.take([bench.id(0.0)], [text]).refused == {0: "not_a_label"}


def test_sums_of_errors_stay_numbers() -> None:
    """Of the largest labels that are taken, too."""
    bench = Bench()
    labels = [1e140, -1e140, 1e141, 1e308, 10**300, 2.0]
    found = bench.matcher.take([bench.id(1.0) for _ in labels], labels)
    assert (found.matched, set(found.refused)) == (3, {2, 3, 4})
    values = bench.group().values
    assert values is not None
    assert np.isfinite([values.squares, values.label_squares, values.histogram.total]).all()


def test_every_reason_is_told_at_its_position_and_counted() -> None:
    """With good labels in between, of which none is lost."""
    bench = Bench(known=("a", "b"))
    twice = bench.id("a")
    old = TokenMaker(KEYS).token(Context("api", "m", "1"), class_body("a", 0.5, 0, NOW - 3601), b"an older")
    cases: list[tuple[Any, Any, str]] = [
        (twice, "a", ""),
        (None, "a", "no_id"),
        ("", "a", "no_id"),
        ("nonsense", "a", "malformed"),
        (twice[:40], "a", "truncated"),
        (old, "a", "expired"),
        (twice, "b", "duplicate"),
        (bench.id("a"), None, "no_label"),
        (bench.id("a"), float("nan"), "not_a_label"),
        (bench.id("a"), {"a": 1}, "not_a_label"),
        (bench.id("a"), "c", "unknown_class"),
        (bench.id(1.5), "1,5", "not_a_label"),
        (bench.id(1.5), "1e200", "not_a_label"),
        (bench.id(1.5), 1e200, "not_a_label"),
        (bench.id(1e200), 1.5, "not_a_label"),
        (bench.id(1.5), True, "not_a_label"),
        (bench.id(1.5), float("inf"), "not_a_label"),
        (bench.id(1.5), 10**400, "not_a_label"),
        (bench.id(1.5), 2, ""),
        (bench.id("b"), "b", ""),
    ]
    found = bench.matcher.take([one for one, _, _ in cases], [label for _, label, _ in cases])
    assert found.refused == {number: reason for number, (_, _, reason) in enumerate(cases) if reason}
    assert found.matched == 3
    assert bench.matcher.refused() == Counter(reason for _, _, reason in cases if reason)
    assert bench.counted == [("api", "a"), ("api", "b"), ("api", 2.0)]


def test_lists_of_different_lengths_are_matched_as_far_as_they_go() -> None:
    """What lacks its other half is told one by one."""
    bench = Bench()
    ids = [bench.id("a"), bench.id("a")]
    assert bench.matcher.take(ids, ["a"]).refused == {1: "no_label"}
    assert bench.matcher.take([], ["a"]).refused == {0: "no_id"}
    assert bench.matcher.take(ids[1:], ["a", "a"]).refused == {1: "no_id"}
    assert bench.matcher.take([], []).matched == 0


def test_a_slice_is_counted_as_well_as_the_whole() -> None:
    """Each prediction once in all, once for each of its slices."""
    bench = Bench()
    ids = [bench.id("a", (("country", "DE"), ("plan", "free"))), bench.id("a", (("country", "FR"),))]
    bench.matcher.take(ids, ["a", "a"])
    groups = {key: group.labels for key, group in bench.performance.groups()}
    assert groups == {
        GroupKey(MODEL): 2,
        GroupKey(MODEL, "country", "DE"): 1,
        GroupKey(MODEL, "plan", "free"): 1,
        GroupKey(MODEL, "country", "FR"): 1,
    }


def test_a_text_that_only_a_label_has_never_leaves() -> None:
    """It could be what a person typed; what the model predicts, and small whole numbers, are classes."""
    bench = Bench()
    labels = ["spam", "Ada Lovelace", "+49 170 1234567", "491701234567", "7", "ham"]
    bench.matcher.take([bench.id(name) for name in ("spam", "spam", "ham", "spam", "spam", "ham")], labels)
    assert bench.confusion() == {
        ("spam", "spam"): 1, ("spam", "__other__"): 2, ("ham", "__other__"): 1, ("spam", "7"): 1, ("ham", "ham"): 1,
    }  # fmt: skip
    (correct,) = {pair[2] for pair in dict(bench.performance.groups())[GroupKey(MODEL)].confusion if pair[1] == "spam"}
    assert correct


def test_beyond_twenty_classes_they_are_told_together_and_still_right_or_wrong() -> None:
    """So that an accuracy is exact however many classes there are."""
    bench = Bench()
    names = [f"class {number}" for number in range(40)]
    bench.matcher.take([bench.id(name) for name in names], names)
    bench.matcher.take([bench.id("class 38")], ["class 39"])
    confusion = dict(bench.performance.groups())[GroupKey(MODEL)].confusion
    assert confusion["__other__", "__other__", True] == 20
    assert confusion["__other__", "__other__", False] == 1
    assert len(confusion) == 22


def test_there_is_no_end_of_series_by_labels() -> None:
    """Models beyond 64 are refused; what an id says is ours, but keys live long."""
    bench = Bench()
    found = bench.matcher.take([bench.id("a", api=f"api{number}") for number in range(70)], ["a"] * 70)
    assert found.matched == 64
    assert set(found.refused.values()) == {semconv.LABEL_TOO_MANY_MODELS}


@pytest.mark.parametrize("sliced", [False, True])
def test_as_many_classes_as_labels_are_compared_only_where_they_meet(
    sliced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All with all would keep the lock for seconds; and once for each slice, for minutes."""
    compared = Counter[str]()

    def counted(predicted: str, label: str) -> bool:
        compared["all"] += 1
        return same_class(predicted, label)

    monkeypatch.setattr("bento_observe.feedback._performance.same_class", counted)
    bench = Bench()
    ids = [bench.id(f"class {n}", (("n", str(n)),) if sliced else ()) for n in range(500)]
    assert bench.matcher.take(ids, [f"class {n % 250}" for n in range(500)]).matched == 500
    assert 500 <= compared["all"] < 500 * 50  # those that telemetry tells apart are 20
    assert sum(count for (_, _, right), count in bench.group().confusion.items() if right) == 250


def test_what_is_said_of_a_text_is_counted_by_itself() -> None:
    """A number or a short text, with its delay; there is no class that it could be right or wrong about."""
    bench = Bench()
    texts = [bench.id("") for _ in range(8)]
    labels = ["good", 4, 2.5, True, "a whole\nparagraph", float("inf"), ["good"], "x" * 65]
    cases = [*zip(texts, labels, strict=True), (bench.id("a"), "x" * 65), (bench.id(1.0), 2.0), (bench.id("a"), "a")]
    found = bench.matcher.take([one for one, _ in cases], [label for _, label in cases])
    assert found.refused == dict.fromkeys(range(4, 8), "not_a_label")
    assert Counter(bench.counted) == Counter(("api", label) for label in ("good", 4.0, 2.5, "true", "x" * 65, 2.0, "a"))
    assert bench.group().labels == 7
    assert bench.confusion() == {("a", "__other__"): 1, ("a", "a"): 1}
    assert sum(histogram.counts.sum() for _, histogram in bench.performance.delays()) == 7
    assert bench.matcher.take([texts[0]], ["good"]).refused == {0: "duplicate"}


def test_slices_beyond_the_most_groups_are_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the label; the model as a whole has them all."""
    monkeypatch.setattr("bento_observe.feedback._performance._MAX_GROUPS", 4)
    lost: list[int] = []
    bench = Bench(lost=lost.append)
    ids = [bench.id("a", (("n", str(number % 5)), ("m", "1"))) for number in range(20)]
    assert bench.matcher.take(ids, ["a"] * 20).matched == 20
    groups = {key: group.labels for key, group in bench.performance.groups()}
    assert len(groups) == 4
    assert groups[GroupKey(MODEL)] == 20
    assert sum(lost) == 3 * 20 - sum(groups.values()) == 3 * 4


def test_threads_that_send_at_once_lose_nothing() -> None:
    """Each label is counted once."""
    bench = Bench()
    ids = [bench.id("a") for _ in range(2000)]
    threads = [threading.Thread(target=bench.matcher.take, args=(ids, ["a"] * 2000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.confusion() == {("a", "a"): 2000}
    assert bench.matcher.refused() == {"duplicate": 6000}


def test_what_handlers_record_waits_in_bounded_memory() -> None:
    """Lists, arrays and lone labels; a flood is dropped and counted, and nothing is lost that was taken."""
    bench, health = Bench(), Health()
    intake = LabelIntake(bench.matcher, health)
    intake.put(bench.id("a"), "a")
    intake.put(np.array([bench.id("a") for _ in range(300)]), np.array(["a"] * 300))
    intake.put([bench.id(2.0)], 3.0)
    intake.put([bench.id("a")] * 1_000_001, ["a"])
    for _ in range(300):
        intake.put(bench.id("a"), "a")
    intake.put([bench.id("a"), bench.id("a")], ["a"])
    steps = 1
    while intake.step():
        steps += 1
    assert steps == 5  # of 128, though most came one by one
    groups = {key: group.labels for key, group in bench.performance.groups()}
    assert groups == {GroupKey(MODEL): 603}
    assert bench.matcher.refused() == {"no_label": 1}
    assert health.counts()[semconv.DROPPED] == {("labels", "buffer_full"): 1_000_001}
    intake.close()
    intake.put(bench.id("a"), "a")
    assert not intake.step()
    assert bench.confusion()["a", "a"] == 602


def test_labels_that_wait_are_bounded_in_bytes_as_well() -> None:
    """Long texts, large numbers and whatever else there is; no id and no label need more than they can say."""
    bench, health = Bench(), Health()
    intake = LabelIntake(bench.matcher, health)
    tracemalloc.start()
    try:
        for number in range(200):
            # Ten of a megabyte, ten of a kilobyte that can be an id.
            huge = [f"{number} {part}".ljust(1 << 20) for part in range(10)]
            ids = [f"{number} {part}".ljust(1000, "A") for part in range(2000)]
            intake.put([*huge, *ids], [[one] for one in huge] + [one[:100] + "b" * 100_000 for one in ids[:20]])
        assert tracemalloc.get_traced_memory()[0] < 300 << 20
    finally:
        tracemalloc.stop()
    lost = health.counts()[semconv.DROPPED]["labels", "buffer_full"]
    assert 0 < lost < 2010 * 200
    while intake.step():
        pass
    assert sum(bench.matcher.refused().values()) + lost == 2010 * 200
    intake.put(bench.id("a"), "a")
    assert not intake.step()
    assert bench.confusion() == {("a", "a"): 1}


def test_what_is_kept_of_odd_labels_says_what_they_would_have_said() -> None:
    """Though it is cut: long ids are none, and lists are no labels."""
    bench = Bench()
    cases: list[tuple[Any, Any]] = [
        ("x" * 5000, "a"), (bench.id("a"), ["a"] * 5000), (17, "a"), (None, "a"), ("", "a"), (bench.id("a"), None),
        (bench.id("a"), "b" * 5000), (bench.id(1.0), 10**400), (bench.id("a"), np.float64(1.0)), (b"bytes", "a"),
        (bench.id("a"), pd.NA), (bench.id("a"), Decimal(3)),
    ]  # fmt: skip
    direct = Bench()
    direct.matcher.take(*map(list, zip(*cases, strict=True)))
    intake = LabelIntake(bench.matcher, Health())
    intake.put(*zip(*cases, strict=True))
    assert not intake.step()
    assert bench.matcher.refused() == direct.matcher.refused()
    assert bench.confusion() == direct.confusion()


class Table(Seen):
    """One that another process may have."""

    busy = False

    def add(self, identities: Any) -> Any:
        if self.busy:
            raise BusyError
        return super().add(identities)


def test_labels_that_come_while_the_table_is_busy_are_neither_lost_nor_doubled() -> None:
    """They stay where they are, those with a fault of their own are told at once, and at the end they are counted."""
    bench, health = Bench(), Health()
    table = Table(None, 10_000, pytest.fail)
    matcher = Matcher(TokenReader(KEYS), lambda: table, bench.performance, 3600, lambda *_: None, lambda: NOW)
    intake = LabelIntake(matcher, health)
    intake.put([bench.id("a") for _ in range(300)], ["a"] * 300)
    intake.put("nonsense", "a")
    assert intake.step()
    table.busy = True
    for _ in range(3):
        assert not intake.step()
    table.busy = False
    while intake.step():
        pass
    assert bench.confusion() == {("a", "a"): 300}
    assert matcher.refused() == {"malformed": 1}
    table.busy = True
    intake.put([bench.id("a") for _ in range(200)], ["a"] * 200)
    assert not intake.step()
    intake.end()
    intake.give_up()
    assert health.counts()[semconv.DROPPED] == {("labels", "shutdown"): 200}
    assert isinstance(intake, Deferring)


def test_a_fault_in_matching_costs_the_labels_at_hand_and_no_others() -> None:
    """Which are counted."""
    bench, health = Bench(), Health()
    performance = Performance(lambda model: 1 / 0, lambda model: 0.0)  # type: ignore[arg-type, return-value]
    seen = Seen(None, 1000, pytest.fail)
    broken = Matcher(TokenReader(KEYS), lambda: seen, performance, 3600, lambda *_: None, lambda: NOW)
    intake = LabelIntake(broken, health)
    intake.put([bench.id("a") for _ in range(200)], ["a"] * 200)
    while intake.step():
        pass
    assert health.counts()[semconv.DROPPED] == {("labels", "error"): 200}
    intake.give_up()
    assert health.total(semconv.DROPPED) == 200
