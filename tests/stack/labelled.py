"""What a worker counts of labels that were matched with its predictions, as the series that Prometheus has of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

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
from bento_observe.prometheus_names import label_name, metric_name

__all__ = ["Labelled"]

_KEYS = Keys((Key.of(b"a key"),))
_METRICS = {metric.name: metric for metric in semconv.METRICS}


class Labelled:
    """The package's own matching and counting, without a service around it."""

    def __init__(self, worker: str, classes: Classes | None = None) -> None:
        self._worker = worker
        self._performance = Performance(lambda model: classes or Classes(), lambda model: 1.0)
        seen = Seen(None, 10_000, pytest.fail)
        self._matcher = Matcher(
            TokenReader(_KEYS), lambda: seen, self._performance, 3600, lambda *_: None, lambda: 100.0
        )
        self._metrics = PerformanceMetrics(self._performance, self._matcher.refused, 1)
        self._requests, self._collected = itertools.count(), itertools.count(2)

    def match(self, api: str, predictions: Predictions, labels: list[Any]) -> None:
        """An answer of an API, and the labels of its rows."""
        request = next(self._requests).to_bytes(8, "big")
        self._matcher.take(TokenMaker(_KEYS).tokens([Context(api, "m")], predictions, request, 100.0), labels)

    def series(self, **resource: str) -> Iterator[tuple[str, float]]:
        """All series and their values, with `resource` and the worker among their labels."""
        now = next(self._collected)
        for scope in self._metrics.collect(now, False):
            for metric in scope.metrics:
                name = metric_name(_METRICS[metric.name])
                for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                    if point.time_unix_nano != now:  # what is new is told as 0 of before, too
                        continue
                    pairs = {label_name(pair.key): pair.value.string_value for pair in point.attributes}
                    labels = {**pairs, **resource, "service_instance_id": self._worker}
                    told = ", ".join(f'{key}="{value}"' for key, value in labels.items())
                    yield from _samples(name, told, point)


def _samples(name: str, told: str, point: Any) -> Iterator[tuple[str, float]]:
    if not hasattr(point, "bucket_counts"):
        yield f"{name}{{{told}}}", point.as_int + point.as_double
        return
    bounds = [f"{bound:.12f}".rstrip("0") for bound in point.explicit_bounds]
    for bound, count in zip([*bounds, "+Inf"], itertools.accumulate(point.bucket_counts), strict=True):
        yield f'{name}_bucket{{{told}, le="{bound}"}}', count
    yield f"{name}_count{{{told}}}", point.count
