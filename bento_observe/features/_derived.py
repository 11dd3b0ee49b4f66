"""Features made of what came: of probabilities, and of vectors too wide to be features themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bento_observe.features import _probabilities, _vectors
from bento_observe.features._picked import picked
from bento_observe.features._schema import Schema
from bento_observe.features._types import CHUNK_VALUES, Arrived, Batch, FloatArray, Tally

if TYPE_CHECKING:
    from bento_observe.features.estimate import Expectation, Expected, ExpectedLoss, LossExpectation

__all__ = ["Derived"]

_MAX_WIDTHS = 64


class Derived:
    """Tells what of the data of one aggregator features are made of, and makes them. Runs at flush."""

    def __init__(self, schema: Schema, probabilities: bool) -> None:
        self._classes = schema.classes
        self._guess = probabilities and schema.names is None
        self._guessed: dict[int, bool] = {}
        self._mean = schema.vector
        self._expectation: Expectation | None = None
        if schema.calibration is not None:
            # Imported here: a worker without a calibration does without.
            from bento_observe.features.estimate import Expectation

            self._expectation = Expectation(schema.calibration)
        self._score: str | None = None
        if schema.calibration is not None and schema.classes is None and schema.names is not None:
            (self._score,) = schema.names
        self._loss: LossExpectation | None = None
        if schema.losses is not None:
            from bento_observe.features.estimate import LossExpectation

            self._loss = LossExpectation(schema.losses)
        self.vector_width = None if schema.vector is None else schema.vector.size
        """How long vectors are, where the reference says."""

    def of(self, arrived: Arrived) -> Iterable[Arrived]:
        """`arrived` itself or, where it holds probabilities, what is made of them."""
        if self._loss is not None:
            self._loss.add(arrived)
        if self._score is not None and self._expectation is not None:
            self._add_scores(arrived, self._score, self._expectation)
        if isinstance(arrived, Batch) and (self._classes is not None or self._guess) and self._is_probable(arrived):
            return self._of_probabilities(arrived)
        return (arrived,)

    def _is_probable(self, batch: Batch) -> bool:
        if self._classes is not None:
            return batch.names == self._classes
        width = len(batch.names)
        if width < 2 or batch.names[0] != "0" or batch.names[-1] != str(width - 1):
            return False
        # The first ones that come decide, so that one odd row does not make features of the columns.
        if width not in self._guessed and len(self._guessed) < _MAX_WIDTHS:
            self._guessed[width] = _probabilities.is_probabilities(batch.columns.T)
        return self._guessed.get(width, False)

    def _of_probabilities(self, batch: Batch) -> Iterable[Arrived]:
        matrix, width = batch.columns.T, len(batch.names)
        step = max(1, CHUNK_VALUES // width)
        for start in range(0, len(matrix), step):
            part = matrix[start : start + step]
            classes, confidence, entropy = _probabilities.derived(part)
            if self._expectation is not None:
                self._expectation.add(part, classes)
            known = classes >= 0
            counts = np.bincount(classes[known], minlength=width).tolist()
            tally = {name: count for name, count in zip(batch.names, counts, strict=True) if count}
            yield Tally(_probabilities.CLASS, tally, int(classes.size - known.sum()))
            yield Batch(_probabilities.NUMERIC, np.stack([confidence, entropy]))

    @staticmethod
    def _add_scores(arrived: Arrived, name: str, expectation: Expectation) -> None:
        """Single scores are the probabilities of two classes; they are features as they are."""
        column = picked(arrived, (name,))
        if column is None:
            return
        for start in range(0, len(column), CHUNK_VALUES):
            part = _probabilities.of_scores(column[start : start + CHUNK_VALUES, 0])
            expectation.add(part, part.argmax(axis=1))

    def expected(self) -> Expected | None:
        """What the probabilities so far let one expect of their labels, where the reference has a calibration."""
        return None if self._expectation is None else self._expectation.expected()

    def expected_loss(self) -> ExpectedLoss | None:
        """What the inputs so far let one expect of the errors, where the reference says how far off they are."""
        return None if self._loss is None else self._loss.expected

    def replaces(self, names: tuple[str, ...]) -> bool:
        """Whether numbers in columns of these names became other features, going by what has come up to now."""
        if self._classes is not None:
            return names == self._classes
        width = len(names)
        return self._guessed.get(width, False) and names[0] == "0" and names[-1] == str(width - 1)

    def of_vectors(self, matrix: FloatArray) -> Batch:
        """What is made of vectors, rows x dimensions."""
        names, columns = _vectors.derived(matrix, self._mean)
        return Batch(names, columns)
