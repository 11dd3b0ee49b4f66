"""What the statistics had to leave out, counted by reason and told in the log once a minute at most."""

from __future__ import annotations

import logging
import time

__all__ = ["Losses"]

_LOG_INTERVAL_S = 60.0
_log = logging.getLogger("bento_observe")


class Losses:
    """Counters by reason. No lock: under the GIL the increments below cannot be interrupted half way."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._next_line = 0.0

    def add(self, reason: str, rows: int, *, detail: object = "") -> None:
        """Counts `rows` and says so in the log; without `detail` it only counts."""
        self.counts[reason] = self.counts.get(reason, 0) + rows
        if detail:
            self.warn("feature statistics left out %d rows (%s) %s; %s so far", rows, reason, detail, self.counts)

    def warn(self, message: str, *args: object) -> None:
        """Logs one line, unless one was logged in the last minute."""
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + _LOG_INTERVAL_S
            _log.warning(message, *args)
