"""How far off a regression is to be expected to be, by its inputs: a tree, and the losses in each of its leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bento_observe.features._types import FloatArray, IntArray

__all__ = ["MAX_NODES", "SUMS", "LossTree", "Residuals", "Splits", "splits_of"]

MAX_NODES: Final = 511
"""256 leaves: with more, each has too few rows to know its losses by."""

SUMS: Final = ("absolute", "squared", "absolute_variance", "squared_variance")

_POWERS: Final = (0, 1, 2, 4)
_LEAST_ROWS: Final = 100
_LEAST_IN_LEAF: Final = 20


@dataclass(frozen=True, eq=False)
class Splits:
    """A tree of splits at thresholds, as arrays of one element a node, the root first, parents before their children.

    Attributes:
        columns: the inputs that are looked at.
        split: int64, the position of one of them, -1 in a leaf.
        threshold: float64; what is not above it goes to the left. Values are compared as float32, as scikit-learn does.
        left, right: int64, the nodes below, 0 in a leaf.
    """

    columns: tuple[str, ...]
    split: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray

    def leaves(self, matrix: FloatArray) -> IntArray:
        """The node that each row of `matrix` ends in: float64 without NaN, rows x `columns`."""
        with np.errstate(over="ignore"):
            values = matrix.astype(np.float32)
        node = np.zeros(len(matrix), np.int64)
        while (inner := np.flatnonzero(self.split[node] >= 0)).size:
            here = node[inner]
            up = values[inner, self.split[here]] > self.threshold[here]
            node[inner] = np.where(up, self.right[here], self.left[here])
        return node


@dataclass(frozen=True, eq=False)
class LossTree:
    """What the held-out predictions in each leaf came to; float64, one element a node, 0 where it is no leaf.

    Attributes:
        splits: which leaf a row is in.
        rows: int64, how many predictions with labels there were.
        absolute, squared: the mean of |prediction - label|, and of its square.
        absolute_variance, squared_variance: the variance of each within the leaf.
    """

    splits: Splits
    rows: IntArray
    absolute: FloatArray
    squared: FloatArray
    absolute_variance: FloatArray
    squared_variance: FloatArray

    @property
    def total(self) -> int:
        """Predictions with labels in all leaves."""
        return int(self.rows.sum())

    def sums(self, counts: IntArray) -> tuple[float, ...]:
        """Of so many rows in each node, what to expect of `SUMS`."""
        return tuple(float(counts @ getattr(self, name)) for name in SUMS)


def splits_of(model: Any, columns: Sequence[str]) -> Splits:
    """The splits of a fitted `sklearn.tree.DecisionTreeRegressor` that takes `columns`, or those that it has names of.

    Raises:
        ValueError: it is no such tree, has more than 256 leaves, or looks at columns that are not there.
    """
    tree = getattr(model, "tree_", None)
    if tree is None or not hasattr(tree, "children_left"):
        raise ValueError(
            f"loss_model={type(model).__name__} is no fitted tree; give a DecisionTreeRegressor of scikit-learn, "
            "fitted on inputs and |prediction - label|"
        )
    if tree.node_count > MAX_NODES:
        raise ValueError(f"loss_model has {tree.n_leaves} leaves, more than 256; fit it with max_leaf_nodes=64, say")
    names = tuple(map(str, getattr(model, "feature_names_in_", columns)))
    inner = tree.children_left >= 0
    used = np.unique(tree.feature[inner])
    if tree.n_features != len(names) or (missing := [names[at] for at in used if names[at] not in columns]):
        wanted = f"{tree.n_features} columns" if tree.n_features != len(names) else ", ".join(map(repr, missing))
        raise ValueError(f"loss_model takes {wanted}, which the data does not have")
    position = np.zeros(max(len(names), 1), np.int64)
    position[used] = np.arange(used.size)
    return Splits(
        tuple(names[at] for at in used),
        np.where(inner, position[np.where(inner, tree.feature, 0)], -1),
        np.where(inner, tree.threshold, 0.0),
        np.where(inner, tree.children_left, 0).astype(np.int64),
        np.where(inner, tree.children_right, 0).astype(np.int64),
    )


class Residuals:
    """Adds up what predictions were off by, leaf by leaf."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self._powers = np.zeros((5, splits.split.size))

    def add(self, inputs: Mapping[str, FloatArray], predictions: FloatArray, labels: FloatArray) -> None:
        """Float64 columns of some rows; those with a value that is not finite are left out."""
        off = np.abs(predictions - labels)
        matrix = np.stack([*(inputs[name] for name in self.splits.columns), off], axis=1)
        known = np.isfinite(matrix).all(axis=1)
        off, leaves = off[known], self.splits.leaves(matrix[known, :-1])
        # Row by row, so that the sums do not depend on how the data is cut into pieces.
        for power in _POWERS:
            np.add.at(self._powers[power], leaves, off**power)

    def tree(self) -> LossTree | str:
        """What came of it, or why it can tell nothing. A leaf with hardly any rows has the losses of the node above."""
        splits, powers = self.splits, self._powers.copy()
        total = int(powers[0].sum())
        if total < _LEAST_ROWS:
            return f"{total} rows have inputs, a prediction and a label, fewer than {_LEAST_ROWS}"
        inner = np.flatnonzero(splits.split >= 0).tolist()
        for node in reversed(inner):  # children come after their parents
            powers[:, node] = powers[:, splits.left[node]] + powers[:, splits.right[node]]
        for node in inner:
            for below in (splits.left[node], splits.right[node]):
                if powers[0, below] < _LEAST_IN_LEAF:
                    powers[:, below] = powers[:, node]
        absolute, squared, quartic = powers[[1, 2, 4]] / powers[0]
        leaf = splits.split < 0
        return LossTree(
            splits,
            self._powers[0].astype(np.int64),
            absolute * leaf,
            squared * leaf,
            np.maximum(squared - absolute**2, 0.0) * leaf,
            np.maximum(quartic - squared**2, 0.0) * leaf,
        )
