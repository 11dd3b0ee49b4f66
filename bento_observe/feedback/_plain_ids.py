"""Plain ids: the caller's own, or a UUID of ours, with the number of the row behind it where there are several.

A UUID of version 7 (RFC 9562) begins with the time it was made: who looks one up knows whether it may be on its way
still, and an index of them compresses well.
"""

from __future__ import annotations

import re
import time
from typing import Final

from bento_observe.telemetry import random_bytes

__all__ = ["base_id", "is_plain", "made_at", "row_ids"]

_MAX_OWN: Final = 128
_MAX_ID: Final = 139
"""With a point and ten digits of a row behind it."""

_OURS: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.\d{1,10})?")


def base_id(given: bytes) -> str:
    """The caller's id, if it is one: up to 128 characters that `is_plain` allows. Else a new one."""
    own = given.decode("latin-1")
    return own if len(own) <= _MAX_OWN and is_plain(own) else _uuid7()


def is_plain(text: str) -> bool:
    """Whether it can be an id: printable ASCII without spaces and commas, which stand between ids in a header."""
    return 0 < len(text) <= _MAX_ID and text.isascii() and text.isprintable() and not (" " in text or "," in text)


def row_ids(one: str, rows: int) -> list[str]:
    """The ids of so many rows of a request whose id is `one`: of a single row that itself."""
    return [one] if rows == 1 else [f"{one}.{row}" for row in range(rows)]


def made_at(one: str) -> float | None:
    """Seconds since the epoch when an id of ours was made; None of another."""
    found = _OURS.fullmatch(one)
    return None if found is None else int(found[1] + found[2], 16) / 1000


def _uuid7() -> str:
    high, low = int.from_bytes(random_bytes(), "big"), int.from_bytes(random_bytes(), "big")
    number = time.time_ns() // 1_000_000 << 80 | 7 << 76 | (high & 0xFFF) << 64 | 2 << 62 | low >> 2
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
