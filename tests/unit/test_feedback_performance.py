"""What is made of the sums is what scikit-learn makes of the pairs; sums of several workers are those of all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._group import Group
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._performance import GroupKey, Model, Performance
from bento_observe.feedback._reading import TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._token import Context, Predictions, TokenMaker

KEYS = Keys((Key.of(b"a key"),))
CONTEXT = Context("api", "m", "1")


def counted(predictions: Predictions, labels: Any, known: tuple[str, ...] = (), centre: float = 0.0) -> Group:
    """The sums of so many pairs, by way of ids."""
    performance = Performance(lambda model: Classes(known, known), lambda model: centre)
    seen = Seen(None, 100_000, pytest.fail)
    matcher = Matcher(TokenReader(KEYS), lambda: seen, performance, 3600, lambda context, labels: None, lambda: 100.0)
    ids = TokenMaker(KEYS).tokens([CONTEXT], predictions, b"nonce 01", 100.0)
    assert matcher.take(ids, labels.tolist()).matched == len(labels)
    return dict(performance.groups())[GroupKey(Model(*CONTEXT[:3]))]


def binary(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> Group:
    names = ["true" if score > 0.5 else "false" for score in scores]
    confidence = np.where(scores > 0.5, scores, 1 - scores).tolist()
    return counted(Predictions(names, confidence=confidence, of=2), labels)


def test_confusion_counts_give_scikit_learns_figures() -> None:
    """Accuracy, precision, recall and F1 of each class, macro and weighted, of five classes of which one is rare."""
    random = np.random.default_rng(3)
    names = np.array(["a", "b", "c", "d", "rare"])
    labels = random.choice(names, 5000, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    predicted = np.where(random.random(5000) < 0.7, labels, random.choice(names, 5000))
    group = counted(Predictions(predicted.tolist()), labels)
    pairs: Counter[tuple[str, str]] = Counter()
    for (one, other, _), count in group.confusion.items():
        pairs[one, other] += count
    assert [[pairs[one, other] for one in names] for other in names] == metrics.confusion_matrix(
        labels, predicted, labels=names
    ).tolist()
    right = sum(count for (_, _, correct), count in group.confusion.items() if correct)
    assert right / group.labels == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-9)


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("middle", [0.0, -4.0])
def test_scores_give_scikit_learns_figures(spread: float, middle: float) -> None:
    """From a model that hardly tells anything to one that is certain, and of a rare event."""
    random = np.random.default_rng(5)
    scores = 1 / (1 + np.exp(-random.normal(middle, spread, 20_000)))
    labels = random.random(20_000) < scores
    kept = binary(scores, labels).scores["true"]
    positive, negative = kept.histograms[True].counts, kept.histograms[False].counts
    area = ((negative.cumsum() - negative + negative / 2) * positive).sum() / positive.sum() / negative.sum()
    assert area == pytest.approx(metrics.roc_auc_score(labels, scores), abs=0.002)
    assert kept.brier / 20_000 == pytest.approx(metrics.brier_score_loss(labels, scores), abs=1e-9)
    assert kept.log_loss / 20_000 == pytest.approx(metrics.log_loss(labels, scores), abs=1e-9)
    counts = kept.bins[True] + kept.bins[False]
    error = np.abs(kept.bins[True] - kept.sums).sum() / counts.sum()
    assert error == pytest.approx(_expected_calibration_error(scores, labels), abs=1e-9)


def _expected_calibration_error(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> float:
    """Of ten bins of one width, as `sklearn.calibration.calibration_curve` has them."""
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores)
    return float(
        sum(
            abs(labels[bins == number].mean() - scores[bins == number].mean()) * (bins == number).mean()
            for number in np.unique(bins)
        )
    )


def test_of_more_classes_the_event_is_that_the_predicted_one_is_right() -> None:
    """Its Brier score and its bins are those of confidence and correctness."""
    random = np.random.default_rng(9)
    confidence = random.uniform(0.34, 1, 3000)
    predicted = random.integers(0, 3, 3000)
    labels = np.where(random.random(3000) < confidence, predicted, (predicted + 1) % 3)
    group = counted(Predictions(list(map(str, predicted)), confidence=confidence.tolist(), of=3), labels)
    kept = group.scores[semconv.EVENT_PREDICTED]
    right = predicted == labels
    assert kept.brier / 3000 == pytest.approx(metrics.brier_score_loss(right, confidence), abs=1e-9)
    assert kept.bins[True].sum() == right.sum()


def test_errors_of_values_give_scikit_learns_figures() -> None:
    """Absolute, squared, bias and R², around the mean of training or around 0."""
    random = np.random.default_rng(1)
    true = random.normal(50, 10, 4000)
    predicted = true + random.normal(1, 3, 4000)
    for centre in (50.0, 0.0):
        values = counted(Predictions(values=predicted.tolist()), true, centre=centre).values
        assert values is not None
        assert (values.above + values.below) / 4000 == pytest.approx(metrics.mean_absolute_error(true, predicted), 1e-9)
        assert values.squares / 4000 == pytest.approx(metrics.mean_squared_error(true, predicted), 1e-9)
        assert (values.above - values.below) / 4000 == pytest.approx((predicted - true).mean(), 1e-9)
        total = values.label_squares - (values.label_above - values.label_below) ** 2 / 4000
        assert 1 - values.squares / total == pytest.approx(metrics.r2_score(true, predicted), abs=1e-9)
        assert values.histogram.counts.sum() == 4000


def test_sums_of_two_workers_are_those_of_one() -> None:
    """Confusion, scores and errors alike."""
    random = np.random.default_rng(2)
    scores = random.random(2000)
    labels = random.random(2000) < scores
    whole, parts = (
        binary(scores, labels),
        [binary(scores[half], labels[half]) for half in (slice(900), slice(900, None))],
    )
    assert whole.confusion == parts[0].confusion + parts[1].confusion
    for outcome in (True, False):
        histograms = [part.scores["true"].histograms[outcome].counts for part in parts]
        assert (whole.scores["true"].histograms[outcome].counts == sum(histograms)).all()
    assert whole.scores["true"].brier == pytest.approx(sum(part.scores["true"].brier for part in parts))


def test_a_class_without_a_confidence_has_no_scores() -> None:
    """Nor has one whose confidence is none."""
    group = counted(Predictions(["a", "b"], confidence=[float("nan"), 1.5]), np.array(["a", "a"]))
    assert dict(group.scores) == {}
    assert group.labels == 2


def test_the_positive_class_is_the_last_of_two() -> None:
    """As scikit-learn has it, where it is known that there are two."""
    names = ["no", "yes", "no"]
    group = counted(
        Predictions(names, confidence=[0.9, 0.8, 0.7], of=2), np.array(["no", "yes", "yes"]), known=("no", "yes")
    )
    assert list(group.scores) == ["yes"]
    assert group.scores["yes"].sums.sum() == pytest.approx(0.1 + 0.8 + 0.3)
    assert group.scores["yes"].bins[True].sum() == 2
