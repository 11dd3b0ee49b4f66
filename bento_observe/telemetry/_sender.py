"""One thread a signal that takes batches from its queue and sends them, patiently, until it is told to stop."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from bento_observe.framing import message
from bento_observe.telemetry._exports import ExportTimes
from bento_observe.telemetry._health import Health
from bento_observe.telemetry._queue import Batch, SignalQueue
from bento_observe.telemetry._transport import Outcome, Transport

__all__ = ["Sender"]

# Under the 4 MiB that gRPC servers take by default.
_BATCH_BYTES = 1 << 20
_LINGER_SECONDS = 0.5
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 10.0
_LONGEST_WAIT = 60.0  # whatever the endpoint asks for


class Sender:
    """Sends what `queue` holds through the transport that `connect` makes, in a daemon thread of its own.

    A batch that the endpoint may yet take is kept and tried again; meanwhile the queue fills up and, when full, drops
    its oldest. A batch that the endpoint refuses for good is dropped. Both are counted in `health`, and how long each
    attempt took in `times`, as one of `signal`: that of the queue, unless it is told.
    """

    def __init__(
        self,
        queue: SignalQueue,
        connect: Callable[[], Transport],
        resource: bytes,
        timeout: float,
        health: Health,
        times: ExportTimes,
        signal: str = "",
    ) -> None:
        self._queue = queue
        self._connect = connect
        self._resource = resource
        self._timeout = timeout
        self._health = health
        self._times = times
        self._signal = signal or queue.signal
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._in_hand: Batch | None = None
        self._hand = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"bento-observe-{queue.signal}", daemon=True)

    def start(self) -> None:
        """Start the thread. The first connection is made there, not here."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Send what is left, until `deadline` (on `time.monotonic`'s clock); does not wait."""
        self._deadline = deadline
        self._stopping.set()
        self._queue.close()

    def join(self) -> None:
        """Wait for the thread until the deadline of `stop`; what it did not get rid of is counted as dropped."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        if self._thread.is_alive():
            with self._hand:
                unsent, self._in_hand = self._in_hand, None
            self._health.dropped(
                self._queue.signal, "shutdown", self._queue.abandon() + (unsent.items if unsent is not None else 0)
            )

    def _run(self) -> None:
        transport: Transport | None = None
        while (batch := self._queue.take(_BATCH_BYTES, _LINGER_SECONDS)) is not None:
            self._in_hand = batch
            try:
                if transport is None:
                    transport = self._connect()
                self._deliver(transport, batch)
            except Exception:  # noqa: BLE001 - a broken transport costs its batch, never the thread
                self._health.error("sender")
                self._lost(batch, "error")
        if transport is not None:
            transport.close()

    def _deliver(self, transport: Transport, batch: Batch) -> None:
        signal = self._queue.signal
        payload = message(b"\x0a", b"".join((self._resource, *batch.chunks)))
        backoff = _FIRST_BACKOFF
        while True:
            began = time.perf_counter()
            outcome = transport.send(payload, self._allowed())
            self._times.record(self._signal, outcome, time.perf_counter() - began)
            if outcome.accepted:
                self._accepted(batch, outcome)
                return
            if outcome.retry_after is None:
                self._lost(batch, "rejected")
                self._health.tell(f"rejected {signal}", "the endpoint refuses %s (%s)", signal, outcome.reason)
                return
            self._health.tell(f"retry {signal}", "cannot send %s (%s), trying again", signal, outcome.reason)
            last_chance = self._stopping.is_set()
            if last_chance and time.monotonic() + _FIRST_BACKOFF >= self._deadline:
                self._lost(batch, "shutdown")
                self._health.dropped(signal, "shutdown", self._queue.abandon())
                return
            asked = min(outcome.retry_after, _LONGEST_WAIT)
            pause = max(asked, backoff * random.uniform(0.8, 1.2))  # noqa: S311
            if last_chance:
                time.sleep(min(_FIRST_BACKOFF, pause))
            else:
                self._stopping.wait(pause)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    def _settle(self, batch: Batch) -> bool:
        """Whether the batch is still this thread's to count: `join`, its time being up, may have done so."""
        with self._hand:
            ours = self._in_hand is batch
            self._in_hand = None
        return ours

    def _lost(self, batch: Batch, reason: str) -> None:
        if self._settle(batch):
            self._health.dropped(self._queue.signal, reason, batch.items)

    def _accepted(self, batch: Batch, outcome: Outcome) -> None:
        if not self._settle(batch):
            return
        signal = self._queue.signal
        self._health.exported(signal, batch.items - outcome.rejected)
        if outcome.rejected:
            self._health.dropped(signal, "rejected", outcome.rejected)
            self._health.tell(f"partial {signal}", "the endpoint refused some %s: %s", signal, outcome.reason)

    def _allowed(self) -> float:
        """Seconds that the next attempt may take."""
        return max(0.05, min(self._timeout, self._deadline - time.monotonic()))
