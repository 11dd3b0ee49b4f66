"""What a single value is: a number, a category, missing or neither."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np

__all__ = ["MAX_TEXT", "NUMBERS", "OPAQUE", "PLAIN", "SCALARS", "category", "is_missing", "small", "small_cells"]

MAX_TEXT: Final = 128
"""Categories are cut to so many characters."""

OPAQUE: Final = object()
"""Stands for a cell that is neither number nor text, so that what it was need not be kept."""

# What numpy converts by itself, None becoming NaN. Strings are not among them: numpy would parse "1.5".
PLAIN = {float, int, bool, type(None), np.bool_} | {
    np.dtype(code).type for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
}
SCALARS = PLAIN | {str}
NUMBERS = (float, int, np.floating, np.integer, np.bool_, Decimal, Fraction)

_MISSING_NAMES = ("NAType", "NaTType")


def is_missing(cell: object) -> bool:
    """Whether `cell` is None, NaN or one of pandas' signs for nothing."""
    if cell is None or type(cell).__name__ in _MISSING_NAMES:
        return True
    if isinstance(cell, (float, np.floating)):
        return bool(cell != cell)
    return isinstance(cell, Decimal) and cell.is_nan()


def category(cell: object) -> str | None:
    """The category that a scalar is: text as it is, `true` or `false`, a whole number without decimals.

    None where it is no category. Training data and requests go through this alike, so that 3, 3.0 and a float32 of it
    are the same.
    """
    if isinstance(cell, str):
        return cell[:MAX_TEXT]
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if isinstance(cell, (int, np.integer)):
        return str(int(cell))[:MAX_TEXT]
    if isinstance(cell, (float, np.floating)):
        number = float(cell)
        return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)
    if isinstance(cell, NUMBERS):
        return str(cell)[:MAX_TEXT]
    return None


def small(cell: object) -> object:
    """`cell`, unless it is large or could change: text is cut, and what is no scalar becomes `OPAQUE`."""
    if type(cell) in PLAIN:
        return cell
    if isinstance(cell, str):
        return cell if type(cell) is str and len(cell) <= MAX_TEXT else str(cell[:MAX_TEXT])
    return cell if isinstance(cell, NUMBERS) or is_missing(cell) else OPAQUE


def small_cells(cells: Sequence[object]) -> Sequence[object]:
    """A copy of `cells` that keeps nothing of the request alive but scalars."""
    if PLAIN.issuperset(map(type, cells)):
        return cells[:]
    return list(map(small, cells))
