"""The sums as OTLP: every attribute declared, a new series told from 0, deltas that add up."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._metrics import PerformanceMetrics
from bento_observe.feedback._performance import Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._token import Context, Predictions, TokenMaker

KEYS = Keys((Key.of(b"a key"),))
SLICED = Context("api", "m", "1", (("country", "DE"),))
DECLARED = {metric.name: metric for metric in semconv.METRICS}


class Sender:
    def __init__(self) -> None:
        self.performance = Performance(lambda model: Classes(), lambda model: 0.0)
        seen = Seen(None, 10_000, pytest.fail)
        self.matcher = Matcher(TokenReader(KEYS), lambda: seen, self.performance, 3600, lambda *_: None, lambda: 160.0)
        self.metrics = PerformanceMetrics(self.performance, self.matcher.refused, 1000)
        self._nonce = 0

    def label(self, predictions: Predictions, labels: list[Any]) -> None:
        self._nonce += 1
        nonce = self._nonce.to_bytes(8, "big")
        self.matcher.take(TokenMaker(KEYS).tokens([SLICED], predictions, nonce, 100.0), labels)

    def some(self, rows: int = 50) -> None:
        random = np.random.default_rng(self._nonce)
        confidence = random.uniform(0.5, 1, rows).tolist()
        names = random.choice(["true", "false"], rows).tolist()
        self.label(Predictions(names, confidence=confidence, of=2), random.choice([True, False], rows).tolist())
        self.label(Predictions(values=random.normal(0, 1, rows).tolist()), random.normal(0, 1, rows).tolist())
        self.matcher.take(["nonsense"], [1])

    def points(self, now_ns: int, delta: bool) -> dict[tuple[Any, ...], list[Any]]:
        """By metric and attributes."""
        found: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for scope in self.metrics.collect(now_ns, delta):
            assert scope.scope.name == semconv.SCOPE_PERFORMANCE
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                assert data.aggregation_temporality == (1 if delta else 2)
                for point in data.data_points:
                    attributes = {pair.key: pair.value.string_value for pair in point.attributes}
                    assert attributes.keys() <= set(DECLARED[metric.name].attributes)
                    found[(metric.name, *sorted(attributes.items()))].append(point)
        return dict(found)


def amount(point: Any) -> tuple[float, ...]:
    return tuple(point.bucket_counts) if hasattr(point, "bucket_counts") else (point.as_int + point.as_double,)


def test_a_new_series_is_told_from_zero() -> None:
    """At the collection before, so that a rate sees its first labels; from then on once a collection."""
    sender = Sender()
    sender.some()
    first = sender.points(2000, delta=False)
    assert {name for name, *_ in first} == {name for name in DECLARED if name.startswith(("ml.model.", "ml.label."))}
    for points in first.values():
        assert [point.time_unix_nano for point in points] == [1000, 2000]
        assert not any(amount(points[0]))
    sender.some()
    for points in sender.points(3000, delta=False).values():
        assert points[-1].time_unix_nano == 3000
        assert [point.start_time_unix_nano for point in points] == [1000] * len(points)
        assert len(points) == 1 or points[0].time_unix_nano == 2000


def test_deltas_add_up_to_what_is_cumulative() -> None:
    """And what did not change is left out."""
    deltas, whole = Sender(), Sender()
    sums: dict[tuple[Any, ...], Any] = {}
    for number in range(3):
        deltas.some()
        whole.some()
        for key, (point,) in deltas.points(2000 + number, delta=True).items():
            sums[key] = np.add(sums.get(key, 0), amount(point))
    assert deltas.points(9000, delta=True) == {}
    total = {key: amount(points[-1]) for key, points in whole.points(9000, delta=False).items()}
    assert {key for key, value in total.items() if any(value)} == sums.keys()
    for key, value in sums.items():
        assert value == pytest.approx(total[key])


def test_a_delay_is_from_prediction_to_label() -> None:
    """Seconds, of all labels of a model."""
    sender = Sender()
    sender.label(Predictions(["a", "b"]), ["a", "a"])
    (points,) = [points for key, points in sender.points(2000, delta=False).items() if key[0] == "ml.label.delay"]
    assert points[-1].sum == 120.0
    assert points[-1].bucket_counts[2] == 2


def test_a_slice_has_all_but_the_histogram_of_scores() -> None:
    """Which would be some 300 series for each."""
    sender = Sender()
    sender.some()
    sliced = {key[0] for key in sender.points(2000, delta=False) if ("ml.slice.value", "DE") in key}
    assert "ml.model.calibration" in sliced
    assert "ml.model.score" not in sliced
