"""What the statistics had to leave out, counted by reason and told in the log once a minute at most."""

from __future__ import annotations

import logging
import threading
import time

__all__ = ["Losses"]

_LOG_INTERVAL_S = 60.0
_log = logging.getLogger("bento_observe")


class Losses:
    """Counters by reason. Any thread may add; the lock is only taken where something is lost."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._next_line = 0.0

    def add(self, reason: str, count: int, what: str = "") -> None:
        """Adds `count` and says in the log of `what` (rows or updates); without `what` it only counts."""
        with self._lock:
            self.counts[reason] = self.counts.get(reason, 0) + count
        if what:
            self.warn("feature statistics left out %d %s (%s); so far %s", count, what, reason, self.counts)

    def warn(self, message: str, *args: object) -> None:
        """Logs one line, unless one was logged in the last minute."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_line:
                return
            self._next_line = now + _LOG_INTERVAL_S
        _log.warning(message, *args)
