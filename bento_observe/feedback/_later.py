"""Labels that handlers record, where ids are looked up: matched in a thread of their own, again if need be.

The encoder's thread, which does it otherwise, would stand still while Elasticsearch is asked. And nobody is there to
send such a label once more: what cannot be looked up stays with the intake until it can, as everything that passes;
what is not there is asked for a second time when its prediction has had the time to arrive.
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
from bento_observe.feedback._matching import Matched, Matcher
from bento_observe.telemetry import Health

__all__ = ["LabelThread"]

_MAX_MISSING: Final = 100_000
_STEP: Final = 1000
_ITEM: Final = "labels"


class LabelThread:
    """Takes what handlers record, as `LabelIntake` does. As a source of the encoder thread it has nothing to do there.

    Of ids that are not there 100,000 at most are asked for again; further ones are refused at once.

    Args:
        matcher: matches.
        lookup: what it looks ids up with; given up at the end.
        wait: seconds after which an id that was not there is asked for again.
        interval: seconds between two looks at what was recorded.
        end_within: seconds in which the end matches what waits.
        health: is told what is lost.
    """

    def __init__(
        self, matcher: Matcher, lookup: Lookup, wait: float, interval: float, end_within: float, health: Health
    ) -> None:
        self._matcher = matcher
        self._lookup = lookup
        self._wait = wait
        self._interval = interval
        self._end_within = end_within
        self._health = health
        self._intake = LabelIntake(self, health)
        self._missing: deque[tuple[float, object, object]] = deque()
        self._aside = 0  # as many, and those of them that are being asked for
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

    def take(self, ids: Sequence[object], labels: Sequence[object]) -> Matched:
        """Match labels that come for the first time; for the intake."""
        found = self._matcher.take(ids, labels, keep=(semconv.LABEL_UNKNOWN_ID,))
        due = time.monotonic() + self._wait
        for position, reason in found.refused.items():
            if reason != semconv.LABEL_UNKNOWN_ID:
                continue
            if self._aside < _MAX_MISSING:
                self._aside += 1
                self._missing.append((due, ids[position], labels[position]))
            else:
                self._matcher.refuse(reason, 1)
        return found

    def step(self) -> bool:
        """Nothing."""
        return False

    def end(self) -> None:
        """Match what waits, while there is time; what is left is dropped and counted."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._end_within)
        self.give_up()
        self._lookup.close()

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._abandoned = True
        self._health.dropped(_ITEM, "shutdown", self._aside)
        self._aside = 0
        self._intake.give_up()

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
            while not self._abandoned and self._intake.step():
                pass
            while not self._abandoned and self._ask_again(last):
                pass
        except Exception:  # noqa: BLE001 - the next round may be better
            self._health.error(_ITEM)

    def _ask_again(self, last: bool) -> bool:
        """Ask for some that were not there, and may be now; whether to go on."""
        now = time.monotonic()
        some: list[tuple[float, object, object]] = []
        while self._missing and len(some) < _STEP and (last or self._missing[0][0] <= now):
            some.append(self._missing.popleft())
        if not some:
            return False
        try:
            refused = self._matcher.take([one for _, one, _ in some], [label for _, _, label in some]).refused
        except Exception:  # noqa: BLE001 - the next ones may be better
            self._health.error(_ITEM)
            self._health.dropped(_ITEM, "error", len(some))
            refused = {}
        later = [some[position] for position, reason in refused.items() if reason in semconv.LABELS_AGAIN]
        self._missing.extendleft(reversed(later))
        self._aside -= len(some) - len(later)
        return not later
