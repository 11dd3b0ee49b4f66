"""Each measure against scipy or plain numpy on the same bins, and what stands where there is nothing to measure."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from _drift_samples import counted, matrix, mid_ranks, signal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bento_observe import semconv
from bento_observe.features import FeatureStatistics, Snapshot
from bento_observe.features.drift import (
    FLOORS,
    METHODS,
    MINIMUM,
    STATES,
    binned,
    drift,
    measure,
    null_quantiles,
    smoothed,
)
from bento_observe.features.drift._distributions import (
    bridge_area_quantile,
    bridge_area_tail,
    chi2_quantile,
    chi2_tail,
    ks_quantile,
    normal_quantile,
)
from bento_observe.features.reference import CategoricalReference, NumericReference, SignalReference

NUMERIC_ONLY = ("ks", "wasserstein", "mean_z", "variance_ratio")


def raw_bins(reference: NumericReference, values: np.ndarray) -> np.ndarray:
    """Values by drift bin, from the values themselves."""
    buckets = np.searchsorted(reference.edges, values, side="left")
    return np.bincount(reference.bins[buckets], minlength=int(reference.bins.max()) + 1)


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(400, 3000), m=st.integers(400, 3000),
    shift=st.floats(-3, 3), scale=st.floats(0.1, 5), few=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None, derandomize=True)
def test_bin_measures_equal_those_of_the_raw_samples_in_the_same_bins(
    seed: int, n: int, m: int, shift: float, scale: float, few: bool
) -> None:
    """PSI and Jensen-Shannon from the definition, with +0.5 on every bin."""
    rng = np.random.default_rng(seed)
    train, window = rng.normal(size=m), shift + scale * rng.normal(size=n)
    if few:
        train, window = np.round(train), np.round(window)
    reference = matrix(train[:, None])
    feature = reference.features["0"]
    assert isinstance(feature, NumericReference)
    p, q = raw_bins(feature, window) + 0.5, raw_bins(feature, train) + 0.5
    p, q = p / p.sum(), q / q.sum()
    found = measure(reference, counted(reference, window[:, None])).values
    assert found["psi"][0] == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-12, abs=1e-15)
    half = (p + q) / 2
    js = ((p * np.log2(p / half)).sum() + (q * np.log2(q / half)).sum()) / 2
    assert found["js"][0] == pytest.approx(js, rel=1e-9, abs=1e-15)


def test_psi_reads_as_the_textbook_has_it() -> None:
    """A shift by half a deviation is 0.25 of PSI for a normal feature, and its tenths see a little less."""
    rng = np.random.default_rng(2)
    reference = matrix(rng.normal(size=(100_000, 1)))
    psi = measure(reference, counted(reference, 0.5 + rng.normal(size=(100_000, 1)))).values["psi"][0]
    assert 0.22 < psi < 0.25


def test_binned_and_smoothed_are_what_psi_is_made_of() -> None:
    """A rule elsewhere has only these to compute it from."""
    rng = np.random.default_rng(3)
    reference = signal({"x": rng.normal(size=2000), "c": list("aaabbc") * 100})
    snapshot = counted(reference, pd.DataFrame({"x": rng.normal(0.3, 1, 900), "c": list("abd") * 300}))
    psi = measure(reference, snapshot).values["psi"]
    for position, (name, feature) in enumerate(reference.features.items()):
        counts, q = np.array(binned(feature, snapshot.features[name])), np.array(smoothed(feature))
        p = (counts + 0.5) / (counts.sum() + 0.5 * counts.size)
        assert counts.sum() == 900
        assert q.sum() == pytest.approx(1)
        assert psi[position] == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_chi_square_is_that_of_the_contingency_table() -> None:
    """Of numbers in tenths and of categories, without Yates' correction."""
    rng = np.random.default_rng(4)
    train, window = rng.normal(size=4000), rng.normal(0.1, 1.1, size=1500)
    letters = [list(rng.choice(list("abcd"), size=size, p=p)) for size, p in (
        (4000, [0.4, 0.3, 0.2, 0.1]), (1500, [0.35, 0.3, 0.25, 0.1]),
    )]  # fmt: skip
    reference = signal({"x": train, "c": letters[0]})
    found = measure(reference, counted(reference, pd.DataFrame({"x": window, "c": letters[1]})))
    feature = reference.features["x"]
    assert isinstance(feature, NumericReference)
    tables = [
        np.array([raw_bins(feature, train), raw_bins(feature, window)]),
        np.array([[one.count(letter) for letter in "abcd"] for one in letters]),
    ]
    for position, table in enumerate(tables):
        expected = stats.chi2_contingency(table, correction=False)
        assert found.values["chi2"][position] == pytest.approx(expected.statistic)
        assert found.chi2_p[position] == pytest.approx(expected.pvalue)


def test_a_single_new_value_is_no_chi_square_alarm() -> None:
    """The bin that the training data left empty expects nothing, so one value there would add m / n."""
    reference = signal({"c": ["a"] * 50_000 + ["b"] * 50_000})
    snapshot = counted(reference, pd.DataFrame({"c": ["a"] * 150 + ["b"] * 149 + ["new"]}))
    found = measure(reference, snapshot)
    assert found.outside_share[0] == pytest.approx(1 / 300)
    assert not found.verdict("chi2").drifted[0]


@pytest.mark.parametrize("shift", [-0.4, 0.1, 2.0, 30.0])
def test_distances_are_exact_where_every_value_has_a_bucket(shift: float) -> None:
    """Kolmogorov-Smirnov as scipy has it; Wasserstein between the mid-ranks of both samples."""
    rng = np.random.default_rng(5)
    train = rng.poisson(4.0, 3000).clip(0, 12).astype(float)
    window = np.maximum(0, np.round(rng.poisson(4.0, 2000) + shift))
    found = measure(matrix(train[:, None]), counted(matrix(train[:, None]), window[:, None])).values
    assert found["ks"][0] == pytest.approx(stats.ks_2samp(train, window).statistic, abs=1e-12)
    expected = stats.wasserstein_distance(mid_ranks(train, train), mid_ranks(train, window))
    assert found["wasserstein"][0] == pytest.approx(expected, abs=1e-12)


def test_a_value_that_repeats_is_not_spread_over_its_bucket() -> None:
    """Half of the values are zero: the window's minimum, zero, is below none of the training data."""
    rng = np.random.default_rng(6)
    train, window = (np.maximum(0.0, rng.normal(size=(5000, 1))) for _ in range(2))
    found = measure(matrix(train), counted(matrix(train), window)).values
    assert found["ks"][0] == pytest.approx(stats.ks_2samp(train[:, 0], window[:, 0]).statistic, abs=0.003)


def test_where_a_window_ends_is_seen_between_the_edges() -> None:
    """All values in the middle of one bucket: its edges alone would miss half of the bucket's share."""
    train = np.linspace(0, 1, 10_001)[:, None]
    reference = matrix(train)
    snapshot = counted(reference, np.full((100, 1), 0.9874))
    assert measure(reference, snapshot).values["ks"][0] == pytest.approx(0.9874, abs=1e-3)
    unknown = snapshot.with_extremes({})
    assert measure(reference, unknown).values["ks"][0] == pytest.approx(0.975, abs=1e-3)


def test_moments_are_welchs_and_the_ratio_of_variances() -> None:
    rng = np.random.default_rng(7)
    train, window = rng.lognormal(size=2000), 1.3 * rng.lognormal(size=1200)
    found = measure(matrix(train[:, None]), counted(matrix(train[:, None]), window[:, None])).values
    error = math.sqrt(train.var() / 2000 + window.var() / 1200)
    assert found["mean_z"][0] == pytest.approx((window.mean() - train.mean()) / error)
    assert found["variance_ratio"][0] == pytest.approx(window.var() / train.var())


@pytest.mark.parametrize(("served", "states"), [
    (0.1, ["stable"] * 7), (0.1 + 1e-9, ["drifted", "drifted", "drifted", "drifted", "drifted", "drifted", "stable"]),
])  # fmt: skip
def test_a_constant_is_stable_until_it_is_another(served: float, states: list[str]) -> None:
    """Rounding in its mean and variance is no drift."""
    reference = matrix(np.full((3000, 1), 0.1))
    snapshot = counted(reference, np.full((3000, 1), served))
    assert [drift(reference, snapshot, method=method)["state"].iloc[0] for method in METHODS] == states


def test_a_constant_that_varies_and_a_feature_that_no_longer_does_are_drift() -> None:
    rng = np.random.default_rng(8)
    rows = np.column_stack([np.full(3000, 0.1), rng.normal(size=3000)])
    reference = matrix(rows)
    table = drift(reference, counted(reference, rows[:, ::-1]), method=semconv.DRIFT_VARIANCE_RATIO)
    assert table["variance_ratio"].tolist() == pytest.approx([np.inf, 0.0], abs=1e-12)
    assert table["drifted"].all()


def test_the_tail_of_chi_squared_is_scipys() -> None:
    degrees = np.arange(1, 41)
    for value in (0.0, 1e-9, 0.3, 3.0, 20.0, 200.0, 1e4):
        found = chi2_tail(np.full(40, value), degrees)
        np.testing.assert_allclose(found, stats.chi2.sf(value, degrees), rtol=1e-12, atol=1e-300)
    assert chi2_tail(np.array([7.0]), np.array([0])) == 1
    for tail in (0.5, 0.05, 5e-4, 1e-8):
        assert [chi2_quantile(int(d), tail) for d in degrees] == pytest.approx(stats.chi2.isf(tail, degrees).tolist())


def test_the_other_quantiles_are_scipys() -> None:
    for tail in (0.1, 0.05, 5e-4, 1e-6):
        assert ks_quantile(tail) == pytest.approx(stats.kstwobign.isf(tail), rel=1e-4)
        assert normal_quantile(tail) == pytest.approx(stats.norm.isf(tail / 2))
        assert bridge_area_tail(bridge_area_quantile(tail)) == pytest.approx(tail)


@pytest.mark.parametrize(("push", "area"), [(7.0, 0.6), (10.0, 0.85), (12.0, 1.0), (14.0, 1.2)])
def test_the_area_under_a_brownian_bridge_is_what_simulation_says(push: float, area: float) -> None:
    """Bridges pushed up or down by `push` times the covariance with their area, and weighted for it: tails as far as
    1e-5 from 12,000 of them. The formula promises 2 %, the simulation's own error is 2 % as well."""
    rng = np.random.default_rng(9)
    count, steps = 12_000, 256
    time = np.linspace(0, 1, steps + 1)
    paths = np.zeros((count, steps + 1))
    paths[:, 1:] = np.cumsum(rng.normal(size=(count, steps)) / math.sqrt(steps), axis=1)
    paths -= time * paths[:, -1:]
    paths += rng.choice([-push, push], size=(count, 1)) * time * (1 - time) / 2
    weights = 1 / (np.cosh(push * paths[:, 1:].mean(axis=1)) * math.exp(-push * push / 24))
    left, right = np.abs(paths[:, :-1]), np.abs(paths[:, 1:])
    crossed = np.where(paths[:, :-1] * paths[:, 1:] < 0, left * right / np.maximum(left + right, 1e-300), 0.0)
    areas = ((left + right) / 2 - crossed).mean(axis=1)
    assert bridge_area_tail(area) == pytest.approx(float((weights * (areas > area)).mean()), rel=0.06)


def mixed() -> tuple[SignalReference, Snapshot]:
    rng = np.random.default_rng(10)
    reference = signal({"x": rng.normal(size=5000), "c": list("aaab") * 1000, "gone": rng.normal(size=500)})
    frame = pd.DataFrame({"new": rng.normal(size=800), "x": rng.normal(size=800), "c": list("aaabaaaz") * 100})
    frame.loc[:99, "x"] = np.nan
    return reference, counted(reference, frame)


def test_the_table_has_a_row_for_each_feature_that_both_know() -> None:
    reference, snapshot = mixed()
    snapshot = Snapshot({k: v for k, v in snapshot.features.items() if k != "gone"}, {}, "r")
    table = drift(reference, snapshot)
    assert table.index.name == "feature"
    assert table.index.tolist() == ["x", "c"]
    assert table.columns.tolist() == [
        "kind", "n", "psi", "js", "ks", "wasserstein", "chi2", "chi2_p", "mean_z", "variance_ratio",
        *(f"{method}_critical" for method in METHODS), "missing_share", "missing_share_reference", "outside_share",
        "critical", "state", "drifted",
    ]  # fmt: skip
    assert table["kind"].tolist() == ["numeric", "categorical"]
    assert table["n"].tolist() == [700, 800]
    assert table["missing_share"].tolist() == [0.125, 0.0]
    assert table.loc["c", "outside_share"] == 0.125
    assert table["state"].tolist() == ["stable", "drifted"]
    assert set(table["state"].cat.categories) == set(STATES)
    assert table["drifted"].dtype == "boolean"
    assert table["drifted"].tolist() == [False, True]
    assert table.loc["c", list(NUMERIC_ONLY)].isna().all()
    assert table.loc["c", [f"{method}_critical" for method in NUMERIC_ONLY]].isna().all()


@pytest.mark.parametrize("method", NUMERIC_ONLY)
def test_a_method_that_does_not_apply_to_categories_leaves_them_to_psi(method: str) -> None:
    reference, snapshot = mixed()
    table = drift(reference, snapshot, method=method)
    assert table.loc["c", "critical"] == table.loc["c", "psi_critical"]
    assert table.loc["c", "state"] == "drifted"


@pytest.mark.parametrize("method", METHODS)
def test_too_few_values_are_an_answer(method: str) -> None:
    """One value short of the minimum nothing is said; with it something is."""
    rng = np.random.default_rng(11)
    reference = matrix(rng.normal(size=(5000, 1)))
    needed = MINIMUM.get(method, 300)
    for count, known in ((0, False), (needed - 1, False), (needed, True)):
        table = drift(reference, counted(reference, rng.normal(size=(count, 1))), method=method)
        assert table["state"].tolist() == ["stable" if known else "not enough data"]
        assert table["drifted"].isna().tolist() == [not known]
        assert table[method].notna().tolist() == table[f"{method}_critical"].notna().tolist() == [known]


def test_critical_values_follow_from_the_null_quantiles() -> None:
    """As a recording rule computes them, from n and m alone."""
    rng = np.random.default_rng(12)
    reference = matrix(rng.normal(size=(700, 5)))
    found = measure(reference, counted(reference, rng.normal(size=(400, 5))), alpha=0.01)
    quantiles = null_quantiles(reference, 0.01)
    ratio = 1 / 400 + 1 / 700
    for method in ("psi", "js"):
        np.testing.assert_allclose(found.critical[method], np.maximum(FLOORS[method], quantiles[method] * ratio))
    for method in ("ks", "wasserstein"):
        np.testing.assert_allclose(found.critical[method], np.maximum(FLOORS[method], quantiles[method] * ratio**0.5))
    np.testing.assert_allclose(quantiles["psi"], stats.chi2.isf(0.01 / 5, 9))
    assert quantiles["js"] == pytest.approx(quantiles["psi"] / (8 * math.log(2)))
    assert (found.critical["psi"] > 0.02).all()


def test_a_window_that_grows_never_needs_less_than_the_floor() -> None:
    rng = np.random.default_rng(13)
    reference = matrix(rng.normal(size=(100_000, 1)))
    found = measure(reference, counted(reference, rng.normal(0.05, 1, size=(100_000, 1))))
    assert found.chi2_p[0] < 1e-9
    for method in METHODS:
        assert not found.verdict(method).drifted[0], method
    for method in ("psi", "js", "ks", "wasserstein", "variance_ratio"):
        assert found.critical[method][0] == FLOORS[method]


def test_what_was_not_counted_against_the_reference_is_refused_by_name() -> None:
    rng = np.random.default_rng(14)
    rows = rng.normal(size=(500, 2))
    reference = matrix(rows)
    numbers = counted(reference, rows)
    letters = counted(signal({"0": list("ab") * 250}), pd.DataFrame({"0": list("ab") * 250}))
    edges = counted(SignalReference("r", {"1": matrix(rows + 1).features["1"]}), pd.DataFrame({"1": rows[:, 1]}))
    plain = FeatureStatistics(names=["0", "1"])
    plain.update(rows)
    exponential = Snapshot(plain.snapshot().features, {}, "r")
    for snapshot, message in (
        (letters, "'0'.*numeric in the reference and categorical"),
        (edges, "'1'.*edges"),
        (exponential, "'0'.*edges"),
        (Snapshot(numbers.features, {}, "other"), "'other', not 'r'"),
    ):
        with pytest.raises(ValueError, match=message):
            drift(reference, snapshot)
    with pytest.raises(ValueError, match=r"'0'.*categorical in the reference"):
        drift(signal({"0": list("ab") * 250}), numbers)
    with pytest.raises(ValueError, match=r"'0'.*categories"):
        drift(signal({"0": list("xy") * 250}), letters)
    with pytest.raises(ValueError, match="no drift method 'kl'"):
        drift(reference, numbers, method="kl")
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="alpha"):
            drift(reference, numbers, alpha=alpha)


def test_a_whole_reference_gives_its_input() -> None:
    reference, snapshot = mixed()

    class Whole:
        def signal(self, name: str, /) -> SignalReference | None:
            return reference if name == semconv.SIGNAL_INPUT else None

    class WithoutInput:
        def signal(self, name: str, /) -> SignalReference | None:
            return None

    pd.testing.assert_frame_equal(drift(Whole(), snapshot), drift(reference, snapshot))
    with pytest.raises(ValueError, match="no input"):
        drift(WithoutInput(), snapshot)


def test_no_features_are_an_empty_table() -> None:
    reference, _ = mixed()
    assert drift(reference, Snapshot()).empty
    assert drift(SignalReference("r", {}), Snapshot()).shape == (0, 23)


def test_a_table_can_be_changed_without_a_trace_in_the_next() -> None:
    """What is remembered between calls is not what the caller gets."""
    reference, snapshot = mixed()
    before = drift(reference, snapshot)
    changed = drift(reference, snapshot)
    changed.index.name = "column"
    changed.columns.name = "measure"
    changed.loc[:, "kind"] = "unknown"
    changed.loc[:, ["psi", "missing_share_reference", "outside_share"]] = -1.0
    null_quantiles(reference)["psi"][:] = -1.0
    pd.testing.assert_frame_equal(drift(reference, snapshot), before)


def test_one_alpha_after_another_gives_each_its_own_critical_values() -> None:
    rng = np.random.default_rng(15)
    rows = rng.normal(size=(2000, 3))
    reference, fresh = matrix(rows), matrix(rows)
    snapshot = counted(reference, rng.normal(size=(500, 3)))
    first = measure(reference, snapshot, 0.05).critical
    strict = measure(reference, snapshot, 0.001).critical
    for method in METHODS:
        np.testing.assert_array_equal(measure(reference, snapshot, 0.05).critical[method], first[method])
        np.testing.assert_array_equal(measure(fresh, snapshot, 0.001).critical[method], strict[method])
    assert (strict["ks"] > first["ks"]).all()


def test_a_snapshot_from_another_process_is_compared_the_same() -> None:
    """Its edges are copies, equal or not."""
    rng = np.random.default_rng(16)
    rows = rng.normal(size=(2000, 3))
    reference = matrix(rows)
    snapshot = counted(reference, rng.normal(0.1, 1, size=(500, 3)))
    copied = pickle.loads(pickle.dumps(snapshot))
    assert copied.features["1"].edges is not snapshot.features["1"].edges
    pd.testing.assert_frame_equal(drift(reference, copied), drift(reference, snapshot))
    moved = rows.copy()
    moved[:, 1] += 1
    other = pickle.loads(pickle.dumps(counted(matrix(moved), rows)))
    with pytest.raises(ValueError, match=r"'1'.*edges"):
        drift(reference, other)


@pytest.mark.filterwarnings("error")
def test_where_nothing_can_be_compared_there_is_no_answer_and_no_warning() -> None:
    """Categories alone, a window without values, features without training data, infinite variances."""
    letters = signal({"c": list("aaab") * 1000})
    assert drift(letters, counted(letters, pd.DataFrame({"c": list("ab") * 400})))["state"].tolist() == ["drifted"]
    reference, snapshot = mixed()
    assert drift(reference, Snapshot({"y": snapshot.features["x"]}, {}, "r")).empty
    assert set(drift(reference, snapshot - snapshot)["state"]) == {"not enough data"}
    nan = math.nan
    empty = NumericReference(
        "numeric", 0, 9, 0, nan, nan, nan, nan, nan, None, np.zeros(1), np.zeros(2, np.int64)
    )  # fmt: skip
    untrained = SignalReference("r", {"e": empty, "c": CategoricalReference("categorical", 0, 9, 0, {})})
    served = counted(untrained, pd.DataFrame({"e": np.arange(2000.0), "c": ["a"] * 2000}))
    x = reference.features["x"]
    assert isinstance(x, NumericReference)
    wild = SignalReference("r", {"x": replace(x, variance=math.inf)})
    for method in METHODS:
        assert drift(untrained, served, method=method)["state"].tolist() == ["not enough data"] * 2
        drift(wild, Snapshot({"x": snapshot.features["x"]}, {}, "r"), method=method)


def test_the_table_is_the_same_without_the_shortcut_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns, types and values; and what is changed in it changes nothing else."""
    rng = np.random.default_rng(9)
    reference = signal({"a": rng.normal(size=2000), "b": rng.choice(["x", "y"], 2000).tolist()})
    snapshot = counted(reference, {"a": rng.normal(0.5, size=500).tolist(), "b": ["x"] * 500})
    quick = drift(reference, snapshot)
    quick.loc["a", "psi"] = -1.0
    quick = drift(reference, snapshot)
    monkeypatch.setattr(pd.DataFrame, "_from_arrays", None)
    pd.testing.assert_frame_equal(quick, drift(reference, snapshot))
    assert quick.loc["a", "psi"] > 0
