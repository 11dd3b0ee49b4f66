"""Predictions whose labels came: how many were wrong, and how many were to be expected to be."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.features._text import category
from bento_observe.features._types import CHUNK_VALUES, FloatArray
from bento_observe.features.concept._detector import ErrorDetector, tolerated
from bento_observe.features.reference import Calibration, SignalReference

__all__ = ["Judged", "Judgement"]

_MOST_WAITING: Final = 200_000
_ALIKE: Final = {"true": "1", "false": "0", "1": "true", "0": "false"}
"""What a handler's truth values and a reference's numbers may be told as, or the other way round."""

_Positions = npt.NDArray[np.intp]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Sums over predictions with labels, and what the detector says of them now.

    Attributes:
        labels: how many there were.
        errors: how many of these were wrong.
        expected: how many of them were to be expected to be wrong, by their confidence.
        variance: of that number, given the calibration.
        drifted: whether errors have become more frequent than they should be.
        since: when that probably began, seconds of the epoch.
        evidence: how near to an alarm the detector is, 0 to 1.
    """

    labels: int
    errors: int
    expected: float
    variance: float
    drifted: bool
    since: float | None
    evidence: float

    def __sub__(self, earlier: Judgement) -> Judgement:
        """The sums of what came between; what the detector says is what it says now."""
        return replace(
            self,
            labels=self.labels - earlier.labels,
            errors=self.errors - earlier.errors,
            expected=max(0.0, self.expected - earlier.expected),
            variance=max(0.0, self.variance - earlier.variance),
        )


class Judged:
    """Takes predictions with their labels from any thread, and judges them when it is told to.

    Args:
        reference: of predicted probabilities, with a calibration.

    Raises:
        ValueError: it has none.
    """

    def __init__(self, reference: SignalReference) -> None:
        if reference.calibration is None:
            raise ValueError("labels cannot be compared with what probabilities say: the reference has no calibration")
        self.reference_id: Final = reference.id
        self.reference_rows: Final = reference.calibration.rows
        self._calibration: Final[Calibration] = reference.calibration
        self._scores: Final = reference.classes is None
        self._classes: Final = len(reference.calibration.labels)
        self._positions: Final = {
            name: position for names in (reference.classes or (), reference.calibration.labels)
            for position, name in enumerate(names)
        }  # fmt: skip
        for name, other in _ALIKE.items():
            if other in self._positions:
                self._positions.setdefault(name, self._positions[other])
        accuracy = reference.calibration.measured.get(semconv.METRIC_ACCURACY, 0.5)
        self._detector = ErrorDetector(tolerated(self.reference_rows, 1.0 - accuracy))
        self._lock = threading.Lock()
        self._waiting: deque[tuple[_Positions, FloatArray, _Flags, float]] = deque()
        self._waiting_rows = 0
        self._labels = self._errors = 0
        self._expected = self._variance = 0.0

    @property
    def pending(self) -> int:
        """How many predictions wait to be judged."""
        return self._waiting_rows

    def add(self, predicted: _Positions, confidence: FloatArray, correct: _Flags) -> int:
        """Predictions whose labels came: the position of each predicted class, its probability, whether it was right.

        Those whose class is -1, or whose probability is none, are left out. Returns how many there was no room for.
        """
        known = (predicted >= 0) & (confidence >= 0) & (confidence <= 1)
        predicted, confidence, correct = predicted[known], confidence[known], correct[known]
        now = time.time()
        with self._lock:
            taken = min(confidence.size, _MOST_WAITING - self._waiting_rows)
            for start in range(0, taken, CHUNK_VALUES):
                end = min(start + CHUNK_VALUES, taken)
                self._waiting.append((predicted[start:end], confidence[start:end], correct[start:end], now))
            self._waiting_rows += taken
        return int(confidence.size - taken)

    def add_named(self, names: Sequence[str], number: _Positions, confidence: FloatArray, correct: _Flags) -> int:
        """The same of classes by their `number` among `names`; those that the reference does not have are left out."""
        positions = np.array([self._positions.get(name, -1) for name in names] or [-1], np.intp)
        return self.add(positions[number], confidence, correct)

    def add_outcomes(self, probabilities: FloatArray, labels: Sequence[object]) -> int:
        """The same of probabilities, rows x classes, and the label of each row.

        Where the reference is of single scores, a score a row is taken too.

        Rows with an element that is not finite, and those whose label is missing, are left out.

        Raises:
            ValueError: there are not as many labels as rows, another number of classes than the reference has, or a
                label is none of them.
        """
        if self._scores and (probabilities.ndim == 1 or probabilities.shape[1:] == (1,)):
            scores = probabilities.reshape(-1)
            probabilities = np.stack([1.0 - scores, scores], axis=1)
        if probabilities.ndim != 2 or probabilities.shape[1] != self._classes:
            raise ValueError(f"probabilities of shape {probabilities.shape}, the reference has {self._classes} classes")
        if len(labels) != len(probabilities):
            raise ValueError(f"there are {len(labels)} labels for {len(probabilities)} rows of probabilities")
        names = [category(label) for label in labels]
        unknown = next((name for name in names if name is not None and name not in self._positions), None)
        if unknown is not None:
            raise ValueError(f"the label {unknown!r} is none of the reference's classes")
        truth = np.array([-1 if name is None else self._positions[name] for name in names], np.int64)
        known = (truth >= 0) & np.isfinite(probabilities).all(axis=1)
        matrix, truth = probabilities[known], truth[known]
        predicted = matrix.argmax(axis=1)
        # Certainty is 1: a softmax may round to a little more.
        return self.add(predicted, np.minimum(matrix.max(axis=1, initial=0.0), 1.0), predicted == truth)

    def step(self) -> None:
        """Judges what has come. To be called by one thread."""
        while self._waiting:
            with self._lock:
                predicted, confidence, correct, now = self._waiting.popleft()
                self._waiting_rows -= confidence.size
            # A confidence that never erred is not without fail.
            least = 1.0 / (self.reference_rows + 2.0)
            chances = np.clip(1.0 - self._calibration.right(predicted, confidence), least, 1.0 - least)
            self._detector.update(~correct, chances, now)
            self._labels += confidence.size
            self._errors += int(confidence.size - correct.sum())
            self._expected += float(chances.sum())
            self._variance += float((chances * (1.0 - chances)).sum())

    def judgement(self) -> Judgement:
        """Everything so far that was judged."""
        detector = self._detector
        return Judgement(
            self._labels, self._errors, self._expected, self._variance,
            detector.drifted, detector.since, detector.evidence,
        )  # fmt: skip
