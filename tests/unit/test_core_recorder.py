"""What a handler records, under which names, and what becomes of it when something is odd."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import bentoml
import numpy as np
import pandas as pd
import pydantic
import pytest

from bento_observe import Reference, record_features, record_labels, semconv
from bento_observe._recorder import current_call
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.calls import instrument, restore
from bento_observe.features import NumericFeature
from bento_observe.request import BatchSpan, current_request
from bento_observe.telemetry import Health


class Params(pydantic.BaseModel):
    a: float
    b: float


class Api:
    @bentoml.api
    def sync(self, data: Any) -> int:
        return self.record(data)

    @bentoml.api
    async def later(self, data: Any) -> int:
        await asyncio.sleep(0)
        return self.record(data)

    @bentoml.api
    def items(self, data: Any) -> Generator[str, None, None]:
        try:
            for _ in range(3):
                self.record(data)
                yield "x"
        finally:
            self.record(data)

    @bentoml.api
    async def later_items(self, data: Any) -> AsyncGenerator[str, None]:
        try:
            for _ in range(3):
                self.record(data)
                yield "x"
        finally:
            self.record(data)

    @bentoml.api(input_spec=Params)
    def anything(self, **params: float) -> int:
        return 1

    def record(self, data: Any) -> int:
        record_features(data, names=["f"])
        return 1


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def recording(health: Health) -> FeatureRecording:
    return FeatureRecording(References(None, pytest.fail), {}, health, Drift())


def observed(recording: FeatureRecording, health: Health, api: str) -> tuple[Any, Any]:
    method = getattr(Api, api)
    instrument(method, api, recorder := recording.recorder(method, api), health)
    return method.func, recorder


def counts(recorder: Any, signal: str) -> dict[str, tuple[int, float]]:
    features = recorder._statistics.of(signal).snapshot().features
    return {name: (f.count, f.sum) for name, f in features.items() if isinstance(f, NumericFeature)}


def test_handlers_of_every_kind_record_what_they_see(recording: FeatureRecording, health: Health) -> None:
    """Streams once an item, and once more where they clean up after the client has left."""

    async def leave_early(stream: Any) -> None:
        await anext(stream)
        await stream.aclose()

    try:
        func, recorder = observed(recording, health, "sync")
        func(Api(), 2.0)
        assert counts(recorder, "feature") == {"f": (1, 2.0)}
        func, recorder = observed(recording, health, "later")
        asyncio.run(func(Api(), 2.0))
        assert counts(recorder, "feature") == {"f": (1, 2.0)}
        func, recorder = observed(recording, health, "items")
        stream = func(Api(), 2.0)
        next(stream)
        contextvars.Context().run(stream.close)  # another context, as when a server closes it
        assert counts(recorder, "feature") == {"f": (2, 4.0)}
        func, recorder = observed(recording, health, "later_items")
        asyncio.run(leave_early(func(Api(), 2.0)))
        assert counts(recorder, "feature") == {"f": (2, 4.0)}
        assert current_call.get() is None
    finally:
        for api in ("sync", "later", "items", "later_items"):
            restore(getattr(Api, api))


def test_a_handler_that_is_closed_from_another_context_gets_what_closes_it(
    recording: FeatureRecording, health: Health
) -> None:
    """Not an error of ours about contexts."""
    try:
        func, _ = observed(recording, health, "later")
        suspended = func(Api(), 1.0)
        contextvars.Context().run(suspended.send, None)
        contextvars.Context().run(suspended.close)
    finally:
        restore(Api.later)


def test_outside_of_a_call_nothing_happens() -> None:
    """No error and no statistics."""
    record_features([1.0])
    record_labels([1.0])


@pytest.mark.parametrize("names", [pd.Index(["a", "b"]), np.array(["a", "b"]), ("a", "b"), ["a", "b"]])
def test_names_may_be_any_sequence(recording: FeatureRecording, names: Any) -> None:
    """`frame.columns` above all."""
    recorder = recording.recorder(Api.sync, "sync")
    recorder.inputs((1.0,), {}).record(semconv.SIGNAL_FEATURE, np.ones((5, 2)), names)
    assert counts(recorder, "feature") == {"a": (5, 5.0), "b": (5, 5.0)}


def test_names_go_with_the_data_they_come_with(recording: FeatureRecording, health: Health) -> None:
    """Whatever the first call's were; rows of another width than the names are counted as dropped."""
    recorder = recording.recorder(Api.sync, "sync")
    call = recorder.inputs((1.0,), {})
    call.record(semconv.SIGNAL_FEATURE, np.ones((5, 2)), ["a", "b"])
    call.record(semconv.SIGNAL_FEATURE, np.array([[1.0, 7.0]]), ["b", "a"])
    call.record(semconv.SIGNAL_FEATURE, [[2.0, "DE"], [3.0, "CH"]], ["c", "country"])
    call.record(semconv.SIGNAL_FEATURE, [4.0, "FR"], ["c", "country"])
    call.record(semconv.SIGNAL_FEATURE, np.full(5, 2.0), ["z"])
    call.record(semconv.SIGNAL_FEATURE, np.ones((5, 3)), ["x", "y"])
    assert counts(recorder, "feature") == {"a": (6, 12.0), "b": (6, 6.0), "c": (3, 9.0), "z": (5, 10.0)}
    countries = recorder._statistics.of("feature").snapshot().features["country"]
    assert dict(countries.counts) == {"DE": 1, "CH": 1, "FR": 1}
    assert health.counts()[semconv.DROPPED]["features", "columns"] == 1


def test_parameters_that_go_by_no_name_of_their_own_are_counted(recording: FeatureRecording, health: Health) -> None:
    """An input specification's fields arrive as `**params`."""
    recorder = recording.recorder(Api.anything, "anything")
    recorder.inputs((), {"a": 1.0, "b": 2.0})
    assert counts(recorder, "input") == {"a": (1, 1.0), "b": (1, 2.0)}


@pytest.mark.parametrize("wanted", [True, False])
def test_extreme_values_are_sent_with_the_batch_that_had_them(health: Health, wanted: bool) -> None:
    """Of all four signals, unless exemplars are not wanted."""
    recording = FeatureRecording(References(None, pytest.fail), {}, health, Drift(), exemplars=wanted)
    recorder = recording.recorder(Api.sync, "sync")
    batches = [BatchSpan("sync", [], 2, 0) for _ in range(3)]
    for value, batch in enumerate(batches):
        batch.sampled = value != 1
        token, before = current_request.set(batch), current_call.set(call := recorder.inputs((value,), {}, batch))
        record_features({"f": value})
        record_labels({"l": value})
        current_request.reset(token)
        current_call.reset(before)
        call.output(value, batch)
    (scope,) = recording.collect(time.time_ns(), delta=True)
    points = [
        point
        for metric in scope.metrics
        if metric.name == semconv.FEATURE_VALUE.name
        for point in metric.exponential_histogram.data_points
    ]
    expected = [(0.0, batches[0].trace_id), (2.0, batches[2].trace_id)] if wanted else []
    assert len(points) == len(semconv.SIGNALS)
    for point in points:
        assert sorted((one.as_double, one.trace_id) for one in point.exemplars) == expected


def test_none_is_no_prediction(recording: FeatureRecording) -> None:
    """An API that answers nothing predicts nothing."""
    recorder = recording.recorder(Api.sync, "sync")
    recorder.inputs((1.0,), {}).output(None)
    assert recorder._statistics.of("prediction").snapshot().features == {}


def test_slices_of_recorded_features_go_by_their_names(health: Health) -> None:
    """In whatever order a handler has them, several rows or one."""
    training = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0), "country": ["CH", "DE"] * 50})
    reference = Reference.from_frame(training, features=training[["a", "b"]], slices=["country"])
    recording = FeatureRecording(References(reference, pytest.fail), {}, health, Drift(), ["country"])
    recorder = recording.recorder(Api.sync, "sync")
    call = recorder.inputs((training[:4],), {})
    call.record(semconv.SIGNAL_FEATURE, np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]), ["b", "a"])
    recorder.inputs(({"a": 1.0, "b": 1.0, "country": "DE"},), {}).record(
        semconv.SIGNAL_FEATURE, [5.0, 50.0], ["b", "a"]
    )
    slices = recorder._slices[0]._slices
    found = {value: slices[value]["feature"].snapshot().features for value in ("CH", "DE")}
    sums = {value: {name: feature.sum for name, feature in features.items()} for value, features in found.items()}
    assert sums["CH"] == pytest.approx({"a": 40.0, "b": 4.0})
    assert sums["DE"] == pytest.approx({"a": 110.0, "b": 11.0})
    assert counts(recorder, "feature") == {"a": (5, pytest.approx(150.0)), "b": (5, pytest.approx(15.0))}
