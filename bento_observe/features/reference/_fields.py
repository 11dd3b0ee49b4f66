"""Reads JSON field by field, so that an error can say which one is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from bento_observe.features._types import FloatArray, IntArray
from bento_observe.features.reference._errors import BadReferenceError

__all__ = ["PROFILE_AGAIN", "Field", "shown"]

PROFILE_AGAIN: Final = "profile the training data again"

_MAX_SHOWN: Final = 80
_MAX_INTEGER: Final = 2**63 - 1
_MISSING: Final = object()


def shown(name: str) -> str:
    """A key as JSON, which has no line ends, and not without end."""
    text = json.dumps(name)
    return text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}..."'


class Field:
    """A value in a JSON document, and where it is.

    Every method that reads it raises `BadReferenceError` where it is not what it is read as.
    """

    def __init__(self, value: Any, file: str, path: str = "") -> None:
        self._value = value
        self._file = file
        self._path = path

    def bad(self, problem: str, remedy: str = PROFILE_AGAIN) -> BadReferenceError:
        """The error that this field is wrong."""
        return BadReferenceError(self._file, f"{self._path} {problem}" if self._path else problem, remedy)

    def __getitem__(self, name: str) -> Field:
        """A member, which must be there."""
        member = self.get(name)
        if member is None:
            raise self._child(name, None).bad("is missing")
        return member

    def get(self, name: str) -> Field | None:
        """A member, None where there is none."""
        value = self._object().get(name, _MISSING)
        return None if value is _MISSING else self._child(name, value)

    def members(self) -> Iterator[tuple[str, Field]]:
        """All members of an object."""
        for name, value in self._object().items():
            yield name, self._child(name, value)

    def _child(self, name: str, value: Any) -> Field:
        plain = re.fullmatch(r"[\w-]{1,80}", name, re.ASCII)
        step = f"[{shown(name)}]" if not plain else f".{name}" if self._path else name
        return Field(value, self._file, self._path + step)

    def _object(self) -> dict[str, Any]:
        if not isinstance(self._value, dict):
            raise self.bad("is not an object")
        return self._value

    def text(self, *allowed: str) -> str:
        """A string, one of `allowed` where some are given."""
        if not isinstance(self._value, str) or (allowed and self._value not in allowed):
            raise self.bad(f"is not one of {', '.join(allowed)}" if allowed else "is not a text")
        return self._value

    def integer(self) -> int:
        """An integer of 0 or more, of at most 63 bits."""
        if not self._is_count(self._value):
            raise self.bad("is not a whole number of 0 or more")
        return int(self._value)

    def integer_or_none(self) -> int | None:
        """The same, or null."""
        return None if self._value is None else self.integer()

    def number(self) -> float:
        """A finite number; NaN for null."""
        if self._value is None:
            return math.nan
        if not self._is_number(self._value):
            raise self.bad("is not a finite number")
        return float(self._value)

    def texts(self, *, different: bool) -> tuple[str, ...]:
        """An array of strings, perhaps `different` ones."""
        if not all(isinstance(value, str) for value in self._array()):
            raise self.bad("is not an array of texts")
        if different and len(set(self._array())) < len(self._array()):
            raise self.bad("is not an array of different texts")
        return tuple(self._array())

    def numbers(self) -> FloatArray:
        """An array of finite numbers as float64."""
        if not all(map(self._is_number, self._array())):
            raise self.bad("are not all finite numbers")
        return np.array(self._array(), dtype=np.float64)

    def counts(self, length: int) -> IntArray:
        """An array of so many integers of 0 or more as int64."""
        if len(self._array()) != length:
            raise self.bad(f"have {len(self._array())} elements, not {length}")
        if not all(map(self._is_count, self._array())):
            raise self.bad("are not all whole numbers of 0 or more")
        return np.array(self._array(), dtype=np.int64)

    def _array(self) -> list[Any]:
        if not isinstance(self._value, list):
            raise self.bad("is not an array")
        return self._value

    @staticmethod
    def _is_count(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INTEGER

    @staticmethod
    def _is_number(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        try:
            return math.isfinite(value)
        except OverflowError:
            return False
