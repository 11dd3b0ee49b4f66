"""Which classes of a model are told apart in telemetry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bento_observe import semconv
from bento_observe.feedback._truth import plain_name, same_class

__all__ = ["Classes"]

_MOST: Final = 20
_SHORT: Final = 4
"""A whole number with more digits than that could be anything, a telephone number included."""

_PAIRS: Final = (("0", "1"), ("false", "true"))


class Classes:
    """The classes of one model: those of the training data, else those that it predicts and small whole numbers.

    A text that only a label had never leaves the process: it is told as `__other__`, as is what is beyond 20.

    Args:
        known: all classes of the training data; none where it says nothing.
        told: those of them that are told apart, the most frequent ones first.
    """

    def __init__(self, known: Iterable[str] = (), told: Sequence[str] = ()) -> None:
        self._known = frozenset(known)
        self._told = dict.fromkeys(told[:_MOST])

    def predicted(self, name: str) -> str:
        """What a predicted class is called in telemetry."""
        return self._name(name, learn=not self._known)

    def labelled(self, name: str) -> str:
        """What a true class is called there."""
        number = name in ("true", "false") or (name.lstrip("-").isdigit() and len(name) <= _SHORT)
        return self._name(name, learn=number and not self._known)

    def called(self, names: Sequence[str]) -> list[str]:
        """What the model or its training data call true classes that may be written otherwise; else what they are."""
        told = {plain_name(one): one for one in self._told}
        return [one if one in self._known else told.get(plain_name(one), one) for one in names]

    def knows(self, name: str) -> bool:
        """Whether a label can be that; without training data it can be anything."""
        return not self._known or name in self._known or any(same_class(one, name) for one in self._told)

    def positive(self) -> str:
        """The positive one of two classes, the last in order as scikit-learn has it; empty where it cannot be told."""
        if len(self._known or self._told) > 2:
            return ""
        names = tuple(sorted(self._known or self._told))
        if len(names) == 2 and (self._known or names in _PAIRS):
            return names[1]
        if not self._known and len(names) == 1:  # the other one has not come yet
            return next((pair[1] for pair in _PAIRS if names[0] in pair), "")
        return ""

    def _name(self, name: str, learn: bool) -> str:
        if name in self._told:
            return name
        for told in self._told:
            if same_class(told, name):
                return told
        if learn and len(self._told) < _MOST:
            self._told[name] = None
            return name
        return semconv.CATEGORY_OTHER
