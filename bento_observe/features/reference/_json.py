"""JSON from a file, in which no key may be twice."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from bento_observe.features.reference._errors import BadReferenceError
from bento_observe.features.reference._fields import PROFILE_AGAIN, shown

__all__ = ["parsed"]

_MAX_DIGITS: Final = 1000  # Python refuses to read integers of more than 4,300
_COPY_AGAIN: Final = f"copy it again, or {PROFILE_AGAIN}"


class _RepeatedKeyError(Exception):
    """A key is more than once in one object, and Python would take the last."""


def parsed(raw: bytes, file: str) -> Any:
    """The document in `raw`, the content of `file`: UTF-8, with or without a byte order mark.

    NaN, infinities and, for one of these, integers of more than 1,000 digits are left to who reads the fields, who can
    name the one.

    Raises:
        BadReferenceError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadReferenceError(file, f"not text in UTF-8 from line {line} on", _COPY_AGAIN) from None
    try:
        return json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        what = f"not JSON from line {error.lineno}, column {error.colno} on" if text.strip() else "the file is empty"
        raise BadReferenceError(file, f"{what}; perhaps it was cut off", _COPY_AGAIN) from None
    except _RepeatedKeyError as error:
        raise BadReferenceError(file, f"an object has the key {error} more than once", PROFILE_AGAIN) from None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(members)
    if len(made) < len(members):
        names = [name for name, _ in members]
        repeated = next(name for position, name in enumerate(names) if name in names[:position])
        raise _RepeatedKeyError(shown(repeated))
    return made
