"""Labels that handlers record: kept until the encoder thread has time for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from bento_observe.feedback._matching import Matcher
from bento_observe.telemetry import Health

__all__ = ["LabelIntake"]

_STEP: Final = 128
_MAX_PENDING: Final = 1_000_000
_ITEM: Final = "labels"


class LabelIntake:
    """A source of the encoder thread; see `bento_observe.telemetry`. At most a million labels wait."""

    def __init__(self, matcher: Matcher, health: Health) -> None:
        self._matcher = matcher
        self._health = health
        self._waiting: deque[tuple[Sequence[object], Sequence[object]]] = deque()
        self._at = 0
        self._taken = self._put = 0

    def put(self, ids: Any, labels: Any) -> None:
        """Take labels for ids, lists or columns or one of each. Neither raises nor waits."""
        try:
            pair = _listed(ids), _listed(labels)
            count = max(map(len, pair))
            if self._put - self._taken + count > _MAX_PENDING:
                self._health.dropped(_ITEM, "buffer_full", count)
                return
            self._put += count
            self._waiting.append(pair)
        except Exception:  # noqa: BLE001 - a handler must not fail because its labels are odd
            self._health.error("record_labels")

    def step(self) -> bool:
        """Match some; whether there are more."""
        if not self._waiting:
            return False
        ids, labels = self._waiting[0]
        end = self._at + _STEP
        self._matcher.take(ids[self._at : end], labels[self._at : end])
        self._taken += min(end, max(len(ids), len(labels))) - self._at
        self._at = end
        if end >= max(len(ids), len(labels)):
            self._waiting.popleft()
            self._at = 0
        return bool(self._waiting)

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped(_ITEM, "shutdown", self._put - self._taken)


def _listed(column: Any) -> list[Any]:
    """A copy, as a list; a lone id or label is one of one."""
    if isinstance(column, str) or not hasattr(column, "__len__"):
        return [column]
    return column.tolist() if hasattr(column, "tolist") else list(column)
