"""One predicted number a row as the probability of one of two classes: where it is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bento_observe.features.reference._scan import CategoricalPlan, NumericPlan

__all__ = ["SCORE_CLASSES", "is_score"]

SCORE_CLASSES: Final = ("0", "1")
"""What the two columns that a score stands for, 1 - score and score, are called until their labels are known."""

_Plan = NumericPlan | CategoricalPlan


def is_score(predictions: Sequence[_Plan], labels: Sequence[_Plan]) -> bool | str:
    """Whether a lone predicted number is the probability of the second of two labels, or why it is not.

    It is where there are exactly two labels, and all predictions are from 0 to 1. False says that it does not look like
    one either: classes were predicted, or what the label is a number of.
    """
    if len(predictions) != 1 or len(labels) != 1:
        return False
    (prediction,), (label,) = predictions, labels
    if not isinstance(prediction, NumericPlan) or prediction.kind != "numeric":
        return False
    within = prediction.low >= 0 and prediction.high <= 1
    if label.distinct != 2:
        if within and isinstance(label, CategoricalPlan):
            return f"a prediction that is one score a row takes a label of two classes, there are {label.distinct}"
        return False
    if not within:
        if isinstance(label, NumericPlan):
            return False
        return (
            f"the predictions are {prediction.low:g} to {prediction.high:g}: one score a row has to be the probability "
            "of a label, 0 to 1"
        )
    if prediction.distinct == 2:
        return f"the predictions are only {prediction.low:g} and {prediction.high:g}: classes, no probabilities"
    return True
