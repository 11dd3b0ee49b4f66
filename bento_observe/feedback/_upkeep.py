"""Has the table of labels kept for as long as a worker lives that has opened it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bento_observe.feedback._seen import Seen

__all__ = ["Upkeep"]

_INTERVAL: Final = 3600.0


class Upkeep:
    """A source of the encoder thread, see `bento_observe.telemetry`: once an hour it says that the table is needed.

    Not every deleter of old files in a temporary directory looks at when a table says that it ends.

    Args:
        seen: gives the table; None before it was opened.
        clock: seconds, from any start.
    """

    def __init__(self, seen: Callable[[], Seen | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._seen = seen
        self._clock = clock
        self._due = clock()

    def step(self) -> bool:
        """Say so if it is time."""
        now = self._clock()
        if now >= self._due:
            table = self._seen()
            if table is not None:
                self._due = now + _INTERVAL
                table.touch()
        return False

    def give_up(self) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """Nothing is kept here."""
