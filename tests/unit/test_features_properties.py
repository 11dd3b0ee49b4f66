"""What holds for any numbers whatever, in any form that they may come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bento_observe.features import (
    CategoricalFeature,
    FeatureStatistics,
    NumericFeature,
    _compiled,
    _frames,
    _moments,
    _numbers,
)  # fmt: skip
from bento_observe.features._categories import CategoryCounts
from bento_observe.features._exponential import ExponentialTable
from bento_observe.features._numbers import NumericTable
from bento_observe.features._search import EdgeSearch
from bento_observe.features._types import CHUNK_CELLS, CHUNK_VALUES
from bento_observe.features.reference import NumericReference, SignalReference, VectorReference

pytestmark = pytest.mark.usefixtures("kernel")

RNG_SEED = 20261123
AWKWARD = [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, -1.7976931348623157e308, math.inf, -math.inf]
PROPERTY = settings(max_examples=examples(150), deadline=None, derandomize=True)

numbers = st.one_of(st.floats(), st.sampled_from([*AWKWARD, math.nan]), st.integers(-3, 3).map(float))
edge_lists = st.lists(
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3).map(float)), min_size=1, max_size=70
).map(lambda edges: np.unique(np.array(edges) + 0.0))


def reference(edges: dict[str, np.ndarray], center: float = 0.5, **options: Any) -> SignalReference:
    features = {
        name: NumericReference(
            "numeric", 100, 0, 0, -1e7, 1e7, center, 1.0, 3.0, None, values.copy(), np.zeros(values.size + 1, np.int64)
        )
        for name, values in edges.items()
    }
    return SignalReference("training", features, **options)


def assert_counted(feature: object, edges: np.ndarray, values: np.ndarray) -> None:
    """`feature` is what numpy makes of `values`."""
    assert isinstance(feature, NumericFeature)
    finite = values[np.isfinite(values)]
    expected = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=edges.size + 1)
    np.testing.assert_array_equal(feature.counts, expected)
    assert feature.count == finite.size
    assert feature.missing + feature.invalid == np.isnan(values).sum()
    assert feature.non_finite == np.isinf(values).sum()
    if finite.size:
        assert (feature.min, feature.max) == (finite.min(), finite.max())


@PROPERTY
@given(data=st.data(), edges=st.lists(edge_lists, min_size=1, max_size=5))
def test_counts_equal_searchsorted(data: st.DataObject, edges: list[np.ndarray]) -> None:
    """Any floats, ties with edges among them, in any number of updates."""
    names = [str(i) for i in range(len(edges))]
    tied = st.one_of(numbers, st.sampled_from(np.concatenate(edges).tolist()))
    shapes = st.tuples(st.integers(0, 12), st.just(len(edges)))
    batches = data.draw(st.lists(hnp.arrays(np.float64, shapes, elements=tied), min_size=1, max_size=3))
    stats = FeatureStatistics(reference(dict(zip(names, edges, strict=True))))
    for batch in batches:
        stats.update(batch)
        if data.draw(st.booleans()):
            stats.flush()
    features = stats.snapshot().features
    together = np.concatenate(batches)
    for column, (name, its_edges) in enumerate(zip(names, edges, strict=True)):
        assert_counted(features[name], its_edges, together[:, column])


DTYPES = ["f2", "f4", "f8", ">f8", "longdouble", "i1", "i4", "i8", "u1", "u8", "?"]
LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: a[::-1][::-1],
    lambda a: np.hstack([a, a])[:, : a.shape[1]],
]  # fmt: skip


@PROPERTY
@given(data=st.data(), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), locked=st.booleans())
def test_every_dtype_and_layout_counts_as_its_float64(
    data: st.DataObject, dtype: str, layout: Callable[[np.ndarray], np.ndarray], locked: bool
) -> None:
    """Half precision to 64-bit integers, Fortran order, strides, read-only."""
    elements = st.floats(-1000, 1000, width=16) if np.dtype(dtype).kind == "f" else hnp.from_dtype(np.dtype(dtype))
    array = layout(data.draw(hnp.arrays(dtype, st.tuples(st.integers(1, 9), st.just(2)), elements=elements)))
    array.flags.writeable = not locked
    edges = np.array([-3.0, 0.0, 1.0, 1e18])
    stats = FeatureStatistics(reference({"a": edges, "b": edges}))
    stats.update(array)
    stats.update(pd.DataFrame(array.astype(array.dtype.newbyteorder("=")), columns=["a", "b"]))
    for column, name in enumerate("ab"):
        assert_counted(stats.snapshot().features[name], edges, np.tile(array[:, column].astype(np.float64), 2))


SERIES = [
    pd.array([1, None, 3, 7], dtype="Int64"), pd.array([1, None, 3, 7], dtype="UInt8"),
    pd.array([0.5, None, 2.5, 7.0], dtype="Float32"), pd.array([True, None, False, True], dtype="boolean"),
    np.array([1.5, None, "x", 3], dtype=object), np.array([1, 2, 3, 4], dtype=np.int16),
    np.array([1.0, np.nan, np.inf, -np.inf]), pd.arrays.SparseArray([0.0, 1.0, 0.0, np.nan]),
    pd.array([1, None, 3, 7], dtype="int64[pyarrow]"), pd.array([1.5, None, 3, 7], dtype="double[pyarrow]"),
    pd.array([True, None, False, True], dtype="bool[pyarrow]"),
]  # fmt: skip


@pytest.mark.parametrize("values", SERIES, ids=lambda values: str(values.dtype))
@pytest.mark.parametrize("rows", [1, 4])
def test_columns_of_every_numeric_dtype_of_pandas(values: Any, rows: int) -> None:
    """Masked, sparse, object and pyarrow's columns, beside text, and the same taken apart by public means only."""
    frame = pd.DataFrame({"s": ["x"] * rows, "a": values[:rows], "b": np.arange(float(rows))})
    edges = np.array([0.0, 1.0, 2.75, 5.0])
    stats = FeatureStatistics(reference({"a": edges, "b": edges}))
    stats.update(frame)
    stats.update(frame["a"])
    cells = [math.nan if not isinstance(v, (int, float, bool)) else float(v) for v in frame["a"].tolist()]
    assert_counted(stats.snapshot().features["a"], edges, np.tile(cells, 2))
    assert_counted(stats.snapshot().features["b"], edges, np.arange(float(rows)))
    assert stats.dropped == {}


TEXTS = [
    "str", "object", "category", "string[python]", pytest.param("string[pyarrow]"), "large_string[pyarrow]",
]  # fmt: skip


@pytest.mark.parametrize("dtype", TEXTS)
@pytest.mark.parametrize("rows", [1, 3, 5000])
def test_columns_of_every_text_dtype_of_pandas(dtype: str, rows: int) -> None:
    """One row or many, missing cells among them."""
    cells = [["u", None, "v" * 200][i % 3] for i in range(rows)]
    stats = FeatureStatistics()
    stats.update(pd.DataFrame({"s": ["u"]}))
    stats.update(pd.DataFrame({"s": pd.Series(cells, dtype=dtype), "a": 1.0}))
    feature = stats.snapshot().features["s"]
    assert isinstance(feature, CategoricalFeature)
    assert (feature.count, feature.missing) == (1 + len(cells) - cells.count(None), cells.count(None))
    assert feature.counts["u"] == 1 + cells.count("u")
    assert set(feature.counts) <= {"u", "v" * 128}
    assert stats.dropped == {}


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2024-01-01", None]),
        pd.to_datetime(["2024-01-01", None], utc=True),
        pd.to_timedelta(["1s", None]),
        pd.PeriodIndex(["2024", None], freq="D"),
        [1j, None],
        pd.array([b"x", None], dtype="binary[pyarrow]"),
    ],
    ids=lambda column: type(column).__name__,
)
def test_times_and_the_like_are_invalid_where_the_reference_has_numbers(column: Any) -> None:
    """What is missing among them is missing."""
    stats = FeatureStatistics(reference({"a": np.array([1.0])}))
    stats.update(pd.DataFrame({"a": column, "b": [1.0, 2.0]}))
    feature = stats.snapshot().features["a"]
    assert isinstance(feature, NumericFeature)
    assert (feature.count, feature.missing, feature.invalid) == (0, 1, 1)
    assert stats.dropped == {}


@PROPERTY
@given(data=st.data(), rows=st.integers(1, 6))
def test_frames_taken_apart_by_blocks_are_what_pandas_says_column_by_column(data: st.DataObject, rows: int) -> None:
    """The contract with the part of pandas that is not public: arrangement and content of the blocks."""
    kinds = st.sampled_from(["f8", "f4", "i8", "?", "str", "object", "Int64", "category", "datetime64[ns]"])
    frame = pd.DataFrame(index=range(rows))
    for position, kind in enumerate(data.draw(st.lists(kinds, min_size=1, max_size=8))):
        label = f"c{position}" if data.draw(st.booleans()) else "c0"
        frame.insert(position, label, pd.Series(range(rows)).astype(kind), allow_duplicates=True)
    if data.draw(st.booleans()):
        frame = frame.iloc[:, ::-1].copy()
    labels, blocks = _frames.blocks_of(frame)
    assert sum(len(positions) for positions, _ in blocks) == frame.shape[1]
    assert list(labels) == list(frame.columns)
    quick = _frames.taken(labels, blocks, 1)
    slow = _frames.taken(labels, _frames.public_blocks(frame), 1)
    assert (quick.numeric, quick.raw, quick.others) == (slow.numeric, slow.raw, slow.others)
    assert [list(map(str, column)) for column in quick.cells] == [list(map(str, column)) for column in slow.cells]
    numeric = {name: i for i, name in reversed(list(enumerate(labels)))}
    table = np.frombuffer(quick.raw).reshape(rows, -1)
    for place, name in enumerate(quick.numeric):
        np.testing.assert_array_equal(table[:, place], frame.iloc[:, numeric[name]].to_numpy(np.float64))


def test_a_frame_whose_insides_are_unknown_is_read_column_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas may rename what is not public; then frames cost more and count the same."""
    called: list[int] = []
    public = _frames.public_blocks
    monkeypatch.setattr(_frames, "public_blocks", lambda frame: called.append(1) or public(frame))

    class Foreign:
        _mgr = SimpleNamespace()
        columns = pd.Index(["a", "s"])

        def items(self) -> Iterator[tuple[str, pd.Series[Any]]]:
            return iter([("a", pd.Series([1.0, 2.0])), ("s", pd.Series(["x", "y"]))])

    labels, blocks = _frames.blocks_of(Foreign())  # type: ignore[arg-type]
    found = _frames.taken(labels, blocks, 1)
    assert called == [1]
    assert (found.numeric, found.others) == (("a",), ("s",))
    assert np.frombuffer(found.raw).tolist() == [1.0, 2.0]
    assert [list(column) for column in found.cells] == [["x", "y"]]


@PROPERTY
@given(
    batches=st.lists(hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e6, 1e6)), min_size=1, max_size=6),
    center=st.floats(-1e6, 1e6),
)
def test_sums_of_deviations_only_grow_and_give_mean_and_variance(batches: list[np.ndarray], center: float) -> None:
    """`above - below` is the sum of `x - center`; the variance is numpy's."""
    stats = FeatureStatistics(reference({"a": np.array([0.0])}, center=center))
    before = (0.0, 0.0, 0.0)
    for batch in batches:
        stats.update({"a": batch})
        feature = stats.snapshot().features["a"]
        assert isinstance(feature, NumericFeature)
        sums = feature.deviations
        assert sums is not None
        now = (sums.above, sums.below, sums.squares)
        assert all(later >= earlier for later, earlier in zip(now, before, strict=True))
        before = now
    values = np.concatenate(batches)
    away = values - center
    scale = np.abs(away).sum() + 1e-300
    assert sums.above - sums.below == pytest.approx(math.fsum(away), abs=1e-12 * scale)
    assert sums.above == pytest.approx(away[away > 0].sum(), abs=1e-12 * scale)
    assert feature.mean == pytest.approx(values.mean(), abs=1e-12 * (scale + abs(center)))
    spread = np.square(away).sum()
    assert feature.squares == pytest.approx(
        np.var(values) * values.size, abs=1e-11 * spread + 1e-26 * np.abs(values).max() ** 2
    )


@pytest.mark.parametrize("wrong", [1e12, 1e30, 1e200, 1.7e308, -1.7e308])
def test_one_wrong_value_does_not_take_the_digits_from_all_others(wrong: float) -> None:
    """Microseconds in a field of seconds, once: mean and variance of what comes later are right to seven digits."""
    training = SignalReference(
        "training",
        {"a": NumericReference("numeric", 99, 0, 0, -4.0, 4.0, 0.0, 1.0, 3.0, None, np.zeros(1), np.zeros(2, int))},
    )
    stats = FeatureStatistics(training)
    stats.update({"a": [wrong, 0.5]})
    early = stats.snapshot()
    values = np.random.default_rng(RNG_SEED).normal(size=10_000)
    stats.update({"a": values})
    later = stats.snapshot() - early
    feature = later.features["a"]
    assert isinstance(feature, NumericFeature)
    assert feature.mean == pytest.approx(values.mean(), abs=1e-7)
    assert feature.variance == pytest.approx(values.var(), rel=1e-7)
    whole = early.features["a"]
    assert isinstance(whole, NumericFeature)
    assert wrong in (whole.min, whole.max)
    assert (whole.below, whole.above) == ((1, 1) if wrong < 0 else (0, 2))


@pytest.mark.parametrize(("rows", "width"), [(3000, 100), (70_000, 1), (900, 256), (20_000, 7), (1, 200), (5, 20)])
@pytest.mark.parametrize("share", [0.0, 0.01])
def test_batches_of_any_size_are_cut_without_loss(rows: int, width: int, share: float) -> None:
    """Columns that the reference has, in another order, and others between them; with and without NaN."""
    rng = np.random.default_rng(RNG_SEED)
    values = rng.normal(size=(rows, width))
    values[rng.random(values.shape) < share] = np.nan
    names = [f"f{i}" for i in range(width)]
    edges = {name: np.sort(rng.normal(size=1 + i % 47)) for i, name in enumerate(names) if i % 3 != 1}
    shuffled = dict(rng.permutation(np.array(list(edges.items()), dtype=object)).tolist())
    stats = FeatureStatistics(reference(shuffled), names=names)
    stats.update(values)
    features = stats.snapshot().features
    for column, name in enumerate(names):
        feature = features[name]
        assert isinstance(feature, NumericFeature)
        assert_counted(feature, edges.get(name, feature.edges), values[:, column])
        finite = values[~np.isnan(values[:, column]), column]
        if not finite.size:
            continue
        assert feature.mean == pytest.approx(finite.mean(), abs=1e-12)
        assert feature.variance == pytest.approx(finite.var(), rel=1e-10)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[int]]]:
    """The number of values that each step of a flush looks at."""
    sizes: dict[str, list[int]] = {"numbers": [], "cells": []}

    def note(kind: str, size_of: Callable[..., int], owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def method(*args: Any) -> Any:
            sizes[kind].append(size_of(*args))
            return original(*args)

        monkeypatch.setattr(owner, name, method)

    note("numbers", lambda _self, columns, *_: columns.size, EdgeSearch, "__call__")
    note("numbers", lambda _self, _rows, columns, *_: columns.size, _moments.Moments, "add")
    note("numbers", lambda _self, _rows, columns, *_: columns.size, ExponentialTable, "add")
    note(
        "numbers", lambda _self, part, _columns, start, stop: part.rows.size * (stop - start),
        NumericTable, "_count_compiled",
    )  # fmt: skip
    note("cells", lambda _self, cells: len(cells), CategoryCounts, "add")
    yield sizes


def test_no_step_of_a_flush_is_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes: arrays, frames, columns and records of many rows, numbers and text."""
    rng = np.random.default_rng(RNG_SEED)
    long = 30_000
    text = rng.choice(["u", "v", "w"], size=long)
    with recorded(monkeypatch) as sizes:
        for known in ({}, {"a": np.array([0.0, 1.0])}):
            stats = FeatureStatistics(reference(known)) if known else FeatureStatistics()
            stats.update(rng.normal(size=(long, 1)) if known else rng.normal(size=(long, 60)))
            stats.update(pd.DataFrame({"a": rng.normal(size=long), "s": text, "o": text.astype(object)}))
            stats.update({"a": rng.normal(size=long), "s": text.tolist()})
            for _ in range(3000):
                stats.update({"a": 1.0, "s": "u"})
            stats.update([{"a": 1, "s": "u", "t": None}] * 2000)
            stats.update([1.0] * long)
            taken = []
            while items := stats._intake.take(100_000):
                taken.append(sum(item[2] for item in items[:-1]))
                stats._count(items)
            assert max(taken) <= 262_144
            assert stats.dropped.keys() <= {"sampled"}
    assert 0 < max(sizes["numbers"]) <= CHUNK_VALUES
    assert 0 < max(sizes["cells"]) <= CHUNK_CELLS


def test_state_of_a_feature_is_small() -> None:
    """512 bytes, and 1.6 kB with the tables that values are searched in, for 47 edges."""
    features = 100
    edges = {f"f{i}": np.linspace(0, 1, 47) for i in range(features)}
    table = NumericTable(edges, dict.fromkeys(edges, (0.5, 1000.0)), _compiled.KERNEL)
    table.add(tuple(edges), np.zeros((features, 3)), None)
    state = sum(array.nbytes for array in vars(table._moments).values()) + table._explicit.nbytes
    assert state <= 512 * features
    (part,) = table._plans[tuple(edges)]
    assert part.compiled == (part.search is None) == (_compiled.KERNEL is not None)
    tables = [part.rows, part.positions, table._padded, *table._edges]
    if part.search is not None:
        tables += [*part.search._levels, *part.search._groups, part.search._roots]
    assert state + sum(one.nbytes for one in tables) <= 1600 * features
    assert _numbers.WORKSPACE.columns(np.zeros((1, CHUNK_VALUES))).size == CHUNK_VALUES


@pytest.mark.parametrize("known", [False, True])
def test_probabilities_count_as_class_confidence_and_entropy(known: bool) -> None:
    """Told by an argument or by the reference; a row that is none is missing in all three."""
    rng = np.random.default_rng(RNG_SEED)
    rows = rng.dirichlet(np.ones(3), size=9000)
    rows[5] = np.nan
    if known:
        edges = np.array([0.3, 0.6, 1.0])
        stats = FeatureStatistics(
            reference({"confidence": edges, "entropy": edges}, classes=("cat", "dog", "owl")), names=None
        )
        names = ["cat", "dog", "owl"]
    else:
        stats, names = FeatureStatistics(probabilities=True), ["0", "1", "2"]
    stats.update(rows[:5000])
    stats.update(rows[5000:].tolist())
    features = stats.snapshot().features
    assert set(features) == {"class", "confidence", "entropy"}
    good = np.delete(rows, 5, axis=0)
    classes = features["class"]
    assert isinstance(classes, CategoricalFeature)
    assert [classes.counts[name] for name in names] == np.bincount(good.argmax(axis=1)).tolist()
    assert (classes.count, classes.missing) == (8999, 1)
    assert (features["confidence"].count, features["confidence"].missing) == (8999, 1)
    assert features["confidence"].mean == pytest.approx(good.max(axis=1).mean())
    assert features["entropy"].mean == pytest.approx(-(good * np.log(good)).sum(axis=1).mean())


def test_vectors_count_by_their_distance_from_the_mean_in_training() -> None:
    """Of the width that the reference says, narrow ones too; others are refused."""
    rng = np.random.default_rng(RNG_SEED)
    mean, rows = rng.normal(size=8), rng.normal(size=(3000, 8))
    edges = np.array([1.0, 2.0, 3.0])
    stats = FeatureStatistics(reference({"norm": edges, "distance": edges}, vector=VectorReference(mean)))
    stats.update(rows[:2000])
    stats.update(rows[2000:].tolist())
    stats.update(rows[0, :5][None])
    features = stats.snapshot().features
    assert_counted(features["distance"], edges, np.sqrt(np.square(rows - mean).sum(axis=1)))
    assert_counted(features["norm"], edges, np.sqrt(np.square(rows).sum(axis=1)))
    assert features["mean"].count == features["non_finite"].count == 3000
    assert dict(stats.snapshot().rows_refused) == {"columns": 1}
