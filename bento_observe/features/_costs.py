"""About how much memory waits with what has arrived, in values of 8 bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bento_observe.features._text import PLAIN

__all__ = ["CELL", "FRAME", "ITEM", "TEXT", "cost_of_cell", "cost_of_rows"]

ITEM: Final = 32
"""Of an item: the tuple, its shape and the headers take some 250 bytes."""

FRAME: Final = 256
"""Of a frame: its own objects take some kilobytes."""

CELL: Final = 6
"""Of a number: a pointer and a Python object."""

TEXT: Final = 24
"""Of a text of the greatest length, in ASCII."""


def cost_of_rows(rows: Sequence[Sequence[object] | Mapping[Any, object]]) -> int:
    """Of rows that are objects each; they need not have one width."""
    first = rows[0] if rows else ()
    cells = first.values() if isinstance(first, Mapping) else first
    return sum(map(len, rows)) * cost_of_cell(cells) + (1 + len(rows)) * ITEM


def cost_of_cell(cells: Iterable[object]) -> int:
    """Of each of some cells that are alike."""
    return CELL if PLAIN.issuperset(map(type, cells)) else TEXT
