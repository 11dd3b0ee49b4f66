"""Labels that handlers record: kept until the encoder thread has time for them."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from bento_observe.feedback._matching import TakesLabels
from bento_observe.telemetry import Health

__all__ = ["LabelIntake"]

_STEP: Final = 128
_MAX_PENDING: Final = 1_000_000
_ITEM: Final = "labels"


class LabelIntake:
    """A source of the encoder thread; see `bento_observe.telemetry`. At most a million labels wait."""

    def __init__(self, matcher: TakesLabels, health: Health) -> None:
        self._matcher = matcher
        self._health = health
        self._waiting: deque[tuple[list[object], list[object]]] = deque()
        self._at = 0
        self._taken = self._put = 0
        self._closed = False

    def put(self, ids: Any, labels: Any) -> None:
        """Take labels for ids, lists or columns or one of each. Neither raises nor waits."""
        if self._closed:
            return
        try:
            some, said = _listed(ids), _listed(labels)
            count = max(len(some), len(said))
            if self._put - self._taken + count > _MAX_PENDING:
                self._health.dropped(_ITEM, "buffer_full", count)
                return
            some += [None] * (count - len(some))
            said += [None] * (count - len(said))
            self._put += count
            self._waiting.append((some, said))
        except Exception:  # noqa: BLE001 - a handler must not fail because its labels are odd
            self._health.error("record_labels")

    def step(self) -> bool:
        """Match some, of as many calls as it takes; whether there are more."""
        ids: list[object] = []
        labels: list[object] = []
        while self._waiting and len(ids) < _STEP:
            some, said = self._waiting[0]
            end = self._at + _STEP - len(ids)
            ids += some[self._at : end]
            labels += said[self._at : end]
            self._at = end
            if end >= len(some):
                self._waiting.popleft()
                self._at = 0
        if ids:
            self._taken += len(ids)
            self._matcher.take(ids, labels)
        return bool(self._waiting)

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped(_ITEM, "shutdown", self._put - self._taken)


def _listed(column: Any) -> list[Any]:
    """A copy, as a list; a lone id or label is one of one."""
    if isinstance(column, str) or not hasattr(column, "__len__"):
        return [column]
    return column.tolist() if hasattr(column, "tolist") else list(column)
