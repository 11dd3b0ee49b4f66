"""Labels that come by ids are judged as those that a handler compares itself, each once, and only with their model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from _estimates import Predicted, predicted, prediction, reference

from bento_observe import Reference
from bento_observe._label_keys import KEYS, Key, Keys
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.features.concept import Judged, Judgement
from bento_observe.feedback import Feedback, shape_of
from bento_observe.feedback._shape import Shape
from bento_observe.feedback._token import Context, Predictions, TokenMaker
from bento_observe.settings import from_environment
from bento_observe.telemetry import Health

KEY = "a key that is long enough for it"
MODEL = {"ml.model.name": "m", "ml.model.version": "2"}


class Api:
    def predict(self, rows: list[float]) -> None:
        """Not called: only what it takes is looked at."""


class Method:
    func = Api.predict
    ctx_param = None
    name = "predict"

    class input_spec:  # noqa: N801 - as BentoML calls it
        model_fields: Mapping[str, Any] = {}


class Worker:
    """What of a worker labels go through, from ids to judgements."""

    def __init__(self, compared: Reference, model: Mapping[str, str] = MODEL) -> None:
        self.health = Health()
        self.recording = FeatureRecording(References(compared, pytest.fail), dict(model), self.health, Drift())
        self.recording.recorder(Method, "predict", ["rows"])
        self.shape = shape_of(compared.signals.get("prediction"), compared.signals.get("label"))
        self.feedback = Feedback(
            from_environment(), model, self.shape, self.recording.labelled, self.recording.judge, self.health, False,
            "service",
        )  # fmt: skip
        self._maker = TokenMaker(Keys((Key.of(KEY.encode()),)))
        self._made = 0

    def ids(
        self, of: Predicted, api: str = "predict", version: str = "2", slices: tuple[tuple[str, str], ...] = ()
    ) -> list[str]:
        self._made += 1
        names = [self.shape.columns[position] for position in of.scores.argmax(axis=1)]
        made = Predictions(names, confidence=of.scores.max(axis=1).tolist(), of=of.scores.shape[1])
        context = Context(api, "m", version, slices)
        return self._maker.tokens([context], made, self._made.to_bytes(8, "big"), 1e9 * 4)

    def judgement(self) -> Judgement:
        judged = self.recording.judged("predict")
        assert judged is not None
        judged.step()
        return judged.judgement()

    def take(self, ids: list[str], labels: Any) -> int:
        return self.feedback.matcher.take(ids, np.asarray(labels).tolist()).matched


@pytest.fixture(autouse=True)
def _own_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(KEYS, KEY)


def favoured(rows: int, seed: int, classes: int, shift: float = 0.0) -> Predicted:
    """A model that says one class far too often, as one does that was trained on as many rows of each."""
    fair = predicted(rows, seed, classes, shift)
    said = fair.scores * np.where(np.arange(classes) == classes - 1, 6.0, 1.0)
    return Predicted(said / said.sum(axis=1, keepdims=True), fair.labels)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("shift", [0.0, 1.0, -1.0])
def test_a_hundred_thousand_labels_without_drift_are_no_alarm(classes: int, shift: float) -> None:
    """Of a model that favours a class, also where the classes are asked for more or less often than before."""
    worker = Worker(reference(favoured(5000, 1, classes)))
    most = 0.0
    for seed in range(2, 22):
        served = favoured(5000, seed, classes, shift)
        assert worker.take(worker.ids(served), served.labels) == 5000
        judgement = worker.judgement()
        assert not judgement.drifted
        most = max(most, judgement.evidence)
    assert judgement.labels == 100_000
    assert judgement.errors > 10_000
    assert judgement.expected == pytest.approx(judgement.errors, rel=0.12)
    assert 0 < most < 1


@pytest.mark.parametrize("classes", [2, 4])
def test_a_concept_that_drifts_is_found_by_labels_with_ids(classes: int) -> None:
    """Within some hundred of them, where a quarter of the labels is another one now."""
    worker = Worker(reference(favoured(5000, 1, classes)))
    usual = favoured(2000, 2, classes)
    worker.take(worker.ids(usual), usual.labels)
    assert not worker.judgement().drifted
    served = favoured(2000, 3, classes)
    turned = np.where(np.random.default_rng(4).random(2000) < 0.25, (served.labels + 1) % classes, served.labels)
    ids, after = worker.ids(served), None
    for start in range(0, 2000, 100):
        worker.take(ids[start : start + 100], turned[start : start + 100])
        if worker.judgement().drifted:
            after = start + 100
            break
    assert after is not None
    assert after <= 1500


@pytest.mark.parametrize("classes", [2, 4])
def test_both_ways_judge_alike(classes: int) -> None:
    """By ids, and by probabilities and labels that a handler has together."""
    compared = reference(favoured(3000, 1, classes))
    worker, by_hand = Worker(compared), Judged(prediction(compared))
    served = favoured(500, 2, classes)
    worker.take(worker.ids(served), served.labels)
    by_hand.add_outcomes(served.scores, served.labels.tolist())
    by_hand.step()
    found, other = worker.judgement(), by_hand.judgement()
    assert (found.labels, found.errors) == (other.labels, other.errors) == (500, other.errors)
    assert found.expected == pytest.approx(other.expected)


def test_a_pair_is_judged_once() -> None:
    """Whatever slices it is in, and however often its label comes."""
    worker = Worker(reference(predicted(1000, 1)))
    served = predicted(200, 2)
    ids = worker.ids(served, slices=(("country", "DE"), ("age", "old")))
    assert worker.take(ids, served.labels) == 200
    assert worker.take(ids, served.labels) == 0
    assert worker.judgement().labels == 200


def test_only_predictions_of_the_same_model_and_api_are_judged() -> None:
    """The calibration is of no other; labels of theirs are matched all the same."""
    worker = Worker(reference(predicted(1000, 1)))
    served = predicted(50, 2)
    assert worker.take(worker.ids(served, version="1"), served.labels) == 50
    assert worker.take(worker.ids(served, api="another"), served.labels) == 50
    assert worker.judgement().labels == 0
    assert worker.take(worker.ids(served), served.labels) == 50
    assert worker.judgement().labels == 50


def test_without_a_calibration_nothing_is_judged_and_nothing_is_lost() -> None:
    """A reference without labels cannot say what to expect."""
    worker = Worker(Reference.from_frame(np.zeros((100, 1)), prediction=predicted(100, 1).scores))
    served = predicted(50, 2)
    assert worker.take(worker.ids(served), served.labels) == 50
    assert worker.recording.judged("predict") is None
    assert worker.health.counts() == Health().counts()


def test_ids_call_classes_as_labels_do() -> None:
    """Where the columns of the training data have a prefix; so that what is right counts as right."""
    import pandas as pd

    held_out = predicted(1000, 1)
    made = Reference.from_frame(
        np.zeros((1000, 1)),
        prediction=pd.DataFrame(held_out.scores, columns=["p_no", "p_yes"]),
        label=np.where(held_out.labels == 1, "yes", "no"),
    )
    worker = Worker(made)
    assert worker.shape.columns == ("no", "yes")
    served = predicted(300, 2)
    assert worker.take(worker.ids(served), np.where(served.labels == 1, "yes", "no")) == 300
    errors = int((served.scores.argmax(axis=1) != served.labels).sum())
    assert (worker.judgement().labels, worker.judgement().errors) == (300, errors)


def test_truth_values_are_the_numbers_of_the_reference() -> None:
    """As a handler may tell a class of two."""
    worker = Worker(reference(predicted(1000, 1)))
    worker.shape = Shape(columns=("false", "true"))
    served = predicted(100, 2)
    assert worker.take(worker.ids(served), served.labels) == 100
    assert worker.judgement().labels == 100
