"""What is expected of predictions without their labels: near the truth, with a band that holds, and additive."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from _estimates import Predicted, counted, estimated, predicted, prediction, reference
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.features.estimate import performance_of_classes
from bento_observe.features.reference import Calibration
from bento_observe.features.reference._calibration import Curve
from bento_observe.features.reference._isotonic import MAX_STEPS, isotonic


def truth(of: Predicted) -> dict[str, float]:
    """What scikit-learn makes of the labels."""
    chosen = of.scores.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(of.labels, chosen, average="macro")
    several = of.scores.shape[1] > 2
    area = roc_auc_score(of.labels, of.scores if several else of.scores[:, 1], multi_class="ovr")
    found = (accuracy_score(of.labels, chosen), precision, recall, f1, area)
    return dict(zip(semconv.PERFORMANCE_METRICS, map(float, found), strict=True))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("boldness", [1.0, 3.0])
def test_the_estimate_is_near_the_truth_though_inputs_shifted(classes: int, boldness: float) -> None:
    """Of a model that is right about its chances, and of one that is far too sure; no labels are looked at."""
    signal = prediction(reference(predicted(20_000, 1, classes, boldness=boldness)))
    served = predicted(20_000, 2, classes, shift=1.5, boldness=boldness)
    found, real = estimated(signal, served.scores), truth(served)
    before = truth(predicted(20_000, 3, classes, boldness=boldness))
    assert abs(real["accuracy"] - before["accuracy"]) > 0.02, "inputs are to shift"
    for metric, value in real.items():
        assert found[metric].value == pytest.approx(value, abs=0.02 if metric == "accuracy" else 0.03), metric


def test_a_concept_that_drifts_is_not_seen() -> None:
    """That is what the estimate assumes, and why labels are compared with it."""
    signal = prediction(reference(predicted(20_000, 1)))
    served = predicted(20_000, 2)
    turned = np.where(np.random.default_rng(3).random(20_000) < 0.3, 1 - served.labels, served.labels)
    found = estimated(signal, served.scores)["accuracy"]
    assert found.low > accuracy_score(turned, served.scores.argmax(axis=1)) + 0.05


def test_the_band_holds_the_truth_as_often_as_it_says() -> None:
    """Of 100 windows of other rows, each with a reference of its own, at least nine in ten, of any figure."""
    missed = dict.fromkeys(semconv.PERFORMANCE_METRICS, 0)
    for number in range(100):
        signal = prediction(reference(predicted(1000, 2 * number)))
        served = predicted(500, 2 * number + 1)
        real = truth(served)
        for metric, found in estimated(signal, served.scores).items():
            missed[metric] += not found.low <= real[metric] <= found.high
    assert all(count <= 10 for count in missed.values()), missed
    assert missed["accuracy"] >= 1, "a band that is never missed is too wide"


def test_sums_of_parts_are_those_of_the_whole() -> None:
    """Whatever the rows were cut into, over threads, workers or time."""
    signal = prediction(reference(predicted(3000, 1, 3)))
    scores = predicted(5000, 2, 3).scores
    whole = counted(signal, scores).expected
    first, second = counted(signal, scores[:1700]), counted(signal, scores[1700:])
    statistics = FeatureStatistics(signal)
    statistics.update(scores[:1700])
    statistics.merge(second)
    assert whole is not None
    assert whole.rows == 5000
    for both in (first + second, pickle.loads(pickle.dumps(first + second)), statistics.snapshot()):
        assert both.expected is not None
        for name in ("predicted", "hits", "misses", "hits_variance", "misses_variance", "positives", "negatives"):
            np.testing.assert_allclose(getattr(both.expected, name), getattr(whole, name), rtol=1e-12)
    later = (first + second - second).expected
    assert later is not None
    assert first.expected is not None
    np.testing.assert_allclose(later.hits, first.expected.hits, rtol=1e-9)


def test_deltas_are_what_came_between() -> None:
    """And nothing comes twice."""
    signal = prediction(reference(predicted(1000, 1)))
    statistics = FeatureStatistics(signal)
    rows = []
    for number in (10, 0, 25):
        statistics.update(predicted(number, 2).scores) if number else None
        expected = statistics.delta().expected
        assert expected is not None
        rows.append(expected.rows)
    assert rows == [10, 0, 25]


def test_probabilities_by_name_can_come_in_any_order() -> None:
    """The columns of a frame, and the fields of dicts."""
    held_out = predicted(2000, 3)
    columns = pd.DataFrame(held_out.scores, columns=["no", "yes"])
    labels = np.where(held_out.labels == 1, "yes", "no")
    made = prediction(Reference.from_frame(np.zeros((2000, 1)), prediction=columns, label=labels))
    served = pd.DataFrame(predicted(300, 4).scores, columns=["no", "yes"])
    expected = counted(made, served.to_numpy()).expected
    assert expected is not None
    for data in (served[["yes", "no"]], served[["yes", "no"]].to_dict("records")):
        statistics = FeatureStatistics(made)
        statistics.update(data)
        found = statistics.snapshot()
        assert found.expected is not None
        assert found.expected.hits.tolist() == pytest.approx(expected.hits.tolist())
        assert found.expected.predicted.tolist() == expected.predicted.tolist()
        assert set(found.features) == {"confidence", "entropy", "class"}


def test_rows_that_are_no_numbers_are_left_out() -> None:
    """As of the statistics of confidence."""
    signal = prediction(reference(predicted(1000, 1)))
    scores = predicted(100, 2).scores.copy()
    scores[:7, 1] = np.nan
    expected = counted(signal, scores).expected
    assert expected is not None
    assert expected.rows == 93
    assert np.isfinite(expected.positives).all()


def test_nothing_served_is_no_estimate() -> None:
    """Rather than one of nothing."""
    signal = prediction(reference(predicted(1000, 1)))
    assert estimated(signal, np.empty((0, 2))) == {}


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    """And is in no mean."""
    signal = prediction(reference(predicted(1000, 1, 3)))
    served = predicted(400, 2, 3).scores
    served = served[served.argmax(axis=1) != 1]
    expected = counted(signal, served).expected
    assert expected is not None
    values, _ = performance_of_classes(expected, 1000)["precision"]
    assert np.isnan(values).tolist() == [False, True, False]
    assert estimated(signal, served)["precision"].value == pytest.approx(values[[0, 2]].mean())


def test_what_the_held_out_predictions_came_to_is_in_the_reference() -> None:
    """As scikit-learn has it; the area to the width of the bins."""
    held_out = predicted(5000, 1, 3)
    calibration = prediction(reference(held_out)).calibration
    assert calibration is not None
    real = truth(held_out)
    assert calibration.measured.keys() == real.keys()
    for metric, value in real.items():
        assert calibration.measured[metric] == pytest.approx(value, abs=3e-3 if metric == "roc_auc" else 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_curves_are_scikit_learn_s(seed: int) -> None:
    """With ties, and as many steps as there are."""
    random = np.random.default_rng(seed)
    scores = random.random(400).round(seed + 1)
    truths = (random.random(400) < scores**2).astype(np.float64)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, truths)
    asked = np.linspace(-0.1, 1.1, 301)
    np.testing.assert_allclose(Curve(*isotonic(scores, truths))(asked), theirs.predict(asked), atol=1e-9)


def test_a_curve_has_no_more_steps_than_it_may() -> None:
    """Here as many as rows would do; it still rises, and is near."""
    scores = np.linspace(0, 1, 5000)
    knots, shares = isotonic(scores, scores)
    assert knots.size <= 2 * MAX_STEPS
    assert (np.diff(knots) > 0).all()
    assert (np.diff(shares) >= 0).all()
    assert np.abs(Curve(knots, shares)(scores) - scores).max() < 1 / MAX_STEPS


def test_a_curve_that_is_worse_than_none_is_none() -> None:
    """Of a model that is right about its chances, and of few rows; of one that is not, it stays."""
    right, bold = (prediction(reference(predicted(300, 1, boldness=one))).calibration for one in (1.0, 4.0))
    assert right is not None
    assert bold is not None
    assert [curve.shares.tolist() for curve in right.curves] == [[0.0, 1.0]] * 2
    assert all(curve.shares.size > 2 for curve in bold.curves)


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        (None, ["no", "yes"]),
        (None, [False, True]),
        (None, [9, 10]),
        (["yes", "no"], ["yes", "no"]),
        ([False, True], [False, True]),
        (["9", "10"], [9, 10]),
        (["p_cat", "p_car"], ["t", "r"]),
        (["p_0", "p_1"], [0, 1]),
    ],
)
def test_labels_are_found_among_the_classes(columns: list[object] | None, labels: list[object]) -> None:
    """By their names, or, where columns have none, in their order, as scikit-learn has `classes_`."""
    held_out = predicted(2000, 1)
    scores = held_out.scores if columns is None else pd.DataFrame(held_out.scores, columns=columns)
    given = pd.Series([labels[label] for label in held_out.labels.tolist()])
    made = Reference.from_frame(np.zeros((2000, 1)), prediction=scores, label=given)
    calibration = prediction(made).calibration
    assert calibration is not None
    assert calibration.measured["accuracy"] == accuracy_score(held_out.labels, held_out.scores.argmax(axis=1))
    assert made.skipped == {}


@pytest.mark.parametrize(
    ("rows", "classes", "label", "why"),
    [
        (500, 2, "other", "the labels are 'other 0', 'other 1', the probabilities are of 'a', 'b'; name the columns"),
        (99, 2, "", "99 rows have probabilities and a label, fewer than 100"),
        (500, 21, "", "there are 21 classes, more than 20"),
    ],
)
def test_why_there_is_no_calibration_is_told(rows: int, classes: int, label: str, why: str) -> None:
    """In one line, with what to do; the rest of the reference is there."""
    held_out = predicted(rows, 1, classes)
    names = [chr(ord("a") + number) for number in range(classes)]
    given = [f"{label} {one}" if label else names[one] for one in held_out.labels.tolist()]
    made = Reference.from_frame(
        np.zeros((rows, 1)), prediction=pd.DataFrame(held_out.scores, columns=names), label=pd.Series(given)
    )
    assert why in made.skipped["calibration"]
    assert prediction(made).calibration is None
    assert counted(prediction(made), held_out.scores).expected is None


def test_an_order_of_labels_that_is_not_that_of_the_probabilities_is_not_taken_for_it() -> None:
    """As where a model of one's own puts the positive class first; names would say so."""
    held_out = predicted(2000, 1)
    labels = np.where(held_out.labels == 0, "repaid", "default")
    made = Reference.from_frame(np.zeros((2000, 1)), prediction=held_out.scores, label=labels)
    assert "name the columns of probabilities as the labels are" in made.skipped["calibration"]


def test_a_file_is_calibrated_as_a_frame_is(tmp_path: Path) -> None:
    """However it is cut into pieces."""
    held_out = predicted(1500, 1)
    frame = pd.DataFrame(held_out.scores, columns=["p_no", "p_yes"])
    frame["x"], frame["answer"] = 0.0, np.where(held_out.labels == 1, "yes", "no")
    frame.to_csv(tmp_path / "held_out.csv", index=False)
    columns: dict[str, Any] = {"prediction": ["p_no", "p_yes"], "label": "answer"}
    whole = Reference.from_frame(frame, **columns)
    assert prediction(whole).calibration is not None
    assert Reference.from_file(tmp_path / "held_out.csv", chunk_rows=400, **columns) == whole


def test_rows_without_a_label_are_not_calibrated_on() -> None:
    """They are predictions all the same."""
    held_out = predicted(1000, 1)
    labels = held_out.labels.astype(np.float64)
    labels[:300] = np.nan
    calibration = prediction(
        Reference.from_frame(np.zeros((1000, 1)), prediction=held_out.scores, label=labels)
    ).calibration
    assert isinstance(calibration, Calibration)
    assert calibration.rows == 700
