"""The OTLP that leaves: what a receiver reads from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bento_observe import semconv
from bento_observe.features import FeatureStatistics, Group, encode

CUMULATIVE, DELTA = pb.AGGREGATION_TEMPORALITY_CUMULATIVE, pb.AGGREGATION_TEMPORALITY_DELTA
GROUP = {semconv.ML_SIGNAL: "input", semconv.API_NAME: "predict", semconv.ML_MODEL_NAME: "wine"}


@dataclass
class Edges:
    edges: dict[str, list[float]]
    id: str = "abc"


def received(groups: list, temporality: int = CUMULATIVE) -> list[pb.Metric]:  # type: ignore[type-arg]
    """Encoded, sent and decoded."""
    sent = pb.ScopeMetrics(metrics=encode([Group(*group) for group in groups], 5, 9, temporality)).SerializeToString()
    return list(pb.ScopeMetrics.FromString(sent).metrics)


def by_attributes(points) -> dict[tuple[str, ...], object]:  # type: ignore[no-untyped-def]
    """Points by feature and reason."""
    table = {}
    for point in points:
        values = {pair.key: pair.value.string_value for pair in point.attributes}
        key = tuple(values[k] for k in (semconv.ML_FEATURE_NAME, semconv.REASON) if k in values)
        assert key not in table
        table[key] = point
    return table


def test_explicit_buckets_arrive_with_negative_values_and_without_a_sum() -> None:
    """Edges, counts, extremes and attributes of a feature with a reference."""
    stats = FeatureStatistics(Edges({"a": [-1.0, 0.0, 1.0]}))
    stats.update({"a": np.array([-5.0, -1.0, 0.5, 7.0, np.nan, np.inf])})
    value, missing, invalid = received([(GROUP, stats.snapshot())])
    assert (value.name, value.WhichOneof("data")) == ("ml.feature.value", "histogram")
    assert (value.unit, value.description) == (semconv.FEATURE_VALUE.unit, semconv.FEATURE_VALUE.description)
    assert value.histogram.aggregation_temporality == CUMULATIVE
    (point,) = value.histogram.data_points
    assert list(point.explicit_bounds) == [-1.0, 0.0, 1.0]
    assert list(point.bucket_counts) == [2, 0, 1, 1]
    assert (point.count, point.min, point.max) == (4, -5.0, 7.0)
    assert not point.HasField("sum")
    assert (point.start_time_unix_nano, point.time_unix_nano) == (5, 9)
    assert {pair.key: pair.value.string_value for pair in point.attributes} == {
        **GROUP, semconv.ML_REFERENCE_ID: "abc", semconv.ML_FEATURE_NAME: "a",
    }  # fmt: skip
    assert missing.name == "ml.feature.missing"
    assert missing.sum.is_monotonic
    assert by_attributes(missing.sum.data_points)[("a",)].as_int == 1
    assert {key: point.as_int for key, point in by_attributes(invalid.sum.data_points).items()} == {
        ("a", "infinite"): 1, ("a", "not_a_number"): 0,
    }  # fmt: skip


def test_exponential_buckets_arrive_on_both_sides_of_zero() -> None:
    """A point whose buckets, zeros included, add up to its count, with the sum that native histograms need."""
    values = np.append(np.random.default_rng(0).normal(size=1000), [0.0, 0.0])
    stats = FeatureStatistics()
    stats.update({"x": values})
    value = received([(GROUP, stats.snapshot())])[0]
    (point,) = value.exponential_histogram.data_points
    assert point.count == 1002
    assert point.zero_count == 2
    assert sum(point.positive.bucket_counts) == (values > 0).sum()
    assert sum(point.negative.bucket_counts) == (values < 0).sum()
    base = 2**2.0**-point.scale
    assert base**point.positive.offset < values[values > 0].min() <= base ** (point.positive.offset + 1)
    highest = point.negative.offset + len(point.negative.bucket_counts)
    assert base ** (highest - 1) < -values.min() <= base**highest
    assert point.sum == pytest.approx(values.sum())


def test_groups_share_metrics_and_both_kinds_of_histogram_stand_side_by_side() -> None:
    """One metric for each kind of data, whatever the number of groups and features."""
    stats = FeatureStatistics(Edges({"a": [0.0]}))
    stats.update({"a": 1.0, "b": 2.0})
    prediction = {**GROUP, semconv.ML_SIGNAL: "prediction"}
    metrics = received([(GROUP, stats.snapshot()), (prediction, stats.snapshot())])
    assert [(metric.name, metric.WhichOneof("data")) for metric in metrics] == [
        ("ml.feature.value", "histogram"), ("ml.feature.value", "exponential_histogram"),
        ("ml.feature.missing", "sum"), ("ml.feature.invalid", "sum"),
    ]  # fmt: skip
    assert len(metrics[0].histogram.data_points) == 2
    signals = {
        pair.value.string_value
        for point in metrics[1].exponential_histogram.data_points
        for pair in point.attributes
        if pair.key == semconv.ML_SIGNAL
    }
    assert signals == {"input", "prediction"}


def test_points_carry_no_attribute_that_the_telemetry_contract_does_not_name() -> None:
    """The contract is `semconv`."""
    stats = FeatureStatistics(Edges({"a": [0.0]}), names=["a"])
    stats.update(np.ones((1, 3)))
    declared = {metric.name: set(metric.attributes) for metric in semconv.METRICS}
    for metric in received([(GROUP, stats.snapshot())]):
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
            assert {pair.key for pair in point.attributes} <= declared[metric.name]


def test_refused_rows_are_told_without_a_feature() -> None:
    """They belong to none."""
    stats = FeatureStatistics(names=["a", "b"])
    stats.update(np.ones((4, 3)))
    (invalid,) = received([(GROUP, stats.snapshot())])
    assert {key: point.as_int for key, point in by_attributes(invalid.sum.data_points).items()} == {("columns",): 4}


def test_a_delta_leaves_out_what_did_not_change() -> None:
    """Intervals add up to the total and carry their own extremes."""
    stats = FeatureStatistics(Edges({"a": [0.0], "b": [0.0]}))
    stats.update({"a": [-3.0, 3.0]})
    stats.delta()
    stats.update({"a": [1.0, None]})
    value, missing = received([(GROUP, stats.delta())], DELTA)
    (point,) = value.histogram.data_points
    assert value.histogram.aggregation_temporality == missing.sum.aggregation_temporality == DELTA
    assert (point.count, list(point.bucket_counts), point.min, point.max) == (1, [0, 1], 1.0, 1.0)
    assert by_attributes(missing.sum.data_points)[("a",)].as_int == 1
    assert received([(GROUP, stats.delta())], DELTA) == []


def test_known_features_are_sent_with_zeros_before_the_first_value() -> None:
    """So that a rate over them sees the first increment; extremes are left out rather than invented."""
    value = received([(GROUP, FeatureStatistics(Edges({"a": [0.0]})).snapshot())])[0]
    (point,) = value.histogram.data_points
    assert (point.count, list(point.bucket_counts)) == (0, [0, 0])
    assert not point.HasField("min")
    assert not point.HasField("max")


def test_nothing_known_is_nothing_sent() -> None:
    """No empty metrics."""
    assert received([(GROUP, FeatureStatistics().snapshot())]) == []
    assert received([]) == []


def test_a_sum_that_overflowed_is_left_out() -> None:
    """Infinity is no sum."""
    stats = FeatureStatistics()
    stats.update([1.7e308, 1.7e308])
    (point,) = received([(GROUP, stats.snapshot())])[0].exponential_histogram.data_points
    assert point.count == 2
    assert not point.HasField("sum")


def test_each_api_and_feature_has_a_point_of_its_own() -> None:
    """Three APIs with a hundred features each are three hundred histograms of one metric."""
    names = [f"f{i}" for i in range(100)]
    stats = FeatureStatistics(Edges({name: np.linspace(-2, 2, 21).tolist() for name in names}))
    stats.update(np.random.default_rng(0).normal(size=(1000, 100)))
    metrics = received([({**GROUP, semconv.API_NAME: api}, stats.snapshot()) for api in ("a", "b", "c")])
    points = metrics[0].histogram.data_points
    assert len({point.SerializeToString() for point in points}) == 300
    assert {point.count for point in points} == {1000}
