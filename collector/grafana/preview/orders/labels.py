"""Labels that come some time after the answers whose ids they have, a few of them wrong."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

__all__ = ["Labels"]

_BEHIND: Final = 6
_FAULTY: Final = 5
"""Of so many bodies one has labels that are refused."""


class Labels:
    """Keeps what is to be told of answers until `_BEHIND` others have come. Safe to use from any thread."""

    def __init__(self) -> None:
        self._owed: deque[tuple[list[str], Sequence[str]]] = deque()
        self._told = 0
        self._lock = threading.Lock()

    def owe(self, ids: str, truth: Sequence[str]) -> None:
        """`truth` of each of an answer's `ids`, which are separated by commas."""
        with self._lock:
            self._owed.append((ids.split(","), truth))

    def due(self, keep: int = _BEHIND) -> Iterator[tuple[bytes, int]]:
        """Bodies for POST /observe/labels, and the status of its answers, until only `keep` answers wait."""
        while True:
            with self._lock:
                if len(self._owed) <= keep:
                    return
                ids, truth = self._owed.popleft()
                self._told += 1
                faulty = self._told % _FAULTY == 0
            labels: list[Any] = list(truth)
            if faulty:
                first = ids[0]
                # A label twice, an id that was changed, a class that nobody knows, and no label at all.
                ids = [*ids, first, first[:-1] + ("A" if first[-1] != "A" else "B"), ids[1], ids[2]]
                labels = [*labels, labels[0], labels[0], "lost", None]
            yield json.dumps({"ids": ids, "labels": labels}).encode(), 422 if faulty else 200
