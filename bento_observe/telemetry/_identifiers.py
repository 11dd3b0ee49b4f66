"""Trace and span ids from the operating system's random source.

OpenTelemetry's own generator uses `random`, which services seed: two workers seeded alike would then write into each
other's traces. Ids are drawn by the kilobyte, so one costs a slice and no system call.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.trace.id_generator import IdGenerator

__all__ = ["OsIdGenerator", "random_bytes"]

_POOL_BYTES = 8192


class _Pool:
    """Random bytes, handed out once. Safe without a lock: each draw takes its own slice from one atomic pop."""

    def __init__(self) -> None:
        self._words: list[bytes] = []
        # A forked child would hand out the parent's ids again.
        os.register_at_fork(after_in_child=self._words.clear)

    def draw(self) -> bytes:
        """Eight bytes, not all zero."""
        try:
            return self._words.pop()
        except IndexError:
            block = os.urandom(_POOL_BYTES)
            words = (block[start : start + 8] for start in range(0, _POOL_BYTES, 8))
            self._words.extend(word for word in words if word != bytes(8))
            return self._words.pop()


_pool = _Pool()
random_bytes = _pool.draw


class OsIdGenerator(IdGenerator):
    """Ids that `random.seed` cannot make repeat. All 128 bits of a trace id are random."""

    def generate_span_id(self) -> int:
        """A 64-bit id, not zero."""
        return int.from_bytes(random_bytes(), "big")

    def generate_trace_id(self) -> int:
        """A 128-bit id, not zero."""
        return int.from_bytes(random_bytes() + random_bytes(), "big")

    def is_trace_id_random(self) -> bool:
        """True: samplers may rely on the randomness (W3C Trace Context level 2)."""
        return True
