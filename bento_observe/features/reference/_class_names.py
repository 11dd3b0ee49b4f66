"""Which class of the predictions each label is, by its name or by its place."""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._types import FloatArray, IntArray

__all__ = ["fits", "in_order", "positions", "some"]

_SHOWN: Final = 5


def positions(labels: list[str], classes: tuple[str, ...]) -> list[int] | None:
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


def in_order(labels: list[str], classes: tuple[str, ...]) -> list[int] | None:
    """The same where the classes have no names but their positions: as scikit-learn has its `classes_`, sorted."""
    if classes != tuple(map(str, range(len(classes)))) or len(labels) != len(classes):
        return None
    order = sorted(labels, key=float) if all(map(_is_number, labels)) else sorted(labels)
    return [order.index(label) for label in labels]


def fits(matrix: FloatArray, truth: IntArray) -> bool:
    """Whether each class gets its highest probabilities where it is the truth, which another order would not have."""
    means = np.stack([matrix[truth == position].mean(axis=0) for position in range(matrix.shape[1])])
    return bool((means.argmax(axis=0) == np.arange(matrix.shape[1])).all())


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def some(names: list[str]) -> str:
    """The first few names, for a message."""
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
