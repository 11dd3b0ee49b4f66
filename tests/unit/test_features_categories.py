"""Categories: what is one, how it is counted, and that nothing is lost or grows."""

from __future__ import annotations

import datetime
import enum
import math
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bento_observe.features import CategoricalFeature, FeatureStatistics, NumericFeature
from bento_observe.features._text import category
from bento_observe.features.reference import CategoricalReference, NumericReference, SignalReference

PROPERTY = settings(max_examples=examples(100), deadline=None, derandomize=True)


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Shade(str, enum.Enum):
    DARK = "dark"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    """A string that is not what it seems."""

    def __getitem__(self, index: object) -> str:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


class Odd(float):
    __hash__ = None  # type: ignore[assignment]

    def __float__(self) -> float:
        raise RuntimeError("no")


def reference(*known: str, kind: Any = "categorical", name: str = "s") -> SignalReference:
    counts = {category: 100 - i for i, category in enumerate(known)}
    total = sum(counts.values())
    return SignalReference("training", {name: CategoricalReference(kind, total, 0, len(known), counts)})


def counted(data: object, *known: str) -> CategoricalFeature:
    stats = FeatureStatistics(reference(*known)) if known else FeatureStatistics()
    stats.update(data)
    feature = stats.snapshot().features["s"]
    assert isinstance(feature, CategoricalFeature)
    assert stats.dropped == {}
    return feature


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("x", "x"), (np.str_("x"), "x"), (Shade.DARK, "dark"), (Colour.RED, "red"), (Colour.ONE, "1"),
        (Level.HIGH, "3"), (True, "true"), (np.False_, "false"), (3, "3"), (3.0, "3"), (np.float32(3), "3"),
        (np.int8(-3), "-3"), (-0.0, "0"), (0.5, "0.5"), (Decimal("3.0"), "3"), (Fraction(1, 2), "0.5"),
        (math.inf, "inf"), (1e300, "1e+300"), (10**40, str(10**40)), (10**200, str(10**200)[:128]),
        ("y" * 500, "y" * 128), (Word("x"), "x"), ("", ""),
    ],
)  # fmt: skip
def test_a_scalar_is_one_category_wherever_it_comes_from(cell: object, name: str) -> None:
    """In a mapping, a list of mappings, a column, an object array and a frame; and as training data has it."""
    assert category(cell) == name
    column = np.empty(1, dtype=object)
    column[0] = cell
    forms = [{"s": cell}, [{"s": cell}], {"s": [cell]}, {"s": (cell,)}, {"s": column}, pd.DataFrame({"s": column})]
    for data in forms:
        assert dict(counted(data, name).counts) == {name: 1}, data


@pytest.mark.parametrize(
    "cell",
    [object(), datetime.date(2024, 1, 1), 1j, b"x", {1}, Odd(1), 10**5000, Decimal("sNaN"), range(3)],
    ids=lambda cell: type(cell).__name__,
)
def test_what_is_no_scalar_is_invalid_and_spoils_nothing(cell: object) -> None:
    """Beside a good cell of the same flush, in every form."""
    assert category(cell) is None
    column = np.empty(2, dtype=object)
    column[:] = [cell, "x"]
    for data in (
        [{"s": cell}, {"s": "x"}],
        {"s": [cell, "x"]},
        {"s": column},
        pd.DataFrame({"s": column}, dtype=object),
    ):
        feature = counted(data, "x")
        assert (feature.count, feature.invalid, feature.missing) == (1, 1, 0), data


def test_nothing_of_any_kind_is_missing() -> None:
    """None, NaN, NA and NaT."""
    cells = [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, Decimal("NaN"), "x"]
    for data in ({"s": cells}, [{"s": cell} for cell in cells], pd.DataFrame({"s": pd.Series(cells, dtype=object)})):
        feature = counted(data, "x")
        assert (feature.count, feature.missing, feature.invalid) == (1, 6, 0)


def test_one_true_and_a_float_of_one_are_kept_apart_as_training_does() -> None:
    """They are equal to Python and hash alike."""
    for cells in ([True, 1, 1.0, "1", np.True_], [1.0, np.True_, 1, True, "1"]):
        assert dict(counted({"s": cells}, "true", "1").counts) == {"true": 2, "1": 3}


def test_numbers_of_a_categorical_feature_are_categories() -> None:
    """Codes of integers or floats in arrays, frames and pandas categories."""
    stats = FeatureStatistics(reference("1", "2", "7"), names=["s"])
    stats.update(np.array([[1], [2], [2]]))
    stats.update(np.array([1.0, np.nan, 7.5]))
    stats.update(pd.DataFrame({"s": pd.Categorical([7, 7, 1])}))
    stats.update(pd.DataFrame({"s": pd.array([2, None], dtype="Int64")}))
    feature = stats.snapshot().features["s"]
    assert isinstance(feature, CategoricalFeature)
    assert dict(feature.counts) == {"1": 3, "2": 3, "7": 2}
    assert (feature.count, feature.missing, feature.unseen) == (9, 2, 1)


def test_a_model_with_enumerations_dates_and_models_within() -> None:
    """What a pydantic model of a request looks like."""

    class Place(pydantic.BaseModel):
        city: str
        size: float | None = None

    class Request(pydantic.BaseModel):
        colour: Colour
        level: Level
        day: datetime.date
        place: Place
        tags: list[str]
        amount: float

    stats = FeatureStatistics()
    for _ in range(3):
        stats.update(
            Request(
                colour=Colour.RED, level=Level.HIGH, day=datetime.date(2024, 1, 1), place=Place(city="Bern"),
                tags=["a", "b"], amount=2.5,
            )
        )  # fmt: skip
    features = stats.snapshot().features
    categories = {name: dict(f.counts) for name, f in features.items() if isinstance(f, CategoricalFeature)}
    assert categories == {"colour": {"red": 3}, "city": {"Bern": 3}, "tags": {"a": 3, "b": 3}}
    sums = {name: f.sum for name, f in features.items() if isinstance(f, NumericFeature)}
    assert sums == {"level": 9.0, "amount": 7.5}
    assert stats.dropped == {}


cells_of_any_kind = st.one_of(
    st.text(max_size=200), st.sampled_from(["a", "b", "c"]), st.integers(-5, 5), st.booleans(), st.none(), st.floats(),
    st.sampled_from([Colour.RED, Shade.DARK, Level.HIGH, np.str_("a"), pd.NA, object(), b"a", Decimal(2), np.int8(1)]),
)  # fmt: skip


@PROPERTY
@given(batches=st.lists(st.lists(cells_of_any_kind, min_size=1, max_size=20), max_size=5), data=st.data())
def test_every_cell_is_counted_once(batches: list[list[object]], data: st.DataObject) -> None:
    """Count, missing and invalid add up to the cells sent; each category has what `category` says."""
    stats = FeatureStatistics(reference("a", "b", "1", "true"))
    for cells in batches:
        form = data.draw(st.sampled_from([list, tuple, pd.Series, "records"]))
        if form == "records":
            stats.update([{"s": cell} for cell in cells])
        else:
            stats.update({"s": pd.Series(cells, dtype=object) if form is pd.Series else form(cells)})  # type: ignore[operator]
    feature = stats.snapshot().features["s"]
    assert isinstance(feature, CategoricalFeature)
    sent = [cell for cells in batches for cell in cells]
    assert feature.count + feature.missing + feature.invalid == len(sent)
    expected = Counter(category(cell) for cell in sent)
    assert {name: count for name, count in feature.counts.items() if count} == {
        name: expected[name] for name in ("a", "b", "1", "true") if expected[name]
    }
    assert feature.unseen == feature.count - sum(feature.counts.values())
    assert stats.dropped == {}


@pytest.mark.parametrize("kind", ["categorical", "high_cardinality"])
def test_of_thirty_categories_twenty_are_told_apart_and_strangers_are_unseen(kind: str) -> None:
    """Where the reference does not know them all, a stranger is only another one."""
    known = [f"k{i}" for i in range(30)]
    stats = FeatureStatistics(reference(*known, kind=kind))
    stats.update({"s": [*known, "stranger", "k0"]})
    feature = stats.snapshot().features["s"]
    assert isinstance(feature, CategoricalFeature)
    assert list(feature.counts) == known[:20]
    assert feature.counts["k0"] == 2
    strangers = 1 if kind == "categorical" else 0
    assert (feature.count, feature.unseen, feature.other) == (32, strangers, 11 - strangers)


def test_the_number_of_categories_is_bounded() -> None:
    """The first 256 are kept by name, and the rest counts together."""
    stats = FeatureStatistics()
    for start in range(0, 2000, 100):
        stats.update({"s": [f"v{i}" for i in range(start, start + 100)]})
        stats.update(pd.DataFrame({"t": [f"v{i}" for i in range(start, start + 100)]}))
    for name in "st":
        feature = stats.snapshot().features[name]
        assert isinstance(feature, CategoricalFeature)
        assert (len(feature.counts), feature.other, feature.count) == (256, 2000 - 256, 2000)


def test_what_a_feature_is_the_first_values_decide_and_it_stays() -> None:
    """Half numbers is numeric; text later is invalid; numbers in a categorical feature are categories."""
    stats = FeatureStatistics()
    stats.update({"half": [1, "x"], "more": [1, "x", "y"], "none": [None, None]})
    stats.update({"half": ["x"], "more": [2.5], "none": ["late"]})
    features = stats.snapshot().features
    assert (features["half"].count, features["half"].invalid) == (1, 2)  # type: ignore[union-attr]
    assert dict(features["more"].counts) == {"1": 1, "x": 1, "y": 1, "2.5": 1}  # type: ignore[arg-type]
    assert (features["none"].count, features["none"].missing) == (1, 2)


def test_keys_that_are_no_strings_and_columns_of_different_length() -> None:
    """A key is called what it prints as; of two that print alike the first counts."""

    class Nameless:
        def __str__(self) -> str:
            raise RuntimeError("no")

    stats = FeatureStatistics()
    stats.update({1: 2.0, "1": 3.0, None: 4.0, ("a", "b"): 5.0, Nameless(): 6.0})
    stats.update({"x": [1.0, 2.0, 3.0], "y": ["u"], "z": np.array([1, 2])})
    features = stats.snapshot().features
    counts = {name: feature.count for name, feature in features.items()}
    assert counts == {"1": 1, "None": 1, "('a', 'b')": 1, "<Nameless>": 1, "x": 3, "y": 1, "z": 2}
    assert features["1"].sum == 2.0  # type: ignore[union-attr]


def test_long_keys_do_not_stay_in_memory_while_they_wait() -> None:
    """They are no names of features, and are cut when they come in."""
    stats = FeatureStatistics()
    for _ in range(10):
        stats.update({"k" * 1_000_000: 1.0, "a": 1.0})
        stats.update([{"k" * 1_000_000: "x", "a": 1.0}])
        stats.update({"k" * 1_000_000: [1.0], "b": [1.0]})
        stats.update(pd.DataFrame({"k" * 1_000_000: [1.0], "a": [1.0]}))
    assert len(pickle.dumps([payload for _, payload, *_ in stats._intake._pending])) < 40_000
    assert {name: f.count for name, f in stats.snapshot().features.items()} == {"a": 30, "b": 10}
    assert stats.dropped == {"too_many_features": 40}


@PROPERTY
@given(batches=st.lists(st.lists(st.sampled_from(["a", "b", "z", None, 1]), max_size=30), min_size=3, max_size=3))
def test_snapshots_of_categories_add_subtract_and_pickle(batches: list[list[object]]) -> None:
    """Two aggregators merged count what one does; what came between two snapshots is their difference."""
    one, first, second = (FeatureStatistics(reference("a", "b")) for _ in range(3))
    for cells in batches:
        one.update({"s": cells})
    first.update({"s": batches[0]})
    second.update({"s": batches[1]})
    before = first.snapshot()
    first.delta()
    first.update({"s": batches[2]})
    expected = Counter(map(category, batches[2]))
    for between in (first.snapshot() - before, first.delta()):
        feature = pickle.loads(pickle.dumps(between)).features["s"]
        assert (feature.counts["a"], feature.counts["b"]) == (expected["a"], expected["b"])
        assert feature.missing == expected[None]
        assert feature.unseen == expected["z"] + expected["1"]
    first.merge(second)
    merged, alone = first.snapshot().features["s"], one.snapshot().features["s"]
    assert isinstance(merged, CategoricalFeature)
    assert isinstance(alone, CategoricalFeature)
    for field in ("count", "missing", "invalid", "unseen", "other"):
        assert getattr(merged, field) == getattr(alone, field)
    assert dict(merged.counts) == dict(alone.counts)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that change over as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_four_threads_lose_no_number_and_no_category() -> None:
    """Arrays, mappings and frames of both kinds, during flushes, snapshots, deltas and merges."""
    known = SignalReference(
        "training",
        {
            "n": NumericReference(
                "numeric", 9, 0, 0, 0.0, 4.0, 2.0, 1.0, 3.0, None, np.array([0.5, 1.5, 2.5]), np.zeros(4, np.int64)
            ),
            **reference("a", "b", "c").features,
        },
    )
    stats, total = FeatureStatistics(known), FeatureStatistics(known)
    threads, updates = 4, 900
    frames = [pd.DataFrame({"n": [float(i)], "s": ["abcz"[i]]}) for i in range(threads)]
    done = threading.Event()
    counted: list[int] = []

    def append(thread: int) -> None:
        for i in range(updates):
            kind = i % 3
            if kind == 0:
                stats.update({"n": float(thread), "s": "abcz"[thread]})
            elif kind == 1:
                stats.update(frames[thread])
            else:
                stats.update({"n": np.full(1, float(thread)), "s": ["abcz"[thread]]})

    def flush() -> None:
        while not done.is_set():
            stats.flush()
            stats.snapshot()

    def collect() -> None:
        while not done.is_set():
            change = stats.delta()
            counted.append(change.features["s"].count)
            total.merge(change)

    workers = [threading.Thread(target=append, args=(thread,)) for thread in range(threads)]
    readers = [threading.Thread(target=flush), threading.Thread(target=collect)]
    for thread in (*workers, *readers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()

    total.merge(stats.delta())
    for snapshot in (stats.snapshot(), total.snapshot()):
        numbers, texts = snapshot.features["n"], snapshot.features["s"]
        assert isinstance(numbers, NumericFeature)
        assert isinstance(texts, CategoricalFeature)
        assert numbers.counts.tolist() == [updates] * 4
        assert dict(texts.counts) == dict.fromkeys("abc", updates)
        assert (texts.unseen, texts.count) == (updates, threads * updates)
        assert numbers.sum == pytest.approx(updates * sum(range(threads)))
    assert sum(counted) <= threads * updates
    assert stats.dropped == total.dropped == {}
    assert stats._intake._cost == 0


def test_arrays_of_objects_are_rows_of_features() -> None:
    """Numbers and text side by side, one row or thousands; those of another width are refused."""
    stats = FeatureStatistics(names=["n", "s"])
    rows = np.array([[1.0, "u"], [None, "v"], [2, None]] * 2000, dtype=object)
    stats.update(rows)
    stats.update(rows[:1])
    stats.update(rows[:, :1])
    stats.update(np.array([["7", "w" * 200]]))
    snapshot = stats.snapshot()
    numbers, texts = snapshot.features["n"], snapshot.features["s"]
    assert isinstance(numbers, NumericFeature)
    assert isinstance(texts, CategoricalFeature)
    assert (numbers.count, numbers.missing, numbers.invalid, numbers.sum) == (4001, 2000, 1, 6001.0)
    assert dict(texts.counts) == {"u": 2001, "v": 2000, "w" * 128: 1}
    assert texts.missing == 2000
    assert dict(snapshot.rows_refused) == {"columns": 6000}
    assert stats.dropped == {}


def test_booleans_are_the_classes_true_and_false_however_they_come() -> None:
    """An array of them is ones and zeros by the time it is counted."""
    stats = FeatureStatistics(reference("true", "false"))
    for data in (np.array([True, False, True]), [True, None], {"s": False}, pd.DataFrame({"s": [True]}), "true", 1):
        stats.update(data)
    found = stats.snapshot().features["s"]
    assert isinstance(found, CategoricalFeature)
    assert (dict(found.counts), found.missing, found.unseen) == ({"true": 6, "false": 2}, 1, 0)
