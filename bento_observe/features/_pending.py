"""What has arrived and is not yet counted: bounded, without a lock."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from bento_observe.features._losses import Losses
from bento_observe.features._tensors import Landings

__all__ = ["Item", "Pending"]

Item = tuple[Hashable, Any, int, object]
"""What to do with a payload, the payload, its cost, and where it came from, if that is known: the key is the shape for
an array's raw float64, else the decoder of the payload."""

# Costs are in values of 8 bytes.
_COST_AT_ONCE: Final = 18_000
_ITEMS_AT_ONCE: Final = 1024


class Pending:
    """A list of at most `max_pending` values of 8 bytes; `take` may run on one thread at a time.

    Every step on the list is a single operation of the interpreter, so nothing is lost between those that append to it
    and a `take`.
    """

    def __init__(self, max_pending: int) -> None:
        self.losses = Losses()
        self._max_pending = max_pending
        self._pending: list[Item] = []
        self._cost = 0
        self._landings = Landings(self.losses)

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def coming(self) -> int:
        """Updates that a device has yet to bring."""
        return len(self._landings)

    def abandon(self) -> None:
        """Count what devices have yet to bring as left out."""
        self._landings.abandon()

    def take(self, limit: int) -> list[Item]:
        """The oldest items, at most `limit` and no more than is freed again quickly, which are no longer pending."""
        items = self._pending[: min(limit, _ITEMS_AT_ONCE)]
        total = 0
        for taken, item in enumerate(items, start=1):
            total += item[2]
            if total >= _COST_AT_ONCE:
                del items[taken:]
                break
        del self._pending[: len(items)]
        self._cost -= total
        return items

    def _append(self, item: Item | None) -> None:
        if item is None:
            return
        if self._has_room(item[2]):
            self._cost += item[2]
            self._pending.append(item)

    def _has_room(self, cost: int) -> bool:
        if self._cost + self._landings.cost + cost <= self._max_pending:
            return True
        self.losses.add("buffer_full", 1, "update that came faster than they are flushed")
        return False
