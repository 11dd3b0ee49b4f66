"""Classifiers whose truth is known, for the tests of what is estimated without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bento_observe import FeatureStatistics, Reference, semconv
from bento_observe.features import Snapshot
from bento_observe.features.estimate import Estimate, performance
from bento_observe.features.reference import SignalReference

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """Probabilities, rows x classes, and labels."""

    scores: Matrix
    labels: npt.NDArray[np.int64]


def predicted(rows: int, seed: int, classes: int = 2, shift: float = 0.0, boldness: float = 1.0) -> Predicted:
    """A model that knows how likely each class is; `boldness` makes it too sure, `shift` moves what it is asked for."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, classes))
    logits[:, 0] += shift
    likely = np.exp(logits)
    likely /= likely.sum(axis=1, keepdims=True)
    labels = (likely.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    said = likely**boldness
    return Predicted(said / said.sum(axis=1, keepdims=True), labels)


def reference(held_out: Predicted) -> Reference:
    return Reference.from_frame(np.zeros((len(held_out.labels), 1)), prediction=held_out.scores, label=held_out.labels)


def prediction(of: Reference) -> SignalReference:
    return of.signals[semconv.SIGNAL_PREDICTION]


def counted(signal: SignalReference, scores: Matrix) -> Snapshot:
    statistics = FeatureStatistics(signal)
    statistics.update(scores)
    return statistics.snapshot()


def estimated(signal: SignalReference, scores: Matrix) -> dict[str, Estimate]:
    snapshot = counted(signal, scores)
    assert snapshot.expected is not None
    assert signal.calibration is not None
    return performance(snapshot.expected, signal.calibration.rows)
