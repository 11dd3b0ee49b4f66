"""Labels that handlers record, where ids are looked up: matched in a thread of their own, again if need be.

The encoder's thread, which does it otherwise, would stand still while Elasticsearch is asked. And nobody is there to
send such a label once more: what cannot be looked up is kept until it can, what is not there is asked for a second time
when its prediction has had the time to arrive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from bento_observe import semconv
from bento_observe.feedback._intake import LabelIntake
from bento_observe.feedback._lookup import Lookup
from bento_observe.feedback._matching import Matcher
from bento_observe.telemetry import Health

__all__ = ["LabelThread"]

_MAX_ASIDE: Final = 100_000
_STEP: Final = 1000
_ITEM: Final = "labels"
_FIRST: Final = frozenset((semconv.LABEL_LOOKUP_FAILED, semconv.LABEL_UNKNOWN_ID))
_SECOND: Final = frozenset((semconv.LABEL_LOOKUP_FAILED,))

Pair = tuple[object, object]


class LabelThread:
    """Takes what handlers record, as `LabelIntake` does. As a source of the encoder thread it has nothing to do there.

    At most 100,000 labels are kept for another try; further ones are refused.

    Args:
        matcher: matches.
        lookup: what it looks ids up with; given up at the end.
        wait: seconds after which an id that was not there is asked for again.
        interval: seconds between two looks at what was recorded.
        health: is told what is lost.
    """

    def __init__(self, matcher: Matcher, lookup: Lookup, wait: float, interval: float, health: Health) -> None:
        self._matcher = matcher
        self._lookup = lookup
        self._wait = wait
        self._interval = interval
        self._health = health
        self._intake = LabelIntake(self, health)
        self._failed: deque[Pair] = deque()
        self._missing: deque[tuple[float, Pair]] = deque()
        self._open = 0  # labels that were taken, and have neither been matched nor refused for good
        self._abandoned = False
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, ids: Any, labels: Any) -> None:
        """See `LabelIntake`."""
        self._intake.put(ids, labels)
        if self._thread is None:
            with self._starting:
                if self._thread is None and not self._stopping.is_set():
                    self._thread = threading.Thread(target=self._run, name="bento-observe-lookup", daemon=True)
                    self._thread.start()

    def take(self, ids: Sequence[object], labels: Sequence[object]) -> None:
        """Match labels that come for the first time; for the intake."""
        self._open += len(ids)
        self._try(list(zip(ids, labels, strict=True)), _FIRST)

    def finish(self, seconds: float) -> None:
        """Match what waits, in so many seconds; what is left is dropped and counted."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)
        self._abandoned = True
        self._health.dropped(_ITEM, "shutdown", self._open)
        self._intake.give_up()
        self._lookup.close()

    def step(self) -> bool:
        """Nothing."""
        return False

    def give_up(self) -> None:
        """Nothing: `finish` has counted what was left."""

    def close(self) -> None:
        """Keep nothing more."""
        self._stopping.set()  # in a forked child, where no thread is to be started
        self._intake.close()

    def _run(self) -> None:
        with suppress_instrumentation():
            while not self._stopping.wait(self._interval):
                self._round()
            self._round(last=True)

    def _round(self, last: bool = False) -> None:
        try:
            if self._failed:
                failed, self._failed = list(self._failed), deque()
                for start in range(0, len(failed), _STEP):
                    if not self._try(failed[start : start + _STEP], _FIRST):
                        self._failed.extend(failed[start + _STEP :])
                        break
            while not self._abandoned and self._intake.step():
                pass
            while missing := self._due(last):
                self._try(missing, _SECOND)
        except Exception:  # noqa: BLE001 - the next round may be better
            self._health.error(_ITEM)

    def _due(self, last: bool) -> list[Pair]:
        """Some of those that were not there, and may be now."""
        now = time.monotonic()
        found: list[Pair] = []
        while self._missing and len(found) < _STEP and (last or self._missing[0][0] <= now):
            found.append(self._missing.popleft()[1])
        return found

    def _try(self, pairs: list[Pair], keep: frozenset[str]) -> bool:
        """Match some, and put aside what is refused for a reason in `keep`; whether all could be looked up."""
        try:
            ids, labels = zip(*pairs, strict=True)
            refused = self._matcher.take(ids, labels, keep=keep).refused
        except Exception:  # noqa: BLE001 - the next ones may be better
            self._health.error(_ITEM)
            self._health.dropped(_ITEM, "error", len(pairs))
            self._open -= len(pairs)
            return True
        kept = [(position, reason) for position, reason in refused.items() if reason in keep]
        self._open -= len(pairs) - len(kept)
        due = time.monotonic() + self._wait
        for position, reason in kept:
            if len(self._failed) + len(self._missing) >= _MAX_ASIDE:
                self._matcher.refuse(reason, 1)
                self._open -= 1
            elif reason == semconv.LABEL_LOOKUP_FAILED:
                self._failed.append(pairs[position])
            else:
                self._missing.append((due, pairs[position]))
        return all(reason != semconv.LABEL_LOOKUP_FAILED for _, reason in kept)
