"""Extreme values are linked with the requests that sent them, and with no other."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2
from pydantic import BaseModel

from bento_observe.features import FeatureStatistics, Group, encode
from bento_observe.features.reference import Reference

_NUMBERS = count(1)


@dataclass(eq=False)
class Span:
    """What a request is to the statistics."""

    sampled: bool = True
    number: int = field(default_factory=lambda: next(_NUMBERS))
    start_ns: int = field(default_factory=time.perf_counter_ns)

    @property
    def trace_id(self) -> bytes:
        return self.number.to_bytes(16, "big")

    @property
    def span_id(self) -> bytes:
        return self.number.to_bytes(8, "big")


class Row(BaseModel):
    """One row as a handler may take it."""

    a: float
    b: float


def linked(stats: FeatureStatistics, delta: bool = True) -> dict[str, list[tuple[float, int]]]:
    """Value and number of the span, by feature, ordered by value; what came since the last call."""
    _, exemplars = stats.interval(delta=delta)
    return {
        name: sorted((one.value, int.from_bytes(one.trace_id, "big")) for one in found)
        for name, found in exemplars.items()
    }


KINDS: dict[str, Callable[[float, float], Any]] = {
    "array": lambda a, b: np.array([[a, b]]),
    "batch": lambda a, b: np.array([[0.0, 0.0], [a, b], [0.0, 0.0]]),
    "float32": lambda a, b: np.array([[a, b]], dtype=np.float32),
    "flat": lambda a, b: np.array([a, b]),
    "dict": lambda a, b: {"a": a, "b": b},
    "mixed dict": lambda a, b: {"b": b, "text": "x", "a": a},
    "columns": lambda a, b: {"a": [0.0, a], "b": np.array([b, 0.0])},
    "dicts": lambda a, b: [{"a": 0.0, "b": 0.0}, {"a": a, "b": b}],
    "model": lambda a, b: Row(a=a, b=b),
    "models": lambda a, b: [Row(a=0, b=0), Row(a=a, b=b)],
    "list": lambda a, b: [a, b],
    "rows": lambda a, b: [[0.0, 0.0], [a, b]],
    "frame": lambda a, b: pd.DataFrame({"a": [0.0, a], "b": [b, 0.0]}),
    "frame of objects": lambda a, b: pd.DataFrame({"a": [0.0, a], "b": [b, 0.0]}, dtype=object),
}


@pytest.mark.parametrize("low", KINDS)
@pytest.mark.parametrize("high", ["array", "dict", "frame"])
def test_the_right_request_is_found_among_those_of_all_kinds(low: str, high: str) -> None:
    """Each kind of data has the smallest values once, while others have the largest and the rest."""
    stats = FeatureStatistics(names=["a", "b"])
    rng = np.random.default_rng(0)
    lowest, highest = Span(), Span()
    for number in range(40):
        for make in KINDS.values():
            stats.update(make(*rng.uniform(-1, 1, 2).tolist()), Span())
        if number == 7:
            stats.update(KINDS[high](3.5, 4.5), highest)
        if number == 21:
            stats.update(KINDS[low](-3.5, -4.5), lowest)
    assert linked(stats) == {
        "a": [(-3.5, lowest.number), (3.5, highest.number)],
        "b": [(-4.5, lowest.number), (4.5, highest.number)],
    }


@pytest.mark.parametrize("with_reference", [True, False])
def test_the_right_requests_are_found_among_thousands_in_one_flush(with_reference: bool) -> None:
    """One row a request, and batches of several heights, all before one flush."""
    rng = np.random.default_rng(1)
    names = [f"f{number}" for number in range(12)]
    training = pd.DataFrame(rng.normal(size=(2000, 12)), columns=names)
    stats = FeatureStatistics(Reference.from_frame(training) if with_reference else None, names)
    sent: list[tuple[np.ndarray[Any, Any], Span]] = []
    for number in range(5000):
        rows = rng.normal(size=(1 if number % 5 else number % 7, 12))
        sent.append((rows, Span()))
        stats.update(*sent[-1])
    expected = {}
    values = np.concatenate([rows for rows, _ in sent])
    owners = np.concatenate([np.full(len(rows), span.number) for rows, span in sent])
    for position, name in enumerate(names):
        column = values[:, position]
        expected[name] = [(column[at], owners[at]) for at in (column.argmin(), column.argmax())]
    assert linked(stats) == expected


def test_an_interval_ends_with_its_collection_and_spans_flushes() -> None:
    """What was smallest before does not count any more, in delta and cumulative temporality."""
    for delta in (True, False):
        stats = FeatureStatistics()
        spans = [Span() for _ in range(4)]
        for value, span in zip((-5.0, 5.0), spans, strict=False):
            stats.update(value, span)
            stats.flush()
        assert linked(stats, delta) == {"value": [(-5.0, spans[0].number), (5.0, spans[1].number)]}
        stats.update(1.0, spans[2])
        stats.update(2.0, spans[3])
        assert linked(stats, delta) == {"value": [(1.0, spans[2].number), (2.0, spans[3].number)]}
        assert linked(stats, delta) == {}
        assert stats.snapshot().features["value"].min == -5.0  # type: ignore[union-attr]


def test_one_value_is_one_exemplar() -> None:
    """The smallest and the largest of a single value are the same."""
    stats, span = FeatureStatistics(), Span()
    stats.update(1.0, span)
    assert linked(stats) == {"value": [(1.0, span.number)]}


def test_requests_that_are_not_sampled_are_not_linked() -> None:
    """Nor is another one in their place: an exemplar is the extreme or nothing."""
    stats = FeatureStatistics()
    sampled = [Span(), Span()]
    stats.update(-2.0, sampled[0])
    stats.update(2.0, sampled[1])
    stats.flush()
    stats.update(-3.0, Span(sampled=False))
    stats.update(0.0, Span())
    assert linked(stats) == {"value": [(2.0, sampled[1].number)]}


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, None])
def test_only_finite_values_are_linked(odd: float | None) -> None:
    """Whatever is no finite number leaves the extremes alone."""
    stats = FeatureStatistics(names=["a"])
    low, high = Span(), Span()
    for value, span in ((odd, Span()), (-1.0, low), (odd, Span()), (1.0, high), (odd, Span())):
        stats.update({"a": value}, span)
        stats.update(np.array([[value]], dtype=float), Span())
    assert linked(stats) == {"a": [(-1.0, low.number), (1.0, high.number)]}


def test_what_cannot_be_told_is_left_out() -> None:
    """Data without an origin, and values that no item is known to have."""
    stats = FeatureStatistics(names=["a", "b"])
    known = Span()
    stats.update(np.array([[-9.0, -9.0]]))
    stats.update(np.array([[0.0, 0.0]]), known)
    assert linked(stats) == {"a": [(0.0, known.number)], "b": [(0.0, known.number)]}
    # Cells that are not float64 already: equal as float32, different as what was counted.
    other = Span()
    stats.update({"a": 0.1}, None)
    stats.update({"a": np.float32(0.1)}, other)
    assert linked(stats) == {"a": [(float(np.float32(0.1)), other.number)]}


def test_rows_that_are_refused_are_not_linked() -> None:
    """A row of another width has the value, and was not counted."""
    stats = FeatureStatistics(names=["a", "b"])
    right = Span()
    for data in ([7.0], [[7.0, 8.0, 9.0]], np.array([[7.0, 8.0, 9.0]])):
        stats.update(data, Span())
    stats.update([7.0, 8.0], right)
    stats.update([0.0, 0.0], right)
    assert linked(stats) == {
        "a": [(0.0, right.number), (7.0, right.number)],
        "b": [(0.0, right.number), (8.0, right.number)],
    }


def test_confidence_and_vectors_are_linked() -> None:
    """What is made of arrays row by row, too."""
    stats = FeatureStatistics(probabilities=True)
    unsure = Span()
    for _ in range(50):
        stats.update(np.array([[0.9, 0.1]]), Span())
    stats.update(np.array([[0.55, 0.45]]), unsure)
    stats.update(np.array([[0.8, 0.2]]), Span())
    assert (0.55, unsure.number) in linked(stats)["confidence"]
    vectors, long = FeatureStatistics(max_features=4), Span()
    for size in (1.0, 2.0):
        vectors.update(np.full((1, 16), size), Span())
    vectors.update(np.full((1, 16), 3.0), long)
    assert (12.0, long.number) in linked(vectors)["norm"]


def test_confidence_is_linked_where_there_is_much_of_it() -> None:
    """More than is looked through at once."""
    stats = FeatureStatistics(probabilities=True)
    rows = np.full((3000, 2), 0.5)
    rows[:, 0] += np.linspace(0, 0.4, 3000)
    rows[:, 1] -= np.linspace(0, 0.4, 3000)
    spans = [Span() for _ in range(8)]
    for number, span in enumerate(spans):
        stats.update(np.roll(rows, number, axis=0) if number != 6 else np.full((3000, 2), [0.95, 0.05]), span)
    assert (0.95, spans[6].number) in linked(stats)["confidence"]


def test_lists_of_probabilities_are_not_taken_for_columns() -> None:
    """They became other features, so what is left are those rows that did not."""
    stats = FeatureStatistics(probabilities=True)
    stats.update(np.array([[0.5, 0.5]]), Span())
    stats.flush()
    linked(stats)
    right = Span()
    stats.update([[0.25, 0.75]], Span())
    stats.update(np.array([[0.25, 5.0, 6.0]]), right)
    stats.update(np.array([[1.0, 5.0, 6.0]]), Span())
    assert linked(stats)["0"][0] == (0.25, right.number)


def test_spans_are_let_go_when_they_are_counted() -> None:
    """Those of extremes included."""
    stats = FeatureStatistics()
    spans = [Span() for _ in range(2000)]
    for value, span in enumerate(spans):
        stats.update(float(value), span)
    kept = [weakref.ref(span) for span in spans]
    del spans, span
    stats.flush()
    gc.collect()
    assert not any(one() for one in kept)


def points_of(metrics: Sequence[metrics_pb2.Metric]) -> list[Any]:
    """The points of `ml.feature.value`, of either kind."""
    found: list[Any] = []
    for metric in metrics:
        if metric.name == "ml.feature.value":
            found += metric.histogram.data_points or metric.exponential_histogram.data_points
    return found


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("temporality", [1, 2])
def test_exemplars_are_sent_with_their_histograms(explicit: bool, temporality: int) -> None:
    """Value, time and ids as OTLP has them, in the order of time."""
    training = pd.DataFrame({"a": np.arange(100.0)})
    reference = Reference.from_frame(training) if explicit else None
    stats = FeatureStatistics(reference, ["a"])
    before = time.time_ns()
    high = Span()
    stats.update({"a": 9.0}, high)
    low = Span()
    stats.update({"a": 3.0}, low)
    snapshot, exemplars = stats.interval(delta=temporality == 1)
    ((point),) = points_of(encode([Group({}, snapshot, exemplars=exemplars)], 1, 2, temporality))
    assert [(one.as_double, one.trace_id, one.span_id) for one in point.exemplars] == [
        (9.0, high.trace_id, high.span_id),
        (3.0, low.trace_id, low.span_id),
    ]
    assert (point.min, point.max) == (3.0, 9.0)
    assert (
        before - 1e6 <= point.exemplars[0].time_unix_nano <= point.exemplars[1].time_unix_nano <= time.time_ns() + 1e6
    )


def test_no_exemplar_is_older_than_what_was_sent_before() -> None:
    """A request that took long had its value after the flush before: Prometheus drops what is out of order."""
    stats = FeatureStatistics()
    slow = Span()
    stats.update(1.0, Span())
    _, first = stats.interval(delta=True)
    stats.update(2.0, slow)
    _, second = stats.interval(delta=True)
    assert slow.start_ns < stats._exemplars._last_flush_ns
    assert second["value"][0].time_unix_nano >= first["value"][0].time_unix_nano
