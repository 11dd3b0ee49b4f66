"""One class, however an id, a label and the training data write it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

__all__ = ["MAX_CLASS", "alike", "carried", "class_key", "distinct", "same_class"]

MAX_CLASS: Final = 120
"""Bytes of UTF-8 that an id has room for."""

_DIGEST: Final = 4
_BOOLEAN: Final = {"true": "1", "false": "0"}
_NUMBER: Final = {number: text for text, number in _BOOLEAN.items()}


def carried(name: str) -> str:
    """A class as an id carries it: of one that takes more than `MAX_CLASS` bytes the beginning and a digest of all.

    What is carried is carried as it is. Half a surrogate pair, which no id can carry, is a question mark.
    """
    if len(name) <= MAX_CLASS and name.isascii():
        return name
    encoded = name.encode("utf-8", "replace")
    if len(encoded) <= MAX_CLASS:
        return encoded.decode()
    digest = hashlib.blake2b(encoded, digest_size=_DIGEST).hexdigest()
    return f"{encoded[: MAX_CLASS - 1 - len(digest)].decode('utf-8', 'ignore')}~{digest}"


def class_key(name: str) -> str:
    """What is the same for all names of one class: true and false may be told as 1 and 0, and long ones be cut."""
    return carried(_BOOLEAN.get(name, name))


def same_class(one: str, other: str) -> bool:
    """Whether two names are of one class."""
    return one == other or class_key(one) == class_key(other)


def alike(name: str, other: str) -> str:
    """`name` as it is beside `other`: true and false beside one of them, 1 and 0 beside a whole number."""
    if other in _BOOLEAN:
        return _NUMBER.get(name, name)
    return _BOOLEAN.get(name, name) if other.lstrip("-").isdigit() else name


def distinct(names: Iterable[str]) -> dict[str, str]:
    """The classes that `names` are of, in their order: of each its key, and the first of its names."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(class_key(name), name)
    return found
