"""What the predictions of a regression are off by, leaf by leaf of a tree of its inputs, given or fitted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._columns import read
from bento_observe.features.reference._loss_tree import LossTree, Residuals, splits_of
from bento_observe.features.reference._sample import SAMPLE_ROWS, RowSample, priorities

__all__ = ["FIT", "LOSSES", "Losses", "losses_of"]

LOSSES: Final = "losses"
"""What they are called among what was skipped."""

FIT: Final = "fit"
"""Given for a tree, it has one fitted to a half of the rows."""

_LEAVES: Final = 64
_LEAST_IN_LEAF: Final = 50
_LEAST_ROWS: Final = 400
_PRESENT: Final = 0.99
"""So much of an input has to be there: a row without one that the tree looks at cannot be told anything of."""

_MOST_CELLS: Final = 20_000_000  # of 4 bytes


class Losses(Protocol):
    """Takes rows in; what comes of them is asked for once, at the end."""

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes in the columns of a chunk, by signal.

        Raises:
            ValueError: of `splits_of`.
        """
        ...

    def tree(self) -> LossTree | str | None:
        """The tree; why there is none; None where none was asked for."""
        ...


def losses_of(model: Any, inputs: Sequence[str]) -> Losses:
    """What keeps the losses of `model`: None, `FIT`, or what `splits_of` takes. `inputs` are those that are numbers.

    Raises:
        ValueError: a tree is to be fitted, and scikit-learn is not there.
    """
    if isinstance(model, str) and model == FIT:
        return _Fitted(inputs)
    return _Given(model)


class _Given:
    """Of a tree that was fitted before; None of none."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._residuals: Residuals | None = None
        self._why = ""

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        if self._model is None or self._why:
            return
        inputs = signals.get(semconv.SIGNAL_INPUT, {})
        if self._residuals is None:
            self._residuals = Residuals(splits_of(self._model, list(inputs)))
        outputs = _outputs(signals)
        if outputs is None:
            self._why = _NO_OUTPUTS
            return
        columns = {name: read(inputs[name]).floats for name in self._residuals.splits.columns}
        self._residuals.add(columns, *outputs)

    def tree(self) -> LossTree | str | None:
        if self._model is None or self._residuals is None:
            return None
        return self._why or self._residuals.tree()


class _Fitted:
    """Of a tree that is fitted to one half of at most `SAMPLE_ROWS` rows, always the same ones.

    The other half says what is in its leaves, so that what the tree has learned by heart is in no figure.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        try:
            import sklearn.tree  # noqa: F401 - before hours of reading
        except ImportError as error:
            raise ValueError("fitting a loss model takes scikit-learn: pip install bento-observe[losses]") from error
        self._inputs = tuple(inputs)
        self._sample = RowSample(min(SAMPLE_ROWS, max(_MOST_CELLS // max(len(inputs), 1), 4 * _LEAST_ROWS)))
        self._rows: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        self._outputs: list[FloatArray] = []
        self._why = ""

    def add(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        if self._why:
            return
        outputs = _outputs(signals)
        inputs = signals.get(semconv.SIGNAL_INPUT, {})
        if outputs is None or not self._inputs:
            self._why = _NO_OUTPUTS if outputs is None else "there is no input that is a number"
            return
        picked = self._sample.pick(outputs[0].size)
        with np.errstate(over="ignore"):  # a tree compares as float32; what is too large for it is left out
            columns = [read(inputs[name]).floats[picked].astype(np.float32) for name in self._inputs]
        self._rows.append(np.stack(columns, axis=1))
        self._outputs.append(np.stack([one[picked] for one in outputs], axis=1))
        self._settle(final=False)

    def _settle(self, *, final: bool) -> None:
        if (kept := self._sample.settle(final=final)) is not None:
            self._rows = [np.concatenate(self._rows)[kept]]
            self._outputs = [np.concatenate(self._outputs)[kept]]

    def tree(self) -> LossTree | str | None:
        from sklearn.tree import DecisionTreeRegressor

        if self._why or not self._rows:
            return self._why or "there are no rows"
        self._settle(final=True)
        rows, outputs = np.concatenate(self._rows), np.concatenate(self._outputs)
        labelled = np.isfinite(outputs).all(axis=1)
        rows, outputs = rows[labelled], outputs[labelled]
        there = np.isfinite(rows)
        usual = np.flatnonzero(there.mean(axis=0) >= _PRESENT) if len(rows) else np.zeros(0, np.intp)
        whole = there[:, usual].all(axis=1)
        rows, outputs = rows[whole][:, usual], outputs[whole]
        if there.size and not usual.size:
            return f"no input is there, as a number, in {_PRESENT:.0%} of the rows"
        if len(rows) < _LEAST_ROWS:
            return f"{len(rows)} rows have inputs, a prediction and a label, fewer than the {_LEAST_ROWS} to fit a tree"
        names = [self._inputs[position] for position in usual.tolist()]
        half = priorities(0, len(rows)) % 2 == 0
        model = DecisionTreeRegressor(max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAST_IN_LEAF, random_state=0)
        model.fit(rows[half], np.abs(outputs[half, 0] - outputs[half, 1]))
        residuals = Residuals(splits_of(model, names))
        columns = {name: rows[~half, names.index(name)].astype(np.float64) for name in residuals.splits.columns}
        residuals.add(columns, outputs[~half, 0], outputs[~half, 1])
        return residuals.tree()


_NO_OUTPUTS: Final = "it takes one prediction and one label, both numbers"


def _outputs(signals: Mapping[str, Mapping[str, Any]]) -> tuple[FloatArray, FloatArray] | None:
    """The predictions and the labels of a chunk; None where there is not one column of each."""
    found = [list(signals.get(name, {}).values()) for name in (semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)]
    if [len(columns) for columns in found] != [1, 1]:
        return None
    (prediction,), (label,) = found
    return read(prediction).floats, read(label).floats
