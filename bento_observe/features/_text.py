"""What a single value is: a number, a category, missing or neither."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import chain
from typing import Any, Final

import numpy as np

from bento_observe.features._types import MAX_NAME_LENGTH

__all__ = [
    "MAX_TEXT", "NUMBERS", "OPAQUE", "PLAIN", "SCALARS", "category", "is_missing", "named", "small", "small_cells",
    "small_columns", "small_names", "small_record",
]  # fmt: skip

MAX_TEXT: Final = 128
"""Categories are cut to so many characters."""

_NAME_LENGTH: Final = 64  # on average

OPAQUE: Final = object()
"""Stands for a cell that is neither number nor text, so that what it was need not be kept."""

# What numpy converts by itself, None becoming NaN. Strings are not among them: numpy would parse "1.5".
PLAIN = {float, int, bool, type(None), np.bool_} | {
    np.dtype(code).type for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
}
SCALARS = PLAIN | {str}
NUMBERS = (float, int, np.floating, np.integer, np.bool_, Decimal, Fraction)
_KEPT = PLAIN | {np.longdouble}

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

    None where it is none, NaN included. Training data and requests go through this alike, so that 3, 3.0 and a float32
    of it are the same.
    """
    if isinstance(cell, str):
        return str.__getitem__(cell, slice(MAX_TEXT))
    if isinstance(cell, Enum):
        return category(cell.value)
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    try:
        if isinstance(cell, (int, np.integer)):
            return str(int(cell))[:MAX_TEXT]
        if not isinstance(cell, NUMBERS):
            return None
        number = float(cell)
    except Exception:  # noqa: BLE001 - thousands of digits, or whatever a subclass does
        return None
    if number != number:
        return None
    return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)


def small(cell: object) -> object:
    """`cell`, unless it is large or could change: text is cut, and what is no scalar becomes `OPAQUE`."""
    kind = type(cell)
    if kind is str:
        return cell if len(cell) <= MAX_TEXT else cell[:MAX_TEXT]  # type: ignore[arg-type, index]
    if kind in _KEPT:
        return cell
    if isinstance(cell, Enum):
        return small(cell.value)
    if isinstance(cell, str):
        return str.__getitem__(cell, slice(MAX_TEXT))
    if isinstance(cell, NUMBERS):
        try:
            return int(cell) if isinstance(cell, int) else float(cell)
        except OverflowError:
            return math.inf
        except Exception:  # noqa: BLE001 - a subclass may do anything
            return OPAQUE
    return cell if is_missing(cell) else OPAQUE


def small_cells(cells: Sequence[object]) -> Sequence[object]:
    """A copy of `cells` that keeps nothing of the request alive but scalars."""
    kinds = set(map(type, cells))
    if kinds <= PLAIN or (kinds == {str} and max(map(len, cells)) <= MAX_TEXT):  # type: ignore[arg-type]
        return cells[:]
    return list(map(small, cells))


def small_columns(columns: list[Sequence[object]]) -> list[Sequence[object]]:
    """`columns`, each as `small_cells` has it; not copied where there is nothing to change."""
    kinds = set(map(type, chain.from_iterable(columns)))
    if kinds == {str} and max(map(len, chain.from_iterable(columns))) <= MAX_TEXT:  # type: ignore[arg-type]
        return columns
    return list(map(small_cells, columns))


def small_names(labels: Collection[object]) -> list[str]:
    """Labels as names of features; one too long for that is cut, to what still is too long."""
    if _are_names(labels):
        return list(labels)  # type: ignore[arg-type]
    return [label if type(label) is str and len(label) <= MAX_NAME_LENGTH else _short(label) for label in labels]


def _are_names(labels: Collection[Any]) -> bool:
    """Whether all are strings that take little memory; a single one that is too long is refused when it is counted."""
    try:
        return len("".join(labels)) <= _NAME_LENGTH * len(labels) + MAX_NAME_LENGTH
    except TypeError:
        return False


def _short(label: object) -> str:
    try:
        return str(label)[: MAX_NAME_LENGTH + 1]
    except Exception:  # noqa: BLE001 - a label may be anything that can be hashed
        return f"<{type(label).__name__}>"[: MAX_NAME_LENGTH + 1]


def named(record: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy of `record` whose keys are names of features; of two keys of one name the first counts."""
    if _are_names(record):
        return dict(record)
    cells: dict[str, Any] = {}
    for name, cell in zip(small_names(record), record.values(), strict=True):
        cells.setdefault(name, cell)
    return cells


def small_record(record: Mapping[Any, object]) -> dict[str, object]:
    """A copy of `record` that keeps nothing of the request alive but scalars."""
    copy = named(record)
    kinds = set(map(type, copy.values()))
    if kinds <= PLAIN or (kinds == {str} and max(map(len, copy.values())) <= MAX_TEXT):
        return copy
    return {name: small(cell) for name, cell in copy.items()}
