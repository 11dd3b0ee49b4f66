"""A classifier of two classes that answers one score a row is worth what its two columns would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _estimates import Matrix, Predicted, counted, predicted, prediction, reference

from bento_observe import Reference, semconv
from bento_observe.features import Group, encode
from bento_observe.features.concept import Judged
from bento_observe.features.reference import BadReferenceError, NumericReference, SignalReference
from bento_observe.feedback import shape_of
from bento_observe.feedback._identifier import _columns
from bento_observe.feedback._predicted import predicted as what_is_predicted

HELD_OUT = predicted(3000, 1, boldness=2.0)


def scored(of: Predicted = HELD_OUT, labels: Any = None) -> Reference:
    given = of.labels if labels is None else labels
    frame = pd.DataFrame({"x": 0.0, "score": of.scores[:, 1], "answer": given})
    return Reference.from_frame(frame, prediction="score", label="answer")


def named(labels: Any) -> Any:
    return np.where(np.asarray(labels) == 1, "yes", "no")


def test_it_is_calibrated_as_two_columns_are() -> None:
    """The same curves and figures; the score remains a feature, with buckets of its own, by which it can drift."""
    signal, both = prediction(scored(labels=named(HELD_OUT.labels))), prediction(reference(HELD_OUT))
    assert signal.calibration is not None
    assert both.calibration is not None
    assert signal.calibration.labels == ("no", "yes")
    assert signal.calibration.measured == both.calibration.measured
    for one, other in zip(signal.calibration.curves, both.calibration.curves, strict=True):
        np.testing.assert_allclose(one.scores, other.scores)
        np.testing.assert_allclose(one.shares, other.shares)
    assert signal.classes is None
    assert isinstance(signal.features["score"], NumericReference)


SHAPES: list[Callable[[Matrix], list[Any]]] = [
    lambda scores: [scores],
    lambda scores: [scores.reshape(-1, 1)],
    lambda scores: [scores.tolist()],
    lambda scores: scores.tolist(),
    lambda scores: list(scores),
    lambda scores: [pd.DataFrame({"score": scores})],
    lambda scores: [pd.Series(scores, name="score")],
    lambda scores: [{"score": score, "label": "yes"} for score in scores.tolist()],
    lambda scores: [[{"score": score} for score in scores.tolist()]],
]


@pytest.mark.parametrize("given", SHAPES)
def test_what_is_served_counts_as_two_columns_do(given: Callable[[Matrix], list[Any]]) -> None:
    """Arrays, columns, lists, floats alone, frames, and fields of results."""
    from bento_observe import FeatureStatistics

    served = predicted(400, 2, boldness=2.0).scores
    statistics = FeatureStatistics(prediction(scored()))
    for part in given(served[:, 1]):
        statistics.update(part)
    found, other = statistics.snapshot(), counted(prediction(reference(HELD_OUT)), served)
    assert found.expected is not None
    assert other.expected is not None
    assert found.expected.predicted.tolist() == other.expected.predicted.tolist()
    for name in ("hits", "misses", "hits_variance", "positives"):
        np.testing.assert_allclose(getattr(found.expected, name), getattr(other.expected, name), rtol=1e-9)
    assert found.features["score"].count == 400


def test_what_is_no_score_is_left_out_of_the_estimate() -> None:
    """And counted as the feature that it is."""
    found = counted(prediction(scored()), np.array([0.2, np.nan, 1.5, -0.1, np.inf, 1.0]))
    assert found.expected is not None
    assert found.expected.rows == 2
    assert found.features["score"].count == 4


@pytest.mark.parametrize(
    ("scores", "labels", "why"),
    [
        (HELD_OUT.scores[:, 1] * 2, named(HELD_OUT.labels), "one score a row has to be the probability of a label"),
        (HELD_OUT.scores[:, 1] - 0.5, HELD_OUT.labels, "the predictions are -0.5 to 0.5"),
        (HELD_OUT.scores[:, 1], np.arange(3000) % 3, "takes a label of two classes, there are 3"),
        (HELD_OUT.scores[:, 1].round(), HELD_OUT.labels, "the predictions are only 0 and 1: classes, no probabilities"),
        (HELD_OUT.scores[:, 0], named(HELD_OUT.labels), "the scores are not the higher for the label 'yes', the last"),
        (HELD_OUT.scores[:99, 1], HELD_OUT.labels[:99], "99 rows have probabilities and a label, fewer than 100"),
    ],
)
def test_why_scores_are_none_is_told(scores: Matrix, labels: Any, why: str) -> None:
    """In one line; the score is a feature all the same, without an estimate."""
    made = Reference.from_frame(np.zeros((len(scores), 1)), prediction=scores, label=labels)
    assert why in made.skipped["calibration"]
    assert prediction(made).calibration is None
    assert counted(prediction(made), scores).expected is None


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        (HELD_OUT.labels, HELD_OUT.labels),
        (named(HELD_OUT.labels), named(HELD_OUT.labels)),
        (HELD_OUT.scores[:, 1], HELD_OUT.scores[:, 0]),
        (HELD_OUT.scores[:, 1] * 9, np.arange(3000) % 7),
        (HELD_OUT.scores[:, 1], None),
    ],
)
def test_of_classes_and_of_values_nothing_is_said(predictions: Any, labels: Any) -> None:
    """They are no scores, and are not meant to be; nor is a number without labels."""
    made = Reference.from_frame(np.zeros((3000, 1)), prediction=predictions, label=labels)
    assert prediction(made).calibration is None
    assert made.skipped == {}


@pytest.mark.parametrize("signal", ["prediction", "label"])
def test_a_score_has_to_be_alone(signal: str) -> None:
    """Also where what is beside it is no feature."""
    frame = pd.DataFrame({"x": 0.0, "score": HELD_OUT.scores[:, 1], "answer": HELD_OUT.labels})
    frame["when"] = pd.Timestamp("2026-01-01")
    roles: dict[str, Any] = {"prediction": ["score"], "label": ["answer"]}
    roles[signal].append("when")
    made = Reference.from_frame(frame, **roles)
    assert prediction(made).calibration is None
    assert counted(prediction(made), {"score": [0.5]}).features["score"].count == 1


def test_files_have_what_frames_have_and_bring_it_back(tmp_path: Path) -> None:
    """However the data is cut; with slices; and a calibration that does not fit is refused."""
    frame = pd.DataFrame({"land": np.where(np.arange(3000) % 3, "DE", "FR"), "score": HELD_OUT.scores[:, 1]})
    frame["answer"] = HELD_OUT.labels
    frame.to_csv(tmp_path / "scores.csv", index=False)
    columns: dict[str, Any] = {"prediction": "score", "label": "answer", "slices": "land"}
    whole = Reference.from_frame(frame, **columns)
    assert Reference.from_file(tmp_path / "scores.csv", chunk_rows=700, **columns) == whole
    whole.save(tmp_path / "scores.json")
    loaded = Reference.load(tmp_path / "scores.json")
    assert loaded == whole
    assert loaded.slices["land"]["FR"]["prediction"].calibration is not None
    text = (tmp_path / "scores.json").read_text().replace('"columns": ["score"]', '"columns": ["score", "other"]')
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(BadReferenceError, match="are not the classes of the signal"):
        Reference.load(tmp_path / "scores.json")


def test_series_are_by_label() -> None:
    """As those of what labels say in the end are."""
    signal = prediction(scored(labels=named(HELD_OUT.labels)))
    group = Group({"ml.signal": "prediction"}, counted(signal, HELD_OUT.scores[:, 1]), signal)
    sent = {
        pair.value.string_value
        for metric in encode([group], 1, 2, 2)
        if metric.name == semconv.ESTIMATE_PREDICTIONS.name
        for point in metric.sum.data_points
        for pair in point.attributes
        if pair.key == semconv.ML_CLASS
    }
    assert sent == {"no", "yes"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (0.75, [("yes", 0.75)]),
        (0.25, [("no", 0.75)]),
        (np.float32(0.5), [("no", 0.5)]),
        (np.array([0.25, 1.0]), [("no", 0.75), ("yes", 1.0)]),
        (np.array([[0.25], [1.0]]), [("no", 0.75), ("yes", 1.0)]),
        ([0.25, 0.75], [("no", 0.75), ("yes", 0.75)]),
        ({"score": 0.75}, [("yes", 0.75)]),
        ({"score": 0.25, "label": "yes"}, [("yes", 0.25)]),
        ({"score": 0.25, "label": "no"}, [("no", 0.75)]),
        (pd.DataFrame({"score": [0.75]}), [("yes", 0.75)]),
    ],
)
def test_ids_carry_the_class_that_a_score_stands_for(output: Any, expected: list[tuple[str, float]]) -> None:
    """The likelier one, or the one that the service has decided for."""
    made = scored(labels=named(HELD_OUT.labels))
    shape = shape_of(made.signals["prediction"], made.signals["label"])
    rows = what_is_predicted(output, shape, 16)
    assert rows is not None
    assert [(row.name, row.confidence, row.of) for row in rows] == [(*one, 2) for one in expected]


def test_a_number_that_is_no_score_has_no_id() -> None:
    """Rather than one of a class that there is not."""
    made = scored()
    shape = shape_of(made.signals["prediction"], made.signals["label"])
    assert what_is_predicted(1.5, shape, 16) is None
    with pytest.raises(ValueError, match="from 0 to 1"):
        _columns(np.array([0.5, 1.5]), None, shape)


def test_ids_by_hand_are_of_scores_too() -> None:
    """An array of any length."""
    made = scored(labels=named(HELD_OUT.labels))
    found = _columns(np.array([0.25, 0.75]), None, shape_of(made.signals["prediction"], made.signals["label"]))
    assert (list(found.classes), list(found.confidence), found.of) == (["no", "yes"], [0.75, 0.75], 2)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_outcomes_of_scores_are_judged_as_those_of_two_columns(shape: tuple[int, ...]) -> None:
    """A score a row, or both."""

    def judged(signal: SignalReference, probabilities: Matrix) -> tuple[int, int, float]:
        one = Judged(signal)
        one.add_outcomes(probabilities, HELD_OUT.labels.tolist())
        one.step()
        found = one.judgement()
        return found.labels, found.errors, round(found.expected, 6)

    signal, scores = prediction(scored()), HELD_OUT.scores
    assert judged(signal, scores[:, 1].reshape(shape)) == judged(prediction(reference(HELD_OUT)), scores)
    assert judged(signal, scores) == judged(signal, scores[:, 1])
