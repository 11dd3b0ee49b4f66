"""Labels that handlers record: kept until the encoder thread has time for them."""

from __future__ import annotations

import threading
from collections import deque
from sys import getsizeof
from typing import Any, Final, NamedTuple

from bento_observe import semconv
from bento_observe._at_hand import NOT_AT_HAND, is_at_hand
from bento_observe.features import small_cells
from bento_observe.feedback._matching import TakesLabels
from bento_observe.feedback._token import MAX_TOKEN
from bento_observe.telemetry import Health

__all__ = ["LabelIntake"]

_STEP: Final = 128
_MAX_PENDING: Final = 1_000_000
_MAX_BYTES: Final = 256 << 20
"""A million ids of 150 characters with short labels are some 230 MB."""

_PLACES: Final = 16
"""Bytes of a label's two places in lists."""

_NO_ID: Final = object()
_ITEM: Final = "labels"


class _Entry(NamedTuple):
    """The labels of one call, ids and labels equally many, and how many bytes they take."""

    ids: list[object]
    labels: list[object]
    size: int


class LabelIntake:
    """A source of the encoder thread; see `bento_observe.telemetry`.

    At most a million labels wait, and at most 256 MiB of them: what is shared between labels is counted with each.
    """

    def __init__(self, matcher: TakesLabels, health: Health) -> None:
        self._matcher = matcher
        self._health = health
        self._lock = threading.Lock()
        self._waiting: deque[_Entry] = deque()
        self._at = 0
        self._again: tuple[list[object], list[object]] = [], []
        self._count = self._size = 0
        self._closed = False

    def put(self, ids: Any, labels: Any) -> None:
        """Take labels for ids, lists or columns or one of each. Neither raises nor waits."""
        if self._closed:
            return
        try:
            count = max(_length(ids), _length(labels))
            if self._count + count > _MAX_PENDING:
                self._health.dropped(_ITEM, "buffer_full", count)
                return
            if not (is_at_hand(ids) and is_at_hand(labels)):
                self._health.tell("record_labels", NOT_AT_HAND, "record_labels")
                self._health.dropped(_ITEM, semconv.DROPPED_NOT_AT_HAND, count)
                return
            some, said = _small_ids(_listed(ids)), list(small_cells(_listed(labels)))
            size = sum(map(getsizeof, some)) + sum(map(getsizeof, said)) + _PLACES * count
            some += [None] * (count - len(some))
            said += [None] * (count - len(said))
            if not self._keep(_Entry(some, said, size)):
                self._health.dropped(_ITEM, "buffer_full", count)
        except Exception:  # noqa: BLE001 - a handler must not fail because its labels are odd
            self._health.error("record_labels")

    def _keep(self, entry: _Entry) -> bool:
        """Whether there is room for it."""
        with self._lock:
            if self._count + len(entry.ids) > _MAX_PENDING or self._size + entry.size > _MAX_BYTES:
                return False
            self._count += len(entry.ids)
            self._size += entry.size
            self._waiting.append(entry)
            return True

    def step(self) -> bool:
        """Match some, of as many calls as it takes; whether there are more that can be matched now."""
        ids, labels = self._again
        while self._waiting and len(ids) < _STEP:
            entry = self._waiting[0]
            end = min(len(entry.ids), self._at + _STEP - len(ids))
            ids += entry.ids[self._at : end]
            labels += entry.labels[self._at : end]
            self._at = end
            if end >= len(entry.ids):
                with self._lock:
                    self._waiting.popleft()
                    self._size -= entry.size
                self._at = 0
        if ids:
            self._again = self._matched(ids, labels)
            with self._lock:
                self._count -= len(ids) - len(self._again[0])
        return bool(self._waiting) and not self._again[0]

    def _matched(self, ids: list[object], labels: list[object]) -> tuple[list[object], list[object]]:
        """Those that could not be matched now, and are to be once more."""
        try:
            refused = self._matcher.take(ids, labels).refused
        except Exception:  # noqa: BLE001 - they would fail the next time too, and keep away all others
            self._health.error("labels")
            self._health.dropped(_ITEM, "error", len(ids))
            return [], []
        later = [position for position, reason in refused.items() if reason in semconv.LABELS_AGAIN]
        return [ids[position] for position in later], [labels[position] for position in later]

    def end(self) -> None:
        """Nothing is tried once more: count what waits as dropped."""
        self.give_up()

    def close(self) -> None:
        """Keep nothing more."""
        self._closed = True

    def give_up(self) -> None:
        """Count what waits as dropped."""
        with self._lock:
            count, self._count = self._count, 0
        self._health.dropped(_ITEM, "shutdown", count)


def _length(column: Any) -> int:
    return 1 if isinstance(column, str) or not hasattr(column, "__len__") else len(column)


def _listed(column: Any) -> list[Any]:
    """A copy, as a list; a lone id or label is one of one."""
    if isinstance(column, str) or not hasattr(column, "__len__"):
        return [column]
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _small_ids(ids: list[Any]) -> list[Any]:
    """What is no id keeps its place, but not the memory that it takes."""
    if set(map(type, ids)) == {str} and max(map(len, ids)) <= MAX_TOKEN:
        return ids
    return [one if one is None or (type(one) is str and len(one) <= MAX_TOKEN) else _NO_ID for one in ids]
