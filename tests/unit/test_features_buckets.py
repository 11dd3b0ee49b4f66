"""Bucket counts: exact, whatever the values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.exponent_mapping import ExponentMapping
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import LogarithmMapping

from bento_observe.features import Buckets, ExponentialHistogram, FeatureStatistics
from bento_observe.features._exponential import finest_index
from bento_observe.features._histograms import MAX_BUCKETS, MAX_SCALE

pytestmark = pytest.mark.usefixtures("kernel")

RNG_SEED = 20240607
TINY, HUGE = np.finfo(float).smallest_subnormal, np.finfo(float).max
AWKWARD = np.array([0.0, -0.0, TINY, -TINY, 2.0**-1022, HUGE, -HUGE, 1.0, -1.0, np.nextafter(1.0, 2.0), 1e-300, 1e300])


@dataclass
class Edges:
    """The least a reference can be."""

    edges: dict[str, list[float]]
    id: str = "test"
    extra: dict[str, str] = field(default_factory=dict)


def exponential(stats: FeatureStatistics, name: str) -> ExponentialHistogram:
    histogram = stats.snapshot().features[name].histogram
    assert isinstance(histogram, ExponentialHistogram)
    return histogram


def counted_one_by_one(values: np.ndarray) -> ExponentialHistogram:
    """The histogram by the SDK's own mapping, at the finest scale that 160 buckets a side allow."""
    for scale in range(MAX_SCALE, -11, -1):
        mapping = LogarithmMapping(scale) if scale > 0 else ExponentMapping(scale)
        sides = []
        for side in (values[values > 0], -values[values < 0]):
            index = [mapping.map_to_index(value) for value in side.tolist()]
            low = min(index, default=0)
            sides.append((low, np.bincount(np.array(index, dtype=int) - low) if index else np.zeros(0, int)))
        if all(counts.size <= MAX_BUCKETS for _, counts in sides):
            (high_low, high), (low_low, low_counts) = sides
            zeros = int((values == 0).sum())
            return ExponentialHistogram(scale, zeros, Buckets(high_low, high), Buckets(low_low, low_counts))
    raise AssertionError("no scale fits")


def assert_equal(ours: ExponentialHistogram, theirs: ExponentialHistogram) -> None:
    assert (ours.scale, ours.zero_count) == (theirs.scale, theirs.zero_count)
    for mine, other in ((ours.positive, theirs.positive), (ours.negative, theirs.negative)):
        assert mine.offset == other.offset
        np.testing.assert_array_equal(mine.counts, other.counts)


@pytest.mark.parametrize("edge_count", [1, 2, 3, 15, 16, 19, 31, 32, 63, 1023])
def test_counts_equal_searchsorted_for_any_number_of_edges(edge_count: int) -> None:
    """Random values, values on the edges, denormals and huge ones land where searchsorted puts them."""
    rng = np.random.default_rng(RNG_SEED + edge_count)
    edges = {f"f{i}": np.unique(rng.normal(scale=10.0**i, size=edge_count)) for i in range(-3, 4)}
    rows = np.stack(
        [
            np.concatenate([rng.normal(scale=np.abs(e).max() + 1, size=3000), rng.choice(e, size=500), AWKWARD])
            for e in edges.values()
        ],
        axis=1,
    )
    stats = FeatureStatistics(Edges({name: e.tolist() for name, e in edges.items()}))
    stats.update(rows)
    features = stats.snapshot().features
    for column, (name, e) in enumerate(edges.items()):
        expected = np.bincount(np.searchsorted(e, rows[:, column], side="left"), minlength=e.size + 1)
        np.testing.assert_array_equal(features[name].counts, expected)
        np.testing.assert_array_equal(features[name].edges, e)
        assert (features[name].below, features[name].above) == (expected[0], expected[-1])


def test_features_with_different_numbers_of_edges_share_one_table() -> None:
    """A feature with one edge next to one with forty: neither disturbs the other."""
    rng = np.random.default_rng(RNG_SEED)
    edges = {"one": [0.0], "forty": np.sort(rng.normal(size=40)).tolist(), "three": [-1.0, 0.0, 1.0]}
    rows = rng.normal(size=(5000, 3))
    stats = FeatureStatistics(Edges(edges))
    stats.update(rows)
    for column, (name, values) in enumerate(edges.items()):
        expected = np.bincount(np.searchsorted(values, rows[:, column]), minlength=len(values) + 1)
        np.testing.assert_array_equal(stats.snapshot().features[name].counts, expected)


def test_nan_and_infinity_are_counted_apart_and_in_no_bucket() -> None:
    """A tenth of NaN and of either infinity leaves exactly the finite values in the buckets."""
    rng = np.random.default_rng(RNG_SEED)
    rows = rng.normal(size=(4000, 3))
    for odd in (np.nan, np.inf, -np.inf):
        rows[rng.random(rows.shape) < 0.1] = odd
    rows[:, 2] = np.abs(rows[:, 2])
    edges = [-1.0, 0.0, 1.0]
    stats = FeatureStatistics(Edges({"a": edges}))
    for name, column in (("a", 0), ("exponential", 1), ("positive", 2)):
        stats.update({name: rows[:, column]})
    for name, column in (("a", 0), ("exponential", 1), ("positive", 2)):
        feature, values = stats.snapshot().features[name], rows[:, column]
        finite = values[np.isfinite(values)]
        assert (feature.count, feature.missing) == (finite.size, np.isnan(values).sum())
        assert feature.non_finite == np.isinf(values).sum()
        assert feature.counts.sum() == finite.size
        assert (feature.min, feature.max) == (finite.min(), finite.max())
        assert feature.mean == pytest.approx(finite.mean(), rel=1e-12)
        assert feature.variance == pytest.approx(finite.var(), rel=1e-12)
    expected = np.bincount(np.searchsorted(edges, rows[np.isfinite(rows[:, 0]), 0]), minlength=4)
    np.testing.assert_array_equal(stats.snapshot().features["a"].counts, expected)


@pytest.mark.parametrize("scale", range(-4, MAX_SCALE + 1))
def test_exponential_index_equals_the_sdks(scale: int) -> None:
    """200,000 random magnitudes shared out over the scales we use, every power of two and subnormals at each."""
    rng = np.random.default_rng(RNG_SEED)
    values = np.concatenate(
        [
            rng.lognormal(sigma=3, size=150_000 // 13),
            np.exp2(rng.uniform(-1022, 1023.9, size=50_000 // 13)),
            np.exp2(np.arange(-1074.0, 1024.0)),
            [TINY, 3 * TINY, 2.0**-1022, HUGE],
        ]
    )
    mapping = LogarithmMapping(scale) if scale > 0 else ExponentMapping(scale)
    expected = [mapping.map_to_index(value) for value in values.tolist()]
    np.testing.assert_array_equal(finest_index(values) >> (MAX_SCALE - scale), expected)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=4000),
        lambda rng: rng.lognormal(sigma=2, size=4000),
        lambda rng: -rng.lognormal(size=4000),
        lambda rng: rng.poisson(3, size=4000).astype(float),
        lambda rng: 1000 + rng.normal(size=4000),
        lambda rng: rng.standard_t(1, size=4000),
        lambda rng: np.concatenate([rng.normal(size=100), AWKWARD]),
        lambda rng: np.zeros(50),
    ],
    ids=["normal", "lognormal", "negative", "poisson", "offset", "cauchy", "awkward", "zeros"],
)
def test_exponential_histogram_is_what_the_sdk_mapping_gives_at_the_finest_scale_that_fits(draw) -> None:  # type: ignore[no-untyped-def]
    """One value at a time or all at once, growing range after range: the same histogram."""
    values = draw(np.random.default_rng(RNG_SEED))
    at_once, piecemeal = FeatureStatistics(), FeatureStatistics()
    at_once.update(values)
    for start in range(0, values.size, 97):
        piecemeal.update(values[start : start + 97])
        piecemeal.flush()
    expected = counted_one_by_one(values)
    assert_equal(exponential(at_once, "value"), expected)
    assert_equal(exponential(piecemeal, "value"), expected)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(values=hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats()))
def test_exponential_histogram_of_any_finite_values_is_what_the_sdk_mapping_gives(values: np.ndarray) -> None:
    """Whatever hypothesis thinks of, NaN and infinities counted apart."""
    stats = FeatureStatistics()
    stats.update(values)
    finite = values[np.isfinite(values)]
    feature = stats.snapshot().features["value"]
    assert (feature.count, feature.missing) == (finite.size, np.isnan(values).sum())
    assert_equal(exponential(stats, "value"), counted_one_by_one(finite))


def test_features_of_different_range_keep_their_own_scale() -> None:
    """A feature whose range explodes does not make another one coarser."""
    rng = np.random.default_rng(RNG_SEED)
    narrow, wide = rng.uniform(1.0, 1.1, size=500), rng.lognormal(sigma=50, size=500)
    stats = FeatureStatistics()
    stats.update({"narrow": narrow, "wide": wide})
    assert_equal(exponential(stats, "narrow"), counted_one_by_one(narrow))
    assert_equal(exponential(stats, "wide"), counted_one_by_one(wide))
    assert exponential(stats, "narrow").scale == MAX_SCALE


def test_the_whole_range_of_float64_needs_no_scale_that_prometheus_refuses() -> None:
    """Prometheus turns a histogram of scale below -4 away, with everything that was sent with it."""
    stats = FeatureStatistics()
    stats.update(np.concatenate([AWKWARD, -AWKWARD]))
    assert exponential(stats, "value").scale == -4


def test_spelled_out_edges_of_an_exponential_histogram_count_what_they_enclose() -> None:
    """`edges` and `counts` read the same with and without a reference."""
    values = np.random.default_rng(RNG_SEED).normal(size=3000)
    stats = FeatureStatistics()
    stats.update(np.append(values, [0.0, 0.0]))
    feature = stats.snapshot().features["value"]
    assert len(feature.counts) == len(feature.edges) + 1
    expected = np.bincount(np.searchsorted(feature.edges, np.append(values, [0, 0])), minlength=feature.counts.size)
    np.testing.assert_array_equal(feature.counts, expected)
    assert (feature.below, feature.above) == (None, None)


@pytest.mark.parametrize("values", [[1.0, 2.0], [-2.0, -1.0], [0.0], [-1.0, 0.0, 1.0], []])
def test_spelled_out_edges_on_one_side_only(values: list[float]) -> None:
    """One more count than edges, whichever side is empty, and none lost."""
    stats = FeatureStatistics()
    stats.update({"x": [*values, None], "y": [1.0, None]})
    stats.update({"x": np.array(values)})
    feature = stats.snapshot().features.get("x")
    if feature is None:
        assert not values
        return
    assert len(feature.counts) == len(feature.edges) + 1
    assert feature.counts.sum() == 2 * len(values) == feature.count


@pytest.mark.parametrize(
    "edges", [[], [2.0, 1.0], [1.0, 1.0], [0.0, float("nan")], [float("inf")], [[1.0], [2.0]], list(range(1024))]
)
def test_edges_that_are_no_edges_are_refused_by_name(edges: list[float]) -> None:
    """One clear error at construction that names the feature."""
    with pytest.raises(ValueError, match="feature 'age'"):
        FeatureStatistics(Edges({"age": edges}))


def test_features_of_the_reference_exist_before_the_first_value() -> None:
    """Zeros from the start, so that the first increment is one."""
    feature = FeatureStatistics(Edges({"age": [1.0, 2.0]})).snapshot().features["age"]
    assert feature.count == 0
    assert feature.counts.tolist() == [0, 0, 0]
