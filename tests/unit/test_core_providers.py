"""What the application's own instruments hold, when reading them takes longer than is waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from bento_observe.telemetry import _providers
from bento_observe.telemetry._providers import Providers


class Slow:
    """An observable gauge that says 1, 2, ... each time it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self._value = 0

    def __call__(self, options: CallbackOptions) -> Iterator[Observation]:
        self.go.wait(10)
        self._value += 1
        yield Observation(self._value)


def told(providers: Providers) -> dict[str, list[float]]:
    """The values of one collection, by the name of the metric."""
    found: dict[str, list[float]] = {}
    for scope in providers._reader.produce(0, True):
        for metric in scope.metrics:
            data: Any = getattr(metric, metric.WhichOneof("data") or "")
            found.setdefault(metric.name, []).extend(point.as_int for point in data.data_points)
    return found


@pytest.mark.parametrize(("temporality", "counted"), [("delta", [1, 2]), ("cumulative", [3])])
def test_a_collection_that_came_too_late_is_sent_with_the_next(
    monkeypatch: pytest.MonkeyPatch, temporality: str, counted: list[float]
) -> None:
    """What it says that came since the one before is not said again; of all else the newest counts."""
    monkeypatch.setattr(_providers, "_CALLBACK_SECONDS", 0.01)
    providers, slow = Providers(Resource({}), ALWAYS_ON, temporality), Slow()
    meter = providers.meter_provider.get_meter("of the application")
    counter = meter.create_counter("counted")
    meter.create_observable_gauge("slow", [slow])

    counter.add(1)
    assert told(providers) == {}
    late = providers._reader._collecting
    assert late is not None
    slow.go.set()
    late.join(10)
    monkeypatch.setattr(_providers, "_CALLBACK_SECONDS", 10.0)
    counter.add(2)
    assert told(providers) == {"counted": counted, "slow": [2]}
    counter.add(4)
    assert told(providers) == {"counted": [4] if temporality == "delta" else [7], "slow": [3]}
