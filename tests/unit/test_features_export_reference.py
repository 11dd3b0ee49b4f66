"""The OTLP that needs a reference: drift bins, deviations, categories, the reference itself, drift."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bento_observe import Reference, semconv
from bento_observe.features import FeatureStatistics, Group, encode
from bento_observe.features.drift import drift, measure
from bento_observe.features.reference import SignalReference

CUMULATIVE, DELTA = pb.AGGREGATION_TEMPORALITY_CUMULATIVE, pb.AGGREGATION_TEMPORALITY_DELTA
RNG = np.random.default_rng(20261122)
TRAINING = pd.DataFrame(
    {
        "x": RNG.normal(-3, 2, 4000),
        "k": RNG.integers(0, 4, 4000),
        "c": RNG.choice(list("abcdefghijklmnopqrstuvwxyz"), 4000),
    }
)
TRAINING.loc[:399, "x"] = np.nan
REFERENCE = Reference.from_frame(TRAINING)
SIGNAL = REFERENCE.signals["input"]

Table = dict[tuple[str, ...], Any]


def sent(group: Group, temporality: int = CUMULATIVE) -> dict[str, Table]:
    """Points by metric, then by the values of their attributes but the reference's id."""
    message = pb.ScopeMetrics(metrics=encode([group], 5, 9, temporality)).SerializeToString()
    found: dict[str, Table] = {}
    for metric in pb.ScopeMetrics.FromString(message).metrics:
        table = found.setdefault(metric.name, {})
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
            pairs = {pair.key: pair.value.string_value for pair in point.attributes}
            declared = next(one for one in semconv.METRICS if one.name == metric.name)
            assert pairs.keys() <= set(declared.attributes), metric.name
            key = tuple(value for name, value in pairs.items() if name != semconv.ML_REFERENCE_ID)
            assert key not in table
            table[key] = point
    return found


def counted(frame: pd.DataFrame, reference: Reference = REFERENCE) -> FeatureStatistics:
    statistics = FeatureStatistics(reference)
    statistics.update(frame)
    return statistics


def test_bins_hold_every_value_and_the_reference_s_shares_add_up_to_one() -> None:
    """Numeric and categorical alike, zeros included; the same labels on both sides."""
    frame = TRAINING.sample(1000, random_state=1).assign(c=lambda d: d["c"].where(d["c"] > "c", "new"))
    found = sent(Group({}, counted(frame).snapshot(), SIGNAL, describe=True))
    for feature in ("x", "k", "c"):
        bins = {key: p.as_int for key, p in found["ml.feature.bin"].items() if key[0] == feature}
        shares = {key: p.as_double for key, p in found["ml.feature.reference"].items() if key[0] == feature}
        assert bins.keys() == shares.keys()
        assert sum(bins.values()) == frame[feature].notna().sum()
        assert sum(shares.values()) == pytest.approx(1.0)
        assert [key[1] for key in bins] == [f"{i:02d}" for i in range(len(bins))]


def test_the_mean_and_variance_of_any_interval_follow_from_the_deviations() -> None:
    """Differences of two collections, as a rate in Prometheus would take them."""
    statistics = counted(TRAINING[:500])
    before = sent(Group({}, statistics.snapshot(), SIGNAL))
    later = pd.DataFrame({"x": RNG.normal(5, 3, 700)})
    statistics.update(later)
    after = sent(Group({}, statistics.snapshot(), SIGNAL))

    def growth(metric: str, *key: str) -> float:
        return after[metric][key].as_double - before[metric][key].as_double

    above, below = growth("ml.feature.deviation", "x", "above"), growth("ml.feature.deviation", "x", "below")
    squares = growth("ml.feature.deviation.squares", "x")
    count = after["ml.feature.value"]["x",].count - before["ml.feature.value"]["x",].count
    assert count == 700
    assert SIGNAL.features["x"].mean + (above - below) / count == pytest.approx(later["x"].mean())
    assert squares / count - ((above - below) / count) ** 2 == pytest.approx(later["x"].var(ddof=0))


def test_values_outside_the_training_range_are_counted_on_either_side() -> None:
    """Exactly the smallest and the largest are within."""
    low, high = SIGNAL.features["x"].min, SIGNAL.features["x"].max
    values = [low, high, np.nextafter(low, -np.inf), low - 1, high + 1, math.inf, None]
    found = sent(Group({}, counted(pd.DataFrame({"x": values})).snapshot(), SIGNAL))
    assert found["ml.feature.out_of_range"]["x", "below"].as_int == 2
    assert found["ml.feature.out_of_range"]["x", "above"].as_int == 1
    assert found["ml.feature.invalid"]["x", "infinite"].as_int == 1
    assert found["ml.feature.missing"]["x",].as_int == 1


def test_categories_are_those_of_the_reference_and_four_at_most_besides() -> None:
    """Twenty by name; whatever is sent in, no other name comes out."""
    frame = pd.DataFrame({"c": [*"abcabz", "secret@example.org", None, 7]})
    found = sent(Group({}, counted(frame).snapshot(), SIGNAL))["ml.feature.category"]
    names = [name for feature, name in found if feature == "c"]
    assert len(names) == 23
    assert set(names) == {*SIGNAL.features["c"].top, "__other__", "__unseen__", "__missing__"}
    assert found["c", "__unseen__"].as_int == 2
    assert found["c", "__missing__"].as_int == 1
    assert sum(point.as_int for (feature, _), point in found.items() if feature == "c") == 9


def test_without_a_reference_no_name_of_a_category_leaves() -> None:
    """They could be anything, what a person typed included."""
    statistics = FeatureStatistics()
    statistics.update({"c": ["secret@example.org", "b", None, "b"]})
    assert statistics.snapshot().features["c"].counts["b"] == 2
    found = sent(Group({}, statistics.snapshot()))["ml.feature.category"]
    assert {key[1]: point.as_int for key, point in found.items()} == {"__other__": 3, "__missing__": 1}


def test_categories_that_are_called_as_ours_are_lose_nothing() -> None:
    """Training data whose gaps were filled with `__missing__`: counts add up, and each series is there once."""
    training = pd.DataFrame({"c": ["DE"] * 50 + ["__missing__"] * 30 + ["__other__"] * 20})
    reference = Reference.from_frame(training)
    statistics = counted(training, reference)
    statistics.update({"c": [None, "new"]})
    found = sent(Group({}, statistics.snapshot(), reference.signals["input"], describe=True))
    counts = {key[1]: point.as_int for key, point in found["ml.feature.category"].items()}
    assert counts == {"DE": 50, "__missing__": 31, "__other__": 20, "__unseen__": 1}
    shares = {key[1]: point.as_double for key, point in found["ml.feature.reference.category"].items()}
    assert shares == pytest.approx({"DE": 0.5, "__missing__": 0.3, "__other__": 0.2, "__unseen__": 0.0})


def test_of_too_many_categories_nobody_knows_which_are_unseen() -> None:
    """No series, rather than a zero that is not true."""
    training = pd.DataFrame({"c": [f"id{i}" for i in range(2000)]})
    reference = Reference.from_frame(training)
    assert reference.features["c"].kind == "high_cardinality"
    found = sent(Group({}, counted(training[:10], reference).snapshot(), reference.signals["input"]))
    assert ("c", "__unseen__") not in found["ml.feature.category"]


def test_the_reference_begins_once_even_where_intervals_do_not() -> None:
    """With delta temporality too it is a total that stays, not a new one each time."""
    group = Group({}, FeatureStatistics(REFERENCE).delta(), SIGNAL, describe=True)
    (metric,) = [one for one in encode([group], 5, 9, DELTA, 1) if one.name == "ml.feature.reference.value"]
    assert metric.histogram.aggregation_temporality == CUMULATIVE
    assert {(p.start_time_unix_nano, p.time_unix_nano) for p in metric.histogram.data_points} == {(1, 9)}


def test_the_reference_is_sent_as_it_is() -> None:
    """Buckets, size, mean, spread, missing share and category shares of the training data."""
    found = sent(Group({}, FeatureStatistics(REFERENCE).snapshot(), SIGNAL, describe=True))
    x = SIGNAL.features["x"]
    value = found["ml.feature.reference.value"]["x",]
    assert list(value.bucket_counts) == x.counts.tolist()
    assert list(value.explicit_bounds) == list(found["ml.feature.value"]["x",].explicit_bounds)
    assert found["ml.feature.reference.count"]["x",].as_int == 3600
    assert found["ml.feature.reference.missing"]["x",].as_double == pytest.approx(0.1)
    assert found["ml.feature.reference.mean"]["x",].as_double == pytest.approx(TRAINING["x"].mean())
    assert found["ml.feature.reference.deviation"]["x",].as_double == pytest.approx(TRAINING["x"].std(ddof=0))
    shares = {name: p.as_double for (feature, name), p in found["ml.feature.reference.category"].items()}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["__other__"] > 0
    quiet = sent(Group({}, FeatureStatistics(REFERENCE).snapshot(), SIGNAL))
    assert not any(name.startswith("ml.feature.reference") for name in quiet)


def test_drift_is_sent_with_its_critical_value_and_not_where_there_is_too_little() -> None:
    """The numbers that `drift` gives, by method and window; no series says 'not enough data'."""
    frame = TRAINING.sample(2000, random_state=2)
    frame.loc[frame.index[50:], "c"] = None
    snapshot = counted(frame.assign(x=frame["x"] + 2)).snapshot()
    expected = drift(REFERENCE, snapshot)
    group = Group({}, snapshot, SIGNAL, {"1h": measure(SIGNAL, snapshot)}, methods=("psi", "ks"))
    found = sent(group)
    values = {key: point.as_double for key, point in found["ml.feature.drift"].items()}
    assert values == {
        ("1h", feature, method): pytest.approx(expected.loc[feature, method])
        for feature in ("x", "k") for method in ("psi", "ks")
    }  # fmt: skip
    critical = {key: point.as_double for key, point in found["ml.feature.drift.critical"].items()}
    assert critical["1h", "x", "psi"] == pytest.approx(expected.loc["x", "psi_critical"])
    assert values["1h", "x", "psi"] > critical["1h", "x", "psi"]


def test_the_quantiles_give_the_critical_values_of_any_window() -> None:
    """What a rule in Prometheus multiplies by 1/n + 1/m."""
    snapshot = counted(TRAINING.sample(700, random_state=3)).snapshot()
    found = sent(Group({}, snapshot, SIGNAL, describe=True))
    expected = drift(REFERENCE, snapshot)
    for feature in ("x", "k"):
        ratio = 1 / expected.loc[feature, "n"] + 1 / SIGNAL.features[feature].count
        quantile = {m: found["ml.feature.drift.quantile"][feature, m].as_double for m in ("psi", "ks")}
        assert max(0.02, quantile["psi"] * ratio) == pytest.approx(expected.loc[feature, "psi_critical"])
        assert max(0.05, quantile["ks"] * math.sqrt(ratio)) == pytest.approx(expected.loc[feature, "ks_critical"])


def test_a_slice_s_inputs_are_bins_and_drift_only() -> None:
    """Everything else would be too many series."""
    snapshot = counted(TRAINING).snapshot()
    group = Group({}, snapshot, SIGNAL, {"1h": measure(SIGNAL, snapshot)}, describe=True, detail=False)
    assert sent(group).keys() == {
        "ml.feature.bin", "ml.feature.reference", "ml.feature.reference.count", "ml.feature.drift",
        "ml.feature.drift.critical", "ml.feature.drift.quantile",
    }  # fmt: skip


def test_a_delta_adds_up_to_the_whole() -> None:
    """Of every counter, over three intervals; what did not change is left out."""
    statistics = FeatureStatistics(REFERENCE)
    totals: dict[tuple[str, ...], float] = {}
    for start in range(0, 3000, 1000):
        statistics.update(TRAINING[start : start + 1000])
        for name, table in sent(Group({}, statistics.delta(), SIGNAL), DELTA).items():
            for key, point in table.items():
                value = point.count if name == "ml.feature.value" else point.as_int or point.as_double
                totals[(name, *key)] = totals.get((name, *key), 0) + value
    assert sent(Group({}, statistics.delta(), SIGNAL), DELTA) == {}
    for name, table in sent(Group({}, counted(TRAINING[:3000]).snapshot(), SIGNAL)).items():
        for key, point in table.items():
            value = point.count if name == "ml.feature.value" else point.as_int or point.as_double
            assert totals.get((name, *key), 0) == pytest.approx(value), (name, key)


def test_a_reference_without_features_sends_nothing() -> None:
    """No empty metrics, and nothing divided by nothing."""
    empty = SignalReference("none", {})
    snapshot = FeatureStatistics(empty).snapshot()
    assert sent(Group({}, snapshot, empty, {"1h": measure(empty, snapshot)}, describe=True)) == {}
