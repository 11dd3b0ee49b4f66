"""Which classes of a model are told apart in telemetry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bento_observe import semconv
from bento_observe.feedback._class_names import alike, carried, class_key, distinct, plain_name, same_class

__all__ = ["Classes"]

_MOST: Final = 20
_SHORT: Final = 4
"""A whole number with more digits than that could be anything, a telephone number included."""

_PAIRS: Final = (("0", "1"), ("false", "true"), ("False", "True"))


class Classes:
    """The classes of one model: those of the training data, else those that it predicts and small whole numbers.

    A text that only a label had never leaves the process: it is told as `__other__`, as is what is beyond 20. A class
    has one name, whatever comes first and in whichever worker: the training data's, else that of predictions, where
    `true` and `1` are two, and a label is called as the one that was predicted beside it, else as any that was.

    Args:
        known: all classes of the training data; none where it says nothing. Of two names of one class the first counts.
        told: those of them that are told apart, the most frequent ones first.
    """

    def __init__(self, known: Iterable[str] = (), told: Sequence[str] = ()) -> None:
        self._known = distinct(known)
        self._told = dict(list(distinct(told).items())[:_MOST])
        self._predicted: dict[str, set[str]] = {}

    def predicted(self, name: str) -> str:
        """What a predicted class is called in telemetry."""
        told = self._name(name, learn=True)
        if not self._known and told != semconv.CATEGORY_OTHER:
            self._predicted.setdefault(class_key(name), set()).add(told)
        return told

    def labelled(self, name: str, predicted: str) -> str:
        """What a true class is called there, beside what was `predicted`."""
        if not self._known:
            name = self._written(name, predicted)
        number = name.lower() in ("true", "false") or (name.lstrip("-").isdigit() and len(name) <= _SHORT)
        return self._name(name, learn=number)

    def called(self, names: Sequence[str]) -> list[str]:
        """What the training data, or else the model, calls classes that may be written otherwise, if it has them."""
        found = self._known or distinct(self._told.values())
        return [found.get(class_key(name), name) for name in names]

    def knows(self, name: str) -> bool:
        """Whether a label can be that; without training data it can be anything."""
        return not self._known or class_key(name) in self._known

    def positive(self) -> str:
        """The positive one of two classes, the last in order as scikit-learn has it; empty where it cannot be told."""
        names = tuple(sorted((self._known or self._told).values()))
        if len(names) == 2 and (self._known or names in _PAIRS):
            return names[1]
        if not self._known and len(names) == 1:  # the other one has not come yet
            return next((pair[1] for pair in _PAIRS if names[0] in pair), "")
        return ""

    def _written(self, name: str, predicted: str) -> str:
        """A true class as predictions write it: the one beside it, else any, else as the one beside it would."""
        if same_class(name, predicted):
            return predicted
        names = self._predicted.get(class_key(name))
        if not names:
            return alike(name, predicted)
        like = alike(plain_name(name), predicted)
        return like if like in names else min(names)

    def _name(self, name: str, learn: bool) -> str:
        key = class_key(name) if self._known else carried(name)
        told = self._told.get(key)
        if told is None:
            if self._known or not learn or len(self._told) >= _MOST:
                return semconv.CATEGORY_OTHER
            told = self._told[key] = name
        return told
