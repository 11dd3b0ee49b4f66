"""What a label says: a class or a number, or why it says nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.features import category
from bento_observe.feedback._reading import NO_CLASS, TEXT, Read

__all__ = ["LARGEST", "Truth", "is_class_name", "is_value", "truth"]

_LONGEST_CLASS: Final = 64
_NAMES_AT_ONCE: Final = 10_000
_HASHED: Final = frozenset((str, int, bool))
_WRITTEN: Final = re.compile(r"[-+]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][-+]?\d{1,4})?", re.ASCII)
LARGEST: Final = 1e140
"""Beyond it the square of an error, or a sum of some squares, is no number, and no later one brings it back."""


@dataclass
class Truth:
    """What labels say of predictions that were read; arrays of `n`.

    `names`, `name` are classes as `Read` has them, `value` float64; of a label that is not in `reasons` the one that
    its prediction was. What is said of a text can be either: a class or a number.
    """

    reasons: dict[int, str]
    name: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    names: list[str]


def truth(labels: Sequence[Any], read: Read) -> Truth:
    """What `labels`, one for each id that was read, say. Never raises."""
    found = _plain(labels, read)
    return _any(labels, read) if found is None else found


def _plain(labels: Sequence[Any], read: Read) -> Truth | None:
    """The same of labels that are all text, all whole numbers or all truth values, and ids that were all of classes."""
    kinds = set(map(type, labels))
    if len(kinds) != 1 or not kinds <= _HASHED or read.reasons or (read.name < 0).any():
        return None
    names: dict[str, int] = {}
    codes: dict[Any, int] = {}
    for label in set(labels):
        name = category(label)
        if not name:
            return None
        codes[label] = names.setdefault(name, len(names))
    numbers = np.array([codes[label] for label in labels], dtype=np.int64)
    return Truth({}, numbers, np.full(len(labels), math.nan), list(names))


def _any(labels: Sequence[Any], read: Read) -> Truth:
    """The same of whatever they are."""
    predicted, values = read.name.tolist(), read.value.tolist()
    found = Truth({}, np.full(len(labels), NO_CLASS), np.full(len(labels), math.nan), [])
    # With their types, for 1 and True are equal.
    known: dict[tuple[type, Any], int] = {}
    numbers: dict[str, int] = {}
    names = [NO_CLASS] * len(labels)
    for position, label in enumerate(labels):
        if position in read.reasons:
            continue
        kind = type(label)
        if label is None:
            found.reasons[position] = semconv.LABEL_NO_LABEL
        elif predicted[position] == TEXT:
            verdict = _verdict(label)
            if verdict is None:
                found.reasons[position] = semconv.LABEL_NOT_A_LABEL
            elif isinstance(verdict, str):
                names[position] = numbers.setdefault(verdict, len(numbers))
            else:
                found.value[position] = verdict
        elif predicted[position] >= 0:
            try:
                number = known.get((kind, label))
            except TypeError:  # a list, for one
                found.reasons[position] = semconv.LABEL_NOT_A_LABEL
                continue
            if number is None:
                name = category(label)
                if not name:
                    found.reasons[position] = semconv.LABEL_NOT_A_LABEL
                    continue
                number = numbers.setdefault(name, len(numbers))
                if len(known) < _NAMES_AT_ONCE:
                    known[kind, label] = number
            names[position] = number
        else:
            value = _number(label)
            if value is None or not is_value(values[position]):
                found.reasons[position] = semconv.LABEL_NOT_A_LABEL
            else:
                found.value[position] = value
    found.name[:] = names
    found.names = list(numbers)
    return found


def _number(label: Any) -> float | None:
    """A number whose square is finite, or text that is written as one, as files have it; truth values are none."""
    if isinstance(label, (bool, np.bool_)) or not isinstance(label, (int, float, str, np.integer, np.floating)):
        return None
    if isinstance(label, str) and not _WRITTEN.fullmatch(label):
        return None
    try:
        value = float(label)
    except OverflowError:
        return None
    return value if is_value(value) else None


def is_value(number: float) -> bool:
    """Whether errors of it, predicted or true, can be summed up: not so NaN, infinity, and what is beyond 1e140."""
    return abs(number) <= LARGEST


def _verdict(label: Any) -> float | str | None:
    """What is said of a text: a finite number, or a class that is none that somebody wrote."""
    number = _number(label)
    if number is not None or isinstance(label, (float, np.floating)):
        return number
    name = category(label)
    return name if name and is_class_name(name) else None


def is_class_name(text: str) -> bool:
    """Whether a text can be the name of a class: one line of at most 64 characters. Others are read by people."""
    return len(text) <= _LONGEST_CLASS and text.splitlines() == [text]
