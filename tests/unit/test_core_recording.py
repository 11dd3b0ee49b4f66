"""The feature statistics of a service's APIs, collected."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import pytest

from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.telemetry import Health


class Api:
    @bentoml.api
    def predict(self, rows: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        return rows

    @bentoml.api
    def single(self, temperature: float) -> float:
        return temperature


def recording(method: Any) -> tuple[FeatureRecording, Any]:
    nothing = References(None, pytest.fail)
    found = FeatureRecording(nothing, {"ml.model.name": "m", "ml.model.version": "1"}, Health(), Drift())
    return found, found.recorder(method, method.name)


def points(found: FeatureRecording, now: int, delta: bool = False) -> list[Any]:
    (scope,) = found.collect(now, delta)
    return [
        point
        for metric in scope.metrics
        if metric.name == "ml.feature.value"
        for point in metric.exponential_histogram.data_points
    ]


def names(found: list[Any]) -> set[str]:
    pairs = [pair for point in found for pair in point.attributes]
    return {pair.value.string_value for pair in pairs if pair.key == "ml.feature.name"}


def test_delta_intervals_follow_each_other_without_overlap() -> None:
    """Each collection begins where the last one ended, and they add up to the whole."""
    found, recorder = recording(Api.single)
    recorder.inputs((), {"temperature": 1.0})
    (first,) = points(found, 1_000, delta=True)
    recorder.inputs((), {"temperature": 2.0})
    recorder.inputs((), {"temperature": 3.0})
    (second,) = points(found, 2_000, delta=True)
    assert (first.time_unix_nano, second.start_time_unix_nano, second.time_unix_nano) == (1_000, 1_000, 2_000)
    assert (first.count, second.count) == (1, 2)


def test_a_scalar_argument_is_a_feature_of_its_name() -> None:
    """Alone or beside others; an array's columns go by their positions."""
    found, recorder = recording(Api.single)
    recorder.inputs((), {"temperature": 20.5})
    assert names(points(found, 1)) == {"temperature"}
    found, recorder = recording(Api.predict)
    recorder.inputs((), {"rows": np.zeros((2, 2)), "threshold": 0.1})
    assert names(points(found, 1)) == {"threshold", "0", "1"}


def test_features_carry_the_name_of_the_model_and_not_its_version() -> None:
    """A new version of a model goes on with the same series."""
    found, recorder = recording(Api.single)
    recorder.inputs((1.0,), {})
    keys = {pair.key for point in points(found, 1) for pair in point.attributes}
    assert "ml.model.name" in keys
    assert "ml.model.version" not in keys
