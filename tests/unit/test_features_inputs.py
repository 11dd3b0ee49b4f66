"""What `update` takes, how it counts it, and that nothing makes it raise."""

from __future__ import annotations

import datetime
import logging
import math
import pickle
import subprocess
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from bento_observe.features import FeatureStatistics, NumericFeature

pytestmark = pytest.mark.usefixtures("kernel")


class House(pydantic.BaseModel):
    rooms: int
    area: float | None
    city: str = "Bern"


RNG_SEED = 20261122


@dataclass
class Point:
    x: float
    y: float


def features_of(data: object, **options: object) -> dict[str, NumericFeature]:
    stats = FeatureStatistics(**options)  # type: ignore[arg-type]
    stats.update(data)
    found = dict(stats.snapshot().features)
    assert "error" not in stats.dropped
    return found


def summary(data: object, **options: object) -> dict[str, tuple[int, float]]:
    """Count and sum of each numeric feature."""
    found = features_of(data, **options)
    return {name: (f.count, f.sum) for name, f in found.items() if isinstance(f, NumericFeature)}


TABLE = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.astype(np.float32),
        TABLE.astype(np.int64),
        TABLE.astype(np.uint8),
        TABLE.astype(np.longdouble),
        TABLE.astype(">f8"),
        TABLE.astype(object),
        np.asfortranarray(TABLE),
        np.repeat(TABLE, 2, axis=0)[::2],
        TABLE.tolist(),
        tuple(map(tuple, TABLE.tolist())),
        list(TABLE),
        np.ma.masked_array(TABLE),
    ],
    ids=lambda data: f"{type(data).__name__}-{getattr(data, 'dtype', type(data[0]).__name__)}",
)
def test_rows_of_two_columns_are_two_features(data: object) -> None:
    """Arrays of any numeric dtype and layout and nested lists count alike, by position or by name."""
    assert summary(data) == {"0": (3, 6.0), "1": (3, 60.0)}
    assert summary(data, names=["a", "b"]) == {"a": (3, 6.0), "b": (3, 60.0)}


@pytest.mark.parametrize(
    "data",
    [
        {"a": [1, 2, 3], "b": [10.0, 20.0, 30.0]},
        {"a": np.array([1, 2, 3]), "b": (10, 20, 30)},
        [{"a": 1, "b": 10.0}, {"a": 2, "b": 20.0}, {"b": 30.0, "a": 3}],
        [OrderedDict(a=1, b=10), UserDict(a=2, b=20), {"a": 3, "b": 30}],
        pd.DataFrame({"a": [1, 2, 3], "b": [10.0, 20.0, 30.0]}),
        pd.DataFrame({"a": pd.array([1, 2, 3], dtype="Int64"), "b": [10.0, 20.0, 30.0], "s": ["x", "y", "z"]}),
        pd.DataFrame({"a": [1, 2, 3], "b": [10.0, 20.0, 30.0]}).astype(object),
        pd.DataFrame({"a": [1, 2, 3], "b": [10.0, 20.0, 30.0], "c": pd.to_datetime(["2024-01-01"] * 3)}),
        pd.DataFrame({"a": [1, 2, 3], "b": [10.0, 20.0, 30.0], "c": pd.Categorical(["u", "v", "u"])}),
        SimpleNamespace,
    ],
    ids=range(10),
)
def test_named_columns_keep_their_names(data: object) -> None:
    """Columns by name, in mappings, lists of mappings and frames."""
    expected = {} if data is SimpleNamespace else {"a": (3, 6.0), "b": (3, 60.0)}
    assert summary(data) == expected


def test_one_dimension_is_one_feature_or_with_several_names_one_row() -> None:
    """The rule that the documentation of `update` gives."""
    for data in ([1.0, 2.0, 3.0], np.array([1, 2, 3]), (1, 2, 3)):
        assert summary(data) == {"value": (3, 6.0)}
        assert summary(data, names=["score"]) == {"score": (3, 6.0)}
        assert summary(data, names=["a", "b", "c"]) == {"a": (1, 1.0), "b": (1, 2.0), "c": (1, 3.0)}
    for scalar in (2.5, np.float32(2.5), np.array(2.5), Decimal("2.5"), Fraction(5, 2)):
        assert summary(scalar) == {"value": (1, 2.5)}, repr(scalar)
    assert summary(True) == {"value": (1, 1.0)}


def test_series_models_and_dataclasses() -> None:
    """One column by the series' name; the declared fields of models and dataclasses."""
    assert summary(pd.Series([1.0, 2.0], name="s")) == {"s": (2, 3.0)}
    assert summary(pd.Series([1, 2])) == {"value": (2, 3.0)}
    assert summary(House(rooms=3, area=70.5)) == {"rooms": (1, 3.0), "area": (1, 70.5)}
    assert summary([House(rooms=3, area=70.5), House(rooms=2, area=50)]) == {"rooms": (2, 5.0), "area": (2, 120.5)}
    assert summary(Point(1.0, 2.0)) == {"x": (1, 1.0), "y": (1, 2.0)}


def test_parameters_of_several_kinds_count_each_in_its_way() -> None:
    """An array of features beside a scalar parameter, as a handler with two parameters gets them."""
    found = summary({"features": TABLE, "threshold": 0.5, "tag": "x", "frame": pd.DataFrame({"z": [1.0, 2.0]})})
    assert found == {"0": (3, 6.0), "1": (3, 60.0), "threshold": (1, 0.5), "z": (2, 3.0)}


def test_missing_values_of_every_kind() -> None:
    """None, NaN, NA, NaT and masked cells are missing, not invalid."""
    cells = [1.0, None, float("nan"), pd.NA, pd.NaT, np.float64("nan")]
    for data in ({"a": cells}, [{"a": cell} for cell in cells], pd.DataFrame({"a": pd.Series(cells, dtype=object)})):
        feature = features_of(data)["a"]
        assert (feature.count, feature.missing, feature.invalid) == (1, 5, 0), data
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
    assert features_of(masked)["1"].missing == 1
    nullable = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")})
    assert {name: (f.count, f.missing) for name, f in features_of(nullable).items()} == {"a": (1, 1), "b": (1, 1)}


def test_missing_values_before_the_first_number_are_not_forgotten() -> None:
    """A column of nothing may turn out numeric; then what was missing counts."""
    stats = FeatureStatistics()
    for cell in (None, None, 2.0):
        stats.update({"a": cell})
    assert (stats.snapshot().features["a"].count, stats.snapshot().features["a"].missing) == (1, 2)


def test_what_is_no_number_in_a_column_of_numbers_is_invalid() -> None:
    """Strings (numeric ones too), containers, dates, complex numbers."""
    stats = FeatureStatistics()
    stats.update({"a": 1.0})
    for odd in ("x", "1.5", datetime.date(2024, 1, 1), 1j, object()):
        stats.update([{"a": odd, "b": 1}])
        stats.update({"a": odd, "b": 1})
    stats.update(pd.DataFrame({"a": ["x", None]}))
    feature = stats.snapshot().features["a"]
    assert (feature.count, feature.invalid, feature.missing) == (1, 11, 1)
    assert stats.dropped == {}


def test_integers_too_large_for_a_float_count_as_infinite() -> None:
    """10**400 is a number, but none that fits."""
    feature = features_of({"a": [1, 10**400, -(10**400)]})["a"]
    assert (feature.count, feature.non_finite, feature.invalid) == (1, 2, 0)


def test_rows_of_the_wrong_width_are_refused_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """They change no feature, and a thousand of them write one line."""
    stats = FeatureStatistics(names=["a", "b"])
    with caplog.at_level(logging.WARNING, logger="bento_observe"):
        for _ in range(1000):
            stats.update(np.ones((2, 3)))
            stats.update([1.0, 2.0, 3.0])
            stats.update(np.ones(5))
            stats.update([[1.0, 2.0], [1.0]])
            stats.flush()
    snapshot = stats.snapshot()
    assert dict(snapshot.rows_refused) == {"columns": 5000}
    assert {name: f.count for name, f in snapshot.features.items()} == {"a": 1000, "b": 1000}
    assert len(caplog.records) == 1


def test_rows_of_different_widths_without_names_all_count() -> None:
    """Each width has its own columns by position."""
    stats = FeatureStatistics()
    stats.update(np.ones((2, 3)))
    stats.update(np.ones((4, 1)))
    stats.update([[1.0, 2.0]])
    assert {name: f.count for name, f in stats.snapshot().features.items()} == {"0": 7, "1": 3, "2": 2}


def test_two_columns_of_one_name_count_once() -> None:
    """The first column wins."""
    frame = pd.DataFrame([[1.0, 5.0, 7.0]], columns=["a", "b", "a"])
    assert summary(frame) == {"a": (1, 1.0), "b": (1, 5.0)}
    assert summary(TABLE, names=["a", "a"]) == {"a": (3, 6.0)}


def test_changing_the_data_afterwards_changes_nothing() -> None:
    """A handler may scale its input in place."""
    array, frame = TABLE.copy(), pd.DataFrame({"a": [1.0, 2.0], "s": ["x", "y"]})
    record, rows, large = {"d": 1.0}, [[1.0], [2.0]], np.ones((5000, 2))
    column = {"c": [1.0, 2.0]}
    stats = FeatureStatistics()
    for data in (frame, record, rows, column):
        stats.update(data)
    arrays = FeatureStatistics()
    arrays.update(array)
    arrays.update(large)
    array *= 100
    large *= 100
    frame["a"] *= 100
    frame.iloc[0, 0] = 1e9
    record["d"] = 100.0
    rows[0][0] = 100.0
    column["c"].append(100.0)
    sums = {name: f.sum for name, f in stats.snapshot().features.items() if isinstance(f, NumericFeature)}
    assert sums == pytest.approx({"a": 3.0, "d": 1.0, "0": 3.0, "c": 3.0})
    assert arrays.snapshot().features["0"].sum == pytest.approx(6.0 + 5000)


class Hostile:
    """Raises whatever one does with it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class HostileFloat(float):
    def __float__(self) -> float:
        raise RuntimeError("no")


class HostileList(list[float]):
    def __getitem__(self, index: object) -> float:  # type: ignore[override]
        raise RuntimeError("no")


HOSTILE = [
    None, "text", b"bytes", 1j, object(), Hostile(), [Hostile()], {"a": Hostile()}, {Hostile: 1.0}, [[Hostile()]],
    HostileFloat(1), [HostileFloat(1)], {"a": HostileFloat(2)}, HostileList([1.0]), [1, "a", None, [2]],
    [[1], [2, 3], []],
    [[]], [], {}, (), [{}], [{}, {"a": 1}], [None], [[None]], {"a": None}, {"a": []}, {"a": {}}, {"a": {"b": {"c": 1}}},
    {1: 2, (3, 4): 5, None: 6}, 10**400, [10**400], float("nan"), float("inf"), True, Decimal("sNaN"),
    [Decimal("1e999")],
    Fraction(1, 3), datetime.datetime(2024, 1, 1), [datetime.date(2024, 1, 1)], {1, 2}, range(3), (i for i in range(3)),
    iter([1.0]), lambda: 1, int, FeatureStatistics, SimpleNamespace(a=1), np.array(1.0), np.array([]), np.zeros((0, 3)),
    np.zeros((3, 0)), np.zeros((2, 2, 2)), np.zeros((64, 64, 64)), np.array(["a", "b"]), np.array([b"a"]),
    np.array(["2024-01-01"], dtype="datetime64[ns]"), np.array([1, None, "x"], dtype=object), np.array(None),
    np.array([[1, "x"], [None, object()]], dtype=object), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([1j]), np.datetime64("2024-01-01"), np.complex64(1), np.str_("x"), np.matrix([[1.0, 2.0]]),
    np.ma.masked_all((2, 2)),
    pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=range(3)), pd.DataFrame({"a": [object(), 1j]}),
    pd.DataFrame(np.zeros((2, 400))), pd.DataFrame({"a": [1 + 2j]}),
    pd.DataFrame({"a": pd.period_range("2024", periods=2)}),
    pd.DataFrame({"a": pd.arrays.SparseArray([0, 1.0])}), pd.DataFrame({"a": pd.interval_range(0, 2)}),
    pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])), pd.Series([], dtype=float),
    pd.Series(["x"]), pd.DataFrame({"a": [pd.Timestamp("2024-01-01")]}), pd.Index([1, 2]), pd.NA, pd.NaT,
    {"a" * 100_000: 1.0}, ["x" * 1_000_000], [[1.0] * 100_000],
]  # fmt: skip


def test_nothing_raises_and_what_comes_after_still_counts() -> None:
    """Each odd input alone, with and without names, then all of them in one flush between good rows."""
    together = FeatureStatistics()
    for data in HOSTILE:
        for names in (None, ["a"], ["a", "b"]):
            stats = FeatureStatistics(names=names)
            stats.update({"good": 1.0})
            stats.flush()
            stats.update(data)
            stats.update({"good": 1.0})
            assert stats.snapshot().features["good"].count == 2, type(data)
            assert stats.delta().features["good"].count == 2
        together.update({"good": 1.0})
        together.update(data)
    snapshot = together.snapshot()
    assert snapshot.features["good"].count == len(HOSTILE)
    assert together.pending == 0
    assert all(f.counts.sum() == f.count for f in snapshot.features.values())


def test_a_mapping_that_contains_itself_ends() -> None:
    """Nesting is followed a few levels, not for ever."""
    loop: dict[str, object] = {"x": 1.0}
    loop["left"] = loop["right"] = loop
    stats = FeatureStatistics()
    stats.update(loop)
    assert 1 <= stats.snapshot().features["x"].count <= 2**4
    assert "error" not in stats.dropped


def test_a_mapping_of_any_size_leaves_little_behind() -> None:
    """A thousand keys become 256 features and no more; a hundred thousand are dropped whole."""
    stats = FeatureStatistics()
    for start in range(3):
        stats.update({f"k{start}-{i}": 1.0 for i in range(1000)})
        stats.update({f"k{start}-{i}": 1.0 for i in range(100_000)})
        stats.update([{f"k{start}-{i}": 1.0 for i in range(100_000)}])
    assert len(stats.snapshot().features) == 256
    assert stats.dropped == {"too_wide": 6, "too_many_features": 3}
    assert sum(map(len, stats._state._numbers._plans)) <= 256


def test_a_generator_is_left_unconsumed() -> None:
    """A streaming response belongs to the client."""
    stream = (i for i in range(3))
    stats = FeatureStatistics()
    stats.update(stream)
    stats.flush()
    assert list(stream) == [0, 1, 2]
    assert stats.dropped == {"unsupported_type": 1}


def test_names_cannot_grow_without_bound() -> None:
    """The 257th feature is dropped and counted, and so are names longer than anyone would choose."""
    stats = FeatureStatistics()
    for start in range(0, 1000, 10):
        stats.update({f"f{i}": 1.0 for i in range(start, start + 10)})
    stats.update({"x" * 300: 1.0, "f0": 1.0})
    for i in range(5000):
        stats.update({f"missing{i}": None})
    snapshot = stats.snapshot()
    assert len(snapshot.features) == 256
    assert snapshot.features["f0"].count == 2
    assert stats.dropped["too_many_features"] >= 75
    assert len(stats._state._undecided) <= 256
    assert len(stats._state._numbers._plans) <= 64


def test_images_are_dropped_whole() -> None:
    """An array of three dimensions makes no features."""
    stats = FeatureStatistics()
    stats.update(np.zeros((2, 32, 32)))
    assert dict(stats.snapshot().features) == {}
    assert stats.dropped == {"too_wide": 2}


@pytest.mark.parametrize("form", [np.asarray, np.float32, np.ndarray.tolist])
def test_embeddings_are_summed_up(form: Callable[[np.ndarray], object]) -> None:
    """Rows of more columns than there may be features count by norm, mean and what is not finite."""
    vectors = np.random.default_rng(RNG_SEED).normal(size=(1000, 300))
    vectors[0, :3] = [np.nan, np.inf, -np.inf]
    vectors[1] = np.nan
    stats = FeatureStatistics()
    stats.update(form(vectors[:5]))
    stats.update(form(vectors[5:]))
    features = stats.snapshot().features
    assert set(features) == {"norm", "mean", "non_finite"}
    clean = np.where(np.isfinite(vectors), vectors, 0.0)
    norms = np.linalg.norm(np.delete(clean, 1, axis=0), axis=1)
    assert (features["norm"].count, features["norm"].missing) == (999, 1)
    assert features["norm"].mean == pytest.approx(norms.mean(), rel=1e-6)
    assert features["mean"].max == pytest.approx(np.delete(clean, 1, axis=0).sum(axis=1)[1:].max() / 300, rel=1e-6)
    assert (features["non_finite"].count, features["non_finite"].sum) == (1000, 303)
    assert stats.dropped == {}


def test_waiting_data_is_bounded_in_memory() -> None:
    """What does not fit is dropped and counted, and what fitted is not lost."""
    stats = FeatureStatistics(max_pending=10_000)
    row = np.ones((1, 100))
    for _ in range(1000):
        stats.update(row)
    waiting = stats.pending
    assert 0 < waiting < 100
    assert stats.dropped == {"buffer_full": 1000 - waiting}
    assert stats.snapshot().features["0"].count == waiting
    for _ in range(3):
        stats.update(row)
    assert stats.snapshot().features["0"].count == waiting + 3


def test_text_does_not_stay_in_memory_while_it_waits() -> None:
    """A megabyte in a column that is no feature is cut when it comes in."""
    stats = FeatureStatistics()
    stats.update({"a": 1.0, "prompt": "x" * 1_000_000, "blob": [b"y" * 1_000_000]})
    kept = [payload for _, payload, *_ in stats._intake._pending]
    assert len(repr(kept)) < 1000


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_long_batch_is_sampled_evenly_and_the_rest_counted(as_frame: bool) -> None:
    """A million rows cost no more than a hundred thousand."""
    rows = np.linspace(0.0, 1.0, 1_000_000)[:, None]
    stats = FeatureStatistics()
    stats.update(pd.DataFrame(rows, columns=["0"]) if as_frame else rows)
    feature = stats.snapshot().features["0"]
    assert feature.count == 100_000
    assert stats.dropped == {"sampled": 900_000}
    assert feature.mean == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("rows", [1, 10])
def test_the_text_of_a_frame_does_not_stay_in_memory_while_it_waits(rows: int) -> None:
    """Nor do labels, and what is text in a column of numbers still counts as invalid."""
    stats = FeatureStatistics()
    stats.update({"a": 1.0})
    stats.flush()
    text = [str(row) * 100_000 for row in range(rows)]
    for dtype in ("str", "object"):
        frame = pd.DataFrame({"a": np.ones(rows), "s": pd.Series(text, dtype=dtype), "n": None, "d": pd.NaT})
        stats.update(frame.set_index(pd.Index(text)))
        stats.update(frame.assign(a=pd.Series(text, dtype=dtype)))
        stats.update(frame.assign(s=pd.Categorical(text)))
        stats.update(pd.DataFrame({"a": np.ones(rows)}, index=text))
    assert len(pickle.dumps([payload for key, payload, *_ in stats._intake._pending])) < 20_000
    features = stats.snapshot().features
    assert (features["a"].count, features["a"].invalid) == (1 + 6 * rows, 2 * rows)
    assert (features["s"].count, len(features["s"].counts)) == (6 * rows, rows)
    assert set(features) == {"a", "s"}


def test_a_sample_of_a_frame_does_not_keep_the_frame() -> None:
    """It is a copy, not a view."""
    whole = np.ones((400_000, 4))
    frame = pd.DataFrame(whole, copy=False)
    stats = FeatureStatistics()
    stats.update(frame)
    ((_, payload, cost, _),) = stats._intake._pending
    assert type(payload.raw) is bytes
    assert 200_000 < len(payload.raw) // 8 <= cost <= 400_000 + 1000


@pytest.mark.parametrize("rows", [1, 10])
def test_frames_whose_columns_differ_in_type_keep_their_numbers(rows: int) -> None:
    """Numbers beside more text than numbers, booleans beside floats, all in one flush."""
    stats = FeatureStatistics()
    for cell in (1.5, 2, True, "x", "x", "x", "x", "x", None):
        stats.update(pd.DataFrame({"a": [cell] * rows, "b": [1.0] * rows}))
        stats.update(pd.DataFrame({"a": [cell] * rows, "s": ["x"] * rows}))
    features = stats.snapshot().features
    assert (features["a"].count, features["a"].invalid, features["a"].missing) == (6 * rows, 10 * rows, 2 * rows)
    assert features["a"].sum == 9 * rows
    assert features["b"].count == 9 * rows
    assert dict(features["s"].counts) == {"x": 9 * rows}


def test_many_small_frames_count_row_by_row() -> None:
    """Frames of one layout are joined at flush, others kept apart."""
    stats = FeatureStatistics()
    for i in range(50):
        stats.update(pd.DataFrame({"a": [float(i)], "s": ["x"], "b": [i % 2 == 0]}))
        stats.update(pd.DataFrame({"b": [1], "a": [None if i % 5 else 0.5]}))
    features = stats.snapshot().features
    assert (features["a"].count, features["a"].missing) == (60, 40)
    assert features["a"].sum == pytest.approx(sum(range(50)) + 10 * 0.5)
    assert features["b"].count == 100
    assert math.isclose(features["b"].sum, 75)


def test_importing_the_statistics_imports_no_pandas() -> None:
    """Only the aggregator's own modules, loaded on their own."""
    code = (
        "import sys, types, importlib.util as u, pathlib\n"
        "spec = u.find_spec('bento_observe')\n"
        "package = types.ModuleType('bento_observe'); package.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules['bento_observe'] = package\n"
        "import bento_observe.features\n"
        "bento_observe.features.FeatureStatistics().update([1.0])\n"
        "print(sorted({'pandas', 'google.protobuf', 'bentoml', 'opentelemetry'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("rows", "width", "kind"),
    [(20_000, 30, list), (100_000, 4, list), (20_000, 30, dict), (20_000, 30, object)],
)
def test_a_long_batch_of_objects_is_sampled_by_what_it_costs(rows: int, width: int, kind: type) -> None:
    """Lists, mappings and models cost several times what their values do: fewer rows are taken, never none."""
    columns = [f"f{i}" for i in range(width)]
    model: Any = dataclass(type("Model", (), {"__annotations__": dict.fromkeys(columns, float)}))
    data = [
        [1.0] * width if kind is list else dict.fromkeys(columns, 1.0) if kind is dict else model(*[1.0] * width)
        for _ in range(rows)
    ]
    stats = FeatureStatistics(names=columns)
    stats.update(data)
    counted = stats.snapshot().features["f0"].count
    assert rows / 8 < counted < rows
    assert stats.dropped == {"sampled": rows - counted}


def test_a_long_list_and_long_columns_fit_into_a_small_buffer() -> None:
    """A sample of them does, at least."""
    stats = FeatureStatistics(max_pending=40_000)
    stats.update([1.0] * 20_000)
    stats.update({"a": [1.0] * 20_000, "b": [1.0] * 20_000})
    features = stats.snapshot().features
    assert features["value"].count > 1000
    assert features["a"].count == features["b"].count > 500
    assert set(stats.dropped) == {"sampled"}


def test_rows_that_are_no_rows_are_counted() -> None:
    """A number or a matrix where a row should be."""
    stats = FeatureStatistics()
    stats.update([[1, 2], 3, [4, 5]])
    assert stats.snapshot().features["0"].count == 2
    assert stats.dropped == {"unsupported_type": 1}
    stats.update([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert stats.snapshot().features["0"].count == 2
    assert stats.dropped == {"unsupported_type": 3}
