"""Names that an id cuts are the worker's own again when its label comes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from bento_observe import semconv
from bento_observe._label_keys import KEYS, Key, Keys
from bento_observe.feedback._feedback import Feedback
from bento_observe.feedback._performance import Model
from bento_observe.feedback._predicted import Shape
from bento_observe.feedback._token import Context, Predictions, TokenMaker, carried_name
from bento_observe.settings import from_environment
from bento_observe.telemetry import Health

SECRET = "a key of sixteen or more"
API, MODEL, VERSION = (f"{kind}-{'long' * 20}" for kind in ("api", "model", "version"))


class Worker:
    """A worker's feedback, and what it passes on."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, list[Any]]] = []
        self.judged: list[tuple[str, Sequence[str], list[bool]]] = []
        self.feedback = Feedback(
            from_environment(),
            {semconv.ML_MODEL_NAME: MODEL, semconv.ML_MODEL_VERSION: VERSION},
            Shape(classes=True, names=("no", "yes")),
            lambda api, labels: self.counted.append((api, labels)),
            lambda api, names, _predicted, _confidence, correct: self.judged.append((api, names, correct.tolist())),
            Health(),
            False,
            "service",
        )
        self.feedback.identifier(API)

    def take(self, context: Context, label: str) -> dict[int, str]:
        """Why a label of a prediction of `yes` is refused."""
        maker = TokenMaker(Keys((Key.of(SECRET.encode()),)))
        ids = maker.tokens([context], Predictions(["yes"], confidence=[0.9]), bytes(8), time.time())
        return self.feedback.matcher.take(ids, [label]).refused

    def models(self) -> set[Model]:
        return {key.model for key, _ in self.feedback._performance.groups()}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Worker:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(KEYS, SECRET)
    return Worker()


def test_labels_of_long_names_are_counted_and_judged_under_the_whole_ones(worker: Worker) -> None:
    """As everything else is that tells of that model."""
    assert worker.take(Context(API, MODEL, VERSION), "yes") == {}
    assert worker.counted == [(API, ["yes"])]
    assert worker.judged == [(API, ["yes"], [True])]
    assert worker.models() == {Model(API, MODEL, VERSION)}


def test_the_references_classes_are_those_of_a_model_with_a_long_name(worker: Worker) -> None:
    """What it does not have is refused."""
    assert worker.take(Context(API, MODEL, VERSION), "perhaps") == {0: semconv.LABEL_UNKNOWN_CLASS}


def test_another_model_keeps_its_name_as_the_id_has_it(worker: Worker) -> None:
    """Even if it begins as ours does; so does an API of another service, and nothing is judged of another model."""
    api, model = f"{API}x", f"{MODEL}x"
    assert worker.take(Context(api, model, VERSION), "perhaps") == {}
    assert worker.models() == {Model(carried_name(api), carried_name(model), VERSION)}
    assert worker.judged == []


def test_without_ids_of_its_own_a_worker_knows_its_apis_all_the_same(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels may come for ids of before."""
    monkeypatch.setenv("BENTO_OBSERVE_PREDICTION_HEADER", "none")
    silent = Worker()
    assert silent.feedback.identifier(API) is None
    silent.take(Context(API, MODEL, VERSION), "no")
    assert silent.counted == [(API, ["no"])]
    assert silent.judged == [(API, ["yes"], [False])]
