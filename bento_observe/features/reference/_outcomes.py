"""Predictions of the training data whose labels are known: what probabilities are calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bento_observe import semconv
from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.estimate import Expectation, performance
from bento_observe.features.reference._calibration import LEAST_ROWS, MAX_CLASSES, Calibration, calibrated
from bento_observe.features.reference._class_names import fits, in_order, positions, some
from bento_observe.features.reference._columns import read
from bento_observe.features.reference._sample import RowSample
from bento_observe.features.reference._scores import SCORE_CLASSES

__all__ = ["CALIBRATION", "Outcomes"]

CALIBRATION: Final = "calibration"
"""What it is called among what was skipped."""


class Outcomes:
    """Keeps the probabilities and the labels of at most `SAMPLE_ROWS` rows, always the same ones.

    Args:
        classes: what the columns of the predicted probabilities are called; None where there are none.
        labels: how many columns the labels have.
        score: of a lone predicted number, see `is_score`.
    """

    def __init__(self, classes: tuple[str, ...] | None, labels: int, score: bool | str = False) -> None:
        self._score = score
        self._classes = SCORE_CLASSES if score is True else classes
        self._labels = labels
        self._wanted = self._classes is not None and labels > 0
        self._sample = RowSample()
        self._matrices: list[FloatArray] = []
        self._codes: list[IntArray] = []
        self._names: dict[str, int] = {}

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes in the columns of a chunk, by signal."""
        if not self._wanted or self._labels > 1 or len(self._classes or ()) > MAX_CLASSES:
            return
        columns = [read(cells).floats for cells in signals[semconv.SIGNAL_PREDICTION].values()]
        if self._score is True:
            columns.insert(0, 1.0 - columns[0])
        own, names = read(next(iter(signals[semconv.SIGNAL_LABEL].values()))).categories()
        # The last one is for the code -1, a label that is missing.
        table = np.array([self._names.setdefault(name, len(self._names)) for name in names] + [-1], np.int64)
        picked = self._sample.pick(own.size)
        self._matrices.append(np.stack([column[picked] for column in columns], axis=1))
        self._codes.append(table[own[picked]])
        self._settle(final=False)

    def _settle(self, *, final: bool) -> None:
        if (kept := self._sample.settle(final=final)) is not None:
            self._matrices = [np.concatenate(self._matrices)[kept]]
            self._codes = [np.concatenate(self._codes)[kept]]

    def calibration(self) -> Calibration | str | None:
        """What the probabilities are worth; why that cannot be told; None where there are none, or no labels."""
        if isinstance(self._score, str):
            return self._score
        if self._classes is None or not self._wanted:
            return None
        if self._labels > 1:
            return f"it needs one label, there are {self._labels}"
        if len(self._classes) > MAX_CLASSES:
            return f"there are {len(self._classes)} classes, more than {MAX_CLASSES}"
        labels = list(self._names)
        places = positions(labels, self._classes)
        by_order = places is None
        if by_order:
            places = in_order(labels, self._classes)
        unlike = (
            f"the labels are {some(labels)}, the probabilities are of {some(list(self._classes))}; "
            "name the columns of probabilities as the labels are, as with "
            "pandas.DataFrame(probabilities, columns=model.classes_)"
        )
        if self._score is True and places is not None:
            unlike = (
                f"the scores are not the higher for the label {labels[places.index(1)]!r}, the last of {some(labels)}: "
                "a score has to be the probability of the last one in order, as scikit-learn has it"
            )
        if places is None:
            return unlike
        self._settle(final=True)
        matrix, codes = np.concatenate(self._matrices), np.concatenate(self._codes)
        known = np.flatnonzero((codes >= 0) & np.isfinite(matrix).all(axis=1))
        matrix, truth = matrix[known], np.array(places, np.int64)[codes[known]]
        if known.size < LEAST_ROWS:
            return f"{known.size} rows have probabilities and a label, fewer than {LEAST_ROWS}"
        if (by_order or self._score is True) and not fits(matrix, truth):
            return unlike
        made = calibrated(matrix, truth)
        happened = Expectation(made)
        happened.add_known(matrix, matrix.argmax(axis=1), np.eye(len(self._classes))[truth])
        measured = performance(happened.expected(), made.rows)
        names = list(self._classes)
        for label, position in zip(labels, places, strict=True):
            names[position] = label
        return replace(
            made, labels=tuple(names), measured={metric: estimate.value for metric, estimate in measured.items()}
        )
