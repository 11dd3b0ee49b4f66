"""The explicit-bucket histograms of one writer, against numpy's counting."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bento_observe import semconv
from bento_observe.telemetry import ExplicitHistogram

METRIC = semconv.Metric("test.size", semconv.Kind.HISTOGRAM, "By", "For the test.", ("key",), (0.0, 1.0, 2.5, 10.0))


def make(limit: int = 2000) -> ExplicitHistogram:
    return ExplicitHistogram(METRIC, lambda key: {"key": key}, limit)


def told(histogram: ExplicitHistogram, delta: bool = False, now: int = 2) -> list[Any]:
    collected = histogram.collect(now, delta)
    return [] if collected is None else list(collected.histogram.data_points)


def points(histogram: ExplicitHistogram, delta: bool = False, now: int = 2) -> list[Any]:
    """Without those that say what a series began with."""
    return [point for point in told(histogram, delta, now) if point.count]


def test_counts_sum_and_extremes_are_those_of_the_values() -> None:
    """A thousand values, negative ones and those that lie on a bound among them."""
    generator = random.Random(3)
    values = [generator.choice([generator.gauss(3, 5), *METRIC.boundaries]) for _ in range(1000)]
    histogram = make()
    for value in values:
        histogram.series("a", 1).record(value, 1, None, b"")
    (point,) = points(histogram)

    inside = np.searchsorted(METRIC.boundaries, values, side="left")  # bound[i-1] < x <= bound[i]
    assert list(point.bucket_counts) == np.bincount(inside, minlength=5).tolist()
    assert (point.count, point.min, point.max) == (1000, min(values), max(values))
    assert point.sum == pytest.approx(sum(values))
    assert list(point.explicit_bounds) == list(METRIC.boundaries)


def test_cumulative_points_go_on_and_delta_points_begin_anew() -> None:
    """Deltas add up to the cumulative count, and their times join without a gap."""
    cumulative, delta = make(), make()
    counts, spans = [], []
    for now in (10, 20, 30):
        for histogram in (cumulative, delta):
            histogram.series("a", 1).record(1.0, now, None, b"")
        counts.append(points(cumulative, now=now)[0].count)
        (point,) = points(delta, delta=True, now=now)
        assert point.count == 1
        spans.append((point.start_time_unix_nano, point.time_unix_nano))

    assert counts == [1, 2, 3]
    assert spans == [(1, 10), (10, 20), (20, 30)]
    assert points(delta, delta=True, now=40) == []


def test_a_cumulative_series_begins_at_nothing() -> None:
    """At the time of the collection before, or when it began: a rate would not see its first values otherwise."""
    histogram = make()
    histogram.series("a", 5).record(1.0, 7, None, b"")
    first, second = told(histogram, now=10), told(histogram, now=20)
    histogram.series("b", 5).record(1.0, 25, None, b"")
    third = told(histogram, now=30)

    def seen(collected: list[Any]) -> list[tuple[str, int, int]]:
        return [(one.attributes[0].value.string_value, one.time_unix_nano, one.count) for one in collected]

    assert seen(first) == [("a", 5, 0), ("a", 10, 1)]
    assert seen(second) == [("a", 20, 1)]
    assert seen(third) == [("a", 30, 1), ("b", 20, 0), ("b", 30, 1)]
    nothing, one = first
    assert (list(nothing.bucket_counts), nothing.sum, nothing.HasField("min")) == ([0] * 5, 0, False)
    assert (nothing.start_time_unix_nano, list(nothing.explicit_bounds)) == (5, list(one.explicit_bounds))


def test_series_without_bound_end_in_one_that_says_so() -> None:
    """The limit holds, and no value is lost for it."""
    histogram = make(limit=10)
    for number in range(1000):
        histogram.series(number, 1).record(1.0, 1, None, b"")
    found = points(histogram)

    assert len(found) == 11
    overflow = [point for point in found if point.attributes[0].key == "otel.metric.overflow"]
    assert [point.count for point in overflow] == [990]
    assert sum(point.count for point in found) == 1000


def test_each_bucket_keeps_its_last_exemplar_once() -> None:
    """Told with the next collection and not again; values without a trace have none."""
    histogram = make()
    series = histogram.series("a", 1)
    for value, trace_id in ((0.5, b"\x01" * 16), (0.7, b"\x02" * 16), (5.0, b"\x03" * 16), (5.5, None)):
        series.record(value, 9, trace_id, b"\x04" * 8)
    (point,) = points(histogram)

    assert sorted((exemplar.as_double, exemplar.trace_id) for exemplar in point.exemplars) == [
        (0.7, b"\x02" * 16),
        (5.0, b"\x03" * 16),
    ]
    assert list(points(histogram)[0].exemplars) == []
