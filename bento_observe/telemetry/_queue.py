"""A bounded queue of encoded telemetry for one signal: full means the oldest goes, and is counted."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from bento_observe.telemetry._health import Health

__all__ = ["Batch", "SignalQueue"]


@dataclass(frozen=True)
class Batch:
    """Encoded chunks that are sent as one request; `items` are the spans, log records or points in them."""

    chunks: tuple[bytes, ...]
    items: int
    size: int


class SignalQueue:
    """Chunks of one signal (each a serialised Scope* field), at most `limit` bytes of them."""

    def __init__(self, signal: str, limit: int, health: Health) -> None:
        self.signal = signal
        self._limit = limit
        self._health = health
        self._chunks: deque[tuple[bytes, int, float]] = deque()
        self._size = 0
        self._ready = threading.Condition()
        self._closed = False
        self._abandoned = False

    @property
    def size(self) -> int:
        """Bytes waiting."""
        return self._size

    def put(self, chunk: bytes, items: int) -> None:
        """Add a chunk of `items`; while the queue holds more than its limit, drop from the old end.

        A chunk that is larger than that by itself is dropped alone.
        """
        if len(chunk) > self._limit:
            self._health.dropped(self.signal, "too_large", items)
            return
        lost = 0
        with self._ready:
            if self._abandoned:
                lost = items
            else:
                self._chunks.append((chunk, items, time.monotonic()))
                self._size += len(chunk)
            while self._size > self._limit:
                oldest, count, _ = self._chunks.popleft()
                self._size -= len(oldest)
                lost += count
            self._ready.notify()
        self._health.dropped(self.signal, "shutdown" if self._abandoned else "queue_full", lost)

    def take(self, max_bytes: int, linger: float) -> Batch | None:
        """The next batch: of `max_bytes` if there are as many, else what came within `linger` seconds of the oldest.

        Blocks until there is one. None: the queue is closed and empty.
        """
        with self._ready:
            while not self._chunks:
                if self._closed:
                    return None
                self._ready.wait()
            due = self._chunks[0][2] + linger
            while not self._closed and self._size < max_bytes:
                left = due - time.monotonic()
                if left <= 0 or not self._chunks:
                    break
                self._ready.wait(left)
            chunks: list[bytes] = []
            items = size = 0
            while self._chunks and (not chunks or size + len(self._chunks[0][0]) <= max_bytes):
                chunk, count, _ = self._chunks.popleft()
                chunks.append(chunk)
                items += count
                size += len(chunk)
            self._size -= size
            return Batch(tuple(chunks), items, size)

    def close(self) -> None:
        """No more waiting: `take` gives what is left, then None."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def abandon(self) -> int:
        """Give up what is in the queue, and all that still comes: how many items were in it."""
        with self._ready:
            lost = sum(count for _, count, _ in self._chunks)
            self._chunks.clear()
            self._size = 0
            self._abandoned = True
            return lost
