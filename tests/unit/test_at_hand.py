"""Labels on a device are not waited for: they are dropped, counted, and told in a line that says what to do.

PyTorch is too large for these tests: a stand-in has what we call, and fails where it would keep its reader waiting.
"""

from __future__ import annotations

import logging
import sys
import types
from typing import Any

import bentoml
import numpy as np
import pytest
from _estimates import predicted, reference

from bento_observe import record_outcomes, semconv
from bento_observe._recorder import current_call
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.feedback._intake import LabelIntake
from bento_observe.feedback._matching import Matched
from bento_observe.telemetry import Health


class Tensor:
    """Of `torch`, on the CPU or not."""

    def __init__(self, array: Any, device: str) -> None:
        self.device = types.SimpleNamespace(type=device)
        self._array = np.asarray(array)

    def detach(self) -> Tensor:
        return self

    def __len__(self) -> int:
        return len(self._array)

    def numpy(self) -> Any:
        assert self.device.type == "cpu", "this would wait"
        return self._array

    def tolist(self) -> Any:
        return self.numpy().tolist()

    def __array__(self, *options: Any, **more: Any) -> Any:
        return np.array(self.numpy(), *options)

    def __float__(self) -> float:
        return float(self.numpy())


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("torch")
    monkeypatch.setattr(module, "Tensor", Tensor, raising=False)
    monkeypatch.setitem(sys.modules, "torch", module)


class Taking:
    """Has every label matched."""

    def __init__(self) -> None:
        self.labels: list[object] = []

    def take(self, ids: Any, labels: Any) -> Matched:
        self.labels += labels
        return Matched(len(labels), {})


def test_labels_on_a_device_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Those on the CPU are labels as any."""
    health, matcher = Health(), Taking()
    intake = LabelIntake(matcher, health)
    with caplog.at_level(logging.WARNING, "bento_observe"):
        intake.put(["a", "b"], Tensor([0, 1], "cuda"))
        intake.put(["a", "b"], [Tensor(0, "cpu"), Tensor(1, "cuda")])
    intake.put(["a", "b"], Tensor([0, 1], "cpu"))
    intake.step()
    assert matcher.labels == [0, 1]
    assert health.counts()[semconv.DROPPED] == {("labels", "not_at_hand"): 4}
    assert health.total(semconv.ERRORS) == 0
    (line,) = (record.getMessage() for record in caplog.records if "record_labels" in record.getMessage())
    assert "tensor.cpu()" in line


class Feedback:
    @bentoml.api
    def judge(self, probabilities: np.ndarray, labels: list) -> None:
        """Not called: only what it takes is looked at."""


@pytest.mark.parametrize("labels_too", [False, True])
def test_outcomes_on_a_device_are_dropped_and_counted(caplog: pytest.LogCaptureFixture, labels_too: bool) -> None:
    """As a whole call, whichever of the two it is."""
    health, served = Health(), predicted(40, 5)
    recording = FeatureRecording(References(reference(predicted(500, 1)), pytest.fail), {}, health, Drift())
    token = current_call.set(recording.recorder(Feedback.judge, "judge").inputs((), {}))
    try:
        with caplog.at_level(logging.WARNING, "bento_observe"):
            scores = served.scores if labels_too else [Tensor(row, "cuda") for row in served.scores]
            record_outcomes(scores, Tensor(served.labels, "cuda") if labels_too else served.labels)
        judged = recording.judged("judge")
        assert judged is not None
        assert judged.pending == 0
        record_outcomes(Tensor(served.scores, "cpu"), Tensor(served.labels, "cpu"))
        assert judged.pending == 40
    finally:
        current_call.reset(token)
    assert health.counts()[semconv.DROPPED] == {("features", "not_at_hand"): 1}
    assert health.total(semconv.ERRORS) == 0
    assert any("record_outcomes: a tensor" in record.getMessage() for record in caplog.records)
