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
from bento_observe.features.reference._columns import read
from bento_observe.features.reference._loss_tree import LossTree, Residuals, splits_of
from bento_observe.features.reference._sample import RowSample

__all__ = ["CALIBRATION", "LOSSES", "Losses", "Outcomes"]

CALIBRATION: Final = "calibration"
"""What it is called among what was skipped."""

LOSSES: Final = "losses"

_SHOWN: Final = 5


class Outcomes:
    """Keeps the probabilities and the labels of at most `SAMPLE_ROWS` rows, always the same ones.

    Args:
        classes: what the columns of the predicted probabilities are called; None where there are none.
        labels: how many columns the labels have.
    """

    def __init__(self, classes: tuple[str, ...] | None, labels: int) -> None:
        self._classes = classes
        self._labels = labels
        self._wanted = classes is not None and labels > 0
        self._sample = RowSample()
        self._matrices: list[FloatArray] = []
        self._codes: list[IntArray] = []
        self._names: dict[str, int] = {}

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes in the columns of a chunk, by signal."""
        if not self._wanted or self._labels > 1 or len(self._classes or ()) > MAX_CLASSES:
            return
        columns = [read(cells).floats for cells in signals[semconv.SIGNAL_PREDICTION].values()]
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
        if self._classes is None or not self._wanted:
            return None
        if self._labels > 1:
            return f"it needs one label, there are {self._labels}"
        if len(self._classes) > MAX_CLASSES:
            return f"there are {len(self._classes)} classes, more than {MAX_CLASSES}"
        positions = _positions(list(self._names), self._classes)
        by_order = positions is None
        if by_order:
            positions = _in_order(list(self._names), self._classes)
        unlike = (
            f"the labels are {_some(list(self._names))}, the probabilities are of {_some(list(self._classes))}; "
            "name the columns of probabilities as the labels are, as with "
            "pandas.DataFrame(probabilities, columns=model.classes_)"
        )
        if positions is None:
            return unlike
        self._settle(final=True)
        matrix, codes = np.concatenate(self._matrices), np.concatenate(self._codes)
        known = np.flatnonzero((codes >= 0) & np.isfinite(matrix).all(axis=1))
        matrix, truth = matrix[known], np.array(positions, np.int64)[codes[known]]
        if known.size < LEAST_ROWS:
            return f"{known.size} rows have probabilities and a label, fewer than {LEAST_ROWS}"
        if by_order and not _fits(matrix, truth):
            return unlike
        made = calibrated(matrix, truth)
        happened = Expectation(made)
        happened.add_known(matrix, matrix.argmax(axis=1), np.eye(len(self._classes))[truth])
        measured = performance(happened.expected(), made.rows)
        names = list(self._classes)
        for label, position in zip(self._names, positions, strict=True):
            names[position] = label
        return replace(
            made, labels=tuple(names), measured={metric: estimate.value for metric, estimate in measured.items()}
        )


class Losses:
    """Keeps what the predictions of a regression are off by, for each leaf of a tree of its inputs; `model`: see
    `splits_of`, None where there is none."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._residuals: Residuals | None = None
        self._why = ""

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes in the columns of a chunk, by signal.

        Raises:
            ValueError: of `splits_of`.
        """
        if self._model is None or self._why:
            return
        inputs = signals.get(semconv.SIGNAL_INPUT, {})
        if self._residuals is None:
            self._residuals = Residuals(splits_of(self._model, list(inputs)))
        outputs = [list(signals.get(name, {}).values()) for name in (semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)]
        if [len(columns) for columns in outputs] != [1, 1]:
            self._why = "it takes one prediction and one label, both numbers"
            return
        (prediction,), (label,) = outputs
        columns = {name: read(inputs[name]).floats for name in self._residuals.splits.columns}
        self._residuals.add(columns, read(prediction).floats, read(label).floats)

    def tree(self) -> LossTree | str | None:
        """The tree; why there is none; None where none was asked for."""
        if self._model is None or self._residuals is None:
            return None
        return self._why or self._residuals.tree()


def _positions(labels: list[str], classes: tuple[str, ...]) -> list[int] | None:
    """The class that each label is; None where one is none.

    Booleans of a frame's columns print as `True`, those of data as `true`. What all columns begin with is not looked at
    where the labels are the rest, as in `p_cat` and `p_dog`.
    """
    named = {name: position for position, name in enumerate(classes)}
    lower = {name.lower(): position for name, position in named.items()}
    if set(labels) <= named.keys():
        return [named[label] for label in labels]
    if set(labels) <= {"true", "false"} & lower.keys():
        return [lower[label] for label in labels]
    low, high = min(classes), max(classes)
    shared = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    rest = {name[shared:]: position for name, position in named.items()}
    if set(labels) <= rest.keys():
        return [rest[label] for label in labels]
    return None


def _in_order(labels: list[str], classes: tuple[str, ...]) -> list[int] | None:
    """The same where the classes have no names but their positions: as scikit-learn has its `classes_`, sorted."""
    if classes != tuple(map(str, range(len(classes)))) or len(labels) != len(classes):
        return None
    order = sorted(labels, key=_number) if all(map(_is_number, labels)) else sorted(labels)
    return [order.index(label) for label in labels]


def _fits(matrix: FloatArray, truth: IntArray) -> bool:
    """Whether each class gets its highest probabilities where it is the truth, which another order would not have."""
    means = np.stack([matrix[truth == position].mean(axis=0) for position in range(matrix.shape[1])])
    return bool((means.argmax(axis=0) == np.arange(matrix.shape[1])).all())


def _number(label: str) -> float:
    return float(label)


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
