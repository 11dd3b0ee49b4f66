"""Snapshots: moments, sums of any parts, differences, and that they stay as they were."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from bento_observe.features import Bounds, ExponentialHistogram, FeatureStatistics, NumericFeature, Snapshot

pytestmark = pytest.mark.usefixtures("kernel")

SEED = 7


@dataclass
class Edges:
    edges: dict[str, list[float]]
    id: str = "v1"


REFERENCE = Edges({"a": [-1.0, 0.0, 1.0], "c": np.linspace(-3, 3, 25).tolist()})


def snapshot_of(rows: np.ndarray, reference: Bounds | None = REFERENCE) -> Snapshot:
    stats = FeatureStatistics(reference, names=["a", "b", "c"])
    stats.update(rows)
    return stats.snapshot()


def assert_same(left: Snapshot, right: Snapshot) -> None:
    """Counts exactly equal, moments to rounding."""
    assert list(left.features) == list(right.features)
    assert dict(left.rows_refused) == dict(right.rows_refused)
    for name, ours in left.features.items():
        theirs = right.features[name]
        assert (ours.count, ours.missing, ours.non_finite, ours.invalid) == (
            theirs.count, theirs.missing, theirs.non_finite, theirs.invalid,
        )  # fmt: skip
        np.testing.assert_array_equal(ours.edges, theirs.edges)
        np.testing.assert_array_equal(ours.counts, theirs.counts)
        np.testing.assert_allclose([ours.mean, ours.variance], [theirs.mean, theirs.variance], rtol=1e-9)


def mixed_rows(rng: np.random.Generator, count: int) -> np.ndarray:
    """Columns of different scale with holes and infinities."""
    rows = rng.normal(size=(count, 3)) * [1.0, 10.0 ** rng.integers(-6, 6), 1.0]
    rows[rng.random(rows.shape) < 0.02] = np.nan
    rows[rng.random(rows.shape) < 0.01] = np.inf
    return rows


def parts(rng: np.random.Generator, rows: np.ndarray) -> Iterator[np.ndarray]:
    cuts = np.sort(rng.integers(0, len(rows), size=rng.integers(1, 12)))
    yield from np.split(rows, cuts)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("reference", [REFERENCE, None], ids=["reference", "exponential"])
def test_any_partition_added_up_is_the_whole(seed: int, reference: Edges | None) -> None:
    """Through snapshots, pickles and aggregators, in any order."""
    rng = np.random.default_rng(seed)
    rows = mixed_rows(rng, 3000)
    whole = snapshot_of(rows, reference)
    pieces = [pickle.loads(pickle.dumps(snapshot_of(part, reference))) for part in parts(rng, rows)]
    total = pieces[0]
    for piece in pieces[1:]:
        total = total.merge(piece) if rng.random() < 0.5 else piece + total
    ordered = Snapshot({name: total.features[name] for name in whole.features}, total.rows_refused, "v1")
    assert_same(ordered, whole)
    assert [f.min for f in ordered.features.values()] == [f.min for f in whole.features.values()]

    merged = FeatureStatistics(reference, names=["a", "b", "c"])
    merged.update(rows[:100])
    merged.merge(snapshot_of(rows[100:2000], reference))
    other = FeatureStatistics(reference, names=["a", "b", "c"])
    other.update(rows[2000:])
    merged.merge(other)
    assert_same(merged.snapshot(), whole)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reference", [REFERENCE, None], ids=["reference", "exponential"])
def test_a_difference_is_what_came_between(seed: int, reference: Edges | None) -> None:
    """Counts exactly, moments to rounding, extremes only from `delta`."""
    rng = np.random.default_rng(100 + seed)
    first, second = np.split(mixed_rows(rng, 2500), [2000])
    stats = FeatureStatistics(reference, names=["a", "b", "c"])
    stats.update(first)
    earlier, first_delta = stats.snapshot(), stats.delta()
    stats.update(second)
    expected = snapshot_of(second, reference)
    for change in (stats.snapshot() - earlier, stats.delta()):
        for name, feature in change.features.items():
            mine, theirs = feature.histogram, expected.features[name].histogram
            if isinstance(mine, ExponentialHistogram) and isinstance(theirs, ExponentialHistogram):
                # What was counted coarsely stays coarse.
                mine, theirs = mine.explicit(), theirs.at_most(mine.scale).explicit()
            np.testing.assert_array_equal(mine.edges, theirs.edges)
            np.testing.assert_array_equal(mine.counts, theirs.counts)
            assert feature.missing == expected.features[name].missing
            deviation = expected.features[name].variance ** 0.5
            assert feature.mean == pytest.approx(expected.features[name].mean, abs=1e-9 * deviation)
            assert feature.variance == pytest.approx(expected.features[name].variance, rel=1e-9)
    assert np.isnan((stats.snapshot() - earlier).features["a"].min)
    assert change.features["a"].min == expected.features["a"].min
    assert change.features["a"].max == expected.features["a"].max
    assert first_delta.features["a"].min == np.nanmin(first[np.isfinite(first[:, 0]), 0])


def test_a_delta_with_nothing_new_is_zero() -> None:
    """No counts, and no moments that look like some."""
    stats = FeatureStatistics(names=["a", "b", "c"])
    stats.update(mixed_rows(np.random.default_rng(0), 100))
    stats.delta()
    feature = stats.delta().features["a"]
    assert (feature.count, feature.missing, feature.counts.sum()) == (0, 0, 0)
    assert np.isnan([feature.mean, feature.variance, feature.min, feature.max]).all()


@pytest.mark.parametrize(
    ("offset", "scale"), [(0.0, 1.0), (1e9, 1.0), (-1e9, 1e-3), (1e-9, 1e-12), (1e15, 10.0), (1e150, 1e140)]
)
@pytest.mark.parametrize("first", [None, 0.0, -1e12])
def test_mean_and_variance_equal_numpys_however_far_from_zero(offset: float, scale: float, first: float | None) -> None:
    """A million and one rounding errors do not add up to a wrong variance."""
    values = offset + np.random.default_rng(SEED).normal(scale=scale, size=50_000)
    stats = FeatureStatistics()
    for chunk in np.array_split(values, 37):
        stats.update(chunk)
        stats.flush()
    feature = stats.snapshot().features["value"]
    assert feature.mean == pytest.approx(np.mean(values), rel=1e-14)
    assert feature.variance == pytest.approx(np.var(values - offset), rel=1e-6)
    if first is not None:
        merged = stats.snapshot() + _single(first)
        expected = np.append(values, first)
        assert merged.features["value"].variance == pytest.approx(np.var(expected), rel=1e-9)


def _single(value: float) -> Snapshot:
    stats = FeatureStatistics()
    stats.update(value)
    return stats.snapshot()


def test_an_odd_first_value_does_not_spoil_the_variance() -> None:
    """The center moves to the mean once there is one."""
    noise = np.random.default_rng(SEED).normal(size=200_000)
    stats = FeatureStatistics()
    stats.update(0.0)
    stats.flush()
    for chunk in np.array_split(noise, 100):
        stats.update(1e7 + chunk)
        stats.flush()
    change = FeatureStatistics()
    change.update(1e7 + noise)
    assert stats.snapshot().features["value"].variance == pytest.approx(np.var(np.append(1e7 + noise, 0.0)), rel=1e-10)
    assert (stats.snapshot() - _single(0.0)).features["value"].mean == pytest.approx(1e7, rel=1e-9)


def test_values_whose_squares_overflow_do_not_stop_the_counting() -> None:
    """Counts and extremes stay right; only the variance cannot."""
    stats = FeatureStatistics()
    stats.update([1e300, -1e300, 1.0])
    stats.update([2.0, 3.0])
    feature = stats.snapshot().features["value"]
    assert (feature.count, feature.non_finite, feature.min, feature.max) == (5, 0, -1e300, 1e300)
    assert feature.counts.sum() == 5


def test_a_snapshot_does_not_change_and_cannot_be_changed() -> None:
    """Neither by further updates nor by hand, pickled or not."""
    stats = FeatureStatistics(REFERENCE)
    stats.update({"a": 0.5, "z": 2.0})
    snapshot = stats.snapshot()
    for held in (snapshot, pickle.loads(pickle.dumps(snapshot))):
        stats.update({"a": 0.5, "z": -3.0})
        stats.flush()
        assert held.features["a"].counts.tolist() == [0, 0, 1, 0]
        assert held.features["z"].count == held.features["z"].counts.sum() == 1
        with pytest.raises(ValueError, match="read-only"):
            held.features["a"].counts[0] = 9
        with pytest.raises(ValueError, match="read-only"):
            held.features["a"].edges[0] = 9
        with pytest.raises(TypeError):
            held.features["a"] = held.features["z"]  # type: ignore[index]
        with pytest.raises(FrozenInstanceError):
            held.features["a"].count = 5  # type: ignore[misc]


def test_numbers_of_different_references_do_not_add_up() -> None:
    """Different ids, different edges or no edges: an error instead of nonsense."""
    rows = np.zeros((2, 3))
    mine = snapshot_of(rows)
    for other in (Edges(REFERENCE.edges, id="v2"), Edges({**REFERENCE.edges, "a": [5.0]}), None):
        theirs = snapshot_of(rows, other)
        with pytest.raises(ValueError, match="do not add up"):
            mine.merge(theirs)
        stats = FeatureStatistics(REFERENCE, names=["a", "b", "c"])
        with pytest.raises(ValueError, match="do not add up"):
            stats.merge(theirs)
        stats.update(rows)
        assert stats.snapshot().features["a"].count == 2


def test_refused_rows_add_up_too() -> None:
    """They belong to no feature but to the total."""
    stats = FeatureStatistics(names=["a", "b"])
    stats.update(np.ones((3, 5)))
    once = stats.snapshot()
    assert dict((once + once).rows_refused) == {"columns": 6}
    stats.update(np.ones((2, 5)))
    assert dict((stats.snapshot() - once).rows_refused) == {"columns": 2}


def test_an_empty_feature_has_no_moments() -> None:
    """NaN rather than a zero that could be one."""
    feature = FeatureStatistics(REFERENCE).snapshot().features["c"]
    assert isinstance(feature, NumericFeature)
    assert np.isnan([feature.min, feature.max, feature.mean, feature.variance]).all()
    assert feature.sum == 0


def test_what_is_merged_decides_what_a_feature_is() -> None:
    """Text that comes later for a number is invalid, and the other way round a category; snapshots go on."""
    numbers, texts = FeatureStatistics(), FeatureStatistics()
    numbers.update({"x": [1.0, 2.0]})
    texts.update({"y": ["a", "b"]})
    whole = FeatureStatistics()
    whole.merge(numbers)
    whole.merge(texts)
    whole.update({"x": "text"})
    whole.update({"y": 7})
    features = whole.snapshot().features
    assert (features["x"].count, features["x"].invalid) == (2, 1)
    assert dict(features["y"].counts) == {"a": 1, "b": 1, "7": 1}
    other = FeatureStatistics()
    other.update({"x": ["a"]})
    other.update({"z": [1.0]})
    with pytest.raises(ValueError, match="'x' is numeric in one and categorical in the other"):
        whole.merge(other)
    assert "z" not in whole.snapshot().features


def test_merged_categories_never_become_fewer() -> None:
    """However many others come afterwards."""
    merged = FeatureStatistics()
    merged.update({"c": [f"m{i}" for i in range(200)]})
    whole = FeatureStatistics()
    whole.merge(merged)
    before = dict(whole.snapshot().features["c"].counts)
    whole.update({"c": [f"own{i}" for i in range(200)]})
    after = whole.snapshot().features["c"]
    assert all(after.counts[name] >= count for name, count in before.items())
    assert sum(after.counts.values()) + after.other == 400
