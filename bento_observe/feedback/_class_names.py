"""One class, however an id, a label and the training data write it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

__all__ = ["MAX_CLASS", "alike", "carried", "class_key", "distinct", "plain_name", "same_class"]

MAX_CLASS: Final = 120
"""Bytes of UTF-8 that an id has room for."""

_DIGEST: Final = 4
_BOOLEAN: Final = {"true": "1", "false": "0"}
_NUMBER: Final = {number: text for text, number in _BOOLEAN.items()}


def carried(name: str, size: int = MAX_CLASS) -> str:
    """Text as an id carries it: of what takes more than `size` bytes the beginning and a digest of all.

    What is carried is carried as it is. Half a surrogate pair, which no id can carry, is a question mark.
    """
    if len(name) <= size and name.isascii():
        return name
    encoded = name.encode("utf-8", "replace")
    if len(encoded) <= size:
        return encoded.decode()
    digest = hashlib.blake2b(encoded, digest_size=_DIGEST).hexdigest()
    return f"{encoded[: size - 1 - len(digest)].decode('utf-8', 'ignore')}~{digest}"


def plain_name(name: str) -> str:
    """The same text for all names of one class: true and false may be told as 1 and 0, or begin with a capital letter,
    and whole numbers may end with `.0`, as where a table's column has gaps."""
    whole = name[:-2]
    if name.endswith(".0") and whole.removeprefix("-").isdecimal():
        return whole
    return _BOOLEAN.get(name.lower(), name)


def class_key(name: str) -> str:
    """What is the same for all names of one class, long ones included, which an id cuts."""
    return carried(plain_name(name))


def same_class(one: str, other: str) -> bool:
    """Whether two names are of one class."""
    return one == other or class_key(one) == class_key(other)


def alike(name: str, other: str) -> str:
    """`name` as it is beside `other`: that itself if they are one class, else written as it is.

    That is true and false beside one of them, and 1 and 0 beside a whole number. Other whole numbers have no decimals.
    """
    if same_class(name, other):
        return other
    plain = plain_name(name)
    if other.lower() in _BOOLEAN:
        told = _NUMBER.get(plain, plain)
        return told.capitalize() if other not in _BOOLEAN and plain in _NUMBER else told
    return name if name.lower() in _BOOLEAN and not other.lstrip("-").isdigit() else plain


def distinct(names: Iterable[str]) -> dict[str, str]:
    """The classes that `names` are of, in their order: of each its key, and the first of its names."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(class_key(name), name)
    return found
