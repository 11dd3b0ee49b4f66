"""Sliding windows over snapshots that only ever grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bento_observe.features._snapshot import Snapshot

__all__ = ["Windows"]


class Windows:
    """What came in the last hour, the last day: the latest snapshot less the one from that long ago.

    A span is kept in panes, of which one is remembered each; so a window is up to one pane longer than its span, and
    never shorter unless the process is. `add` only keeps the snapshot it is given: at most `panes + 2` of them a span.
    Not thread-safe.

    Args:
        spans: lengths of the windows, seconds.
        panes: into how many panes each is divided.

    Raises:
        ValueError: a span is not above zero, there are two equal ones, or there is less than one pane.
    """

    def __init__(self, spans: Sequence[float] = (3600.0, 86400.0), panes: int = 12) -> None:
        if not all(span > 0 for span in spans) or len(set(spans)) != len(spans) or panes < 1:
            raise ValueError(f"windows need different spans above zero and a pane or more, not {spans} and {panes}")
        self._panes = panes
        self._latest = Snapshot()
        self._rings: dict[float, deque[tuple[float, Snapshot]]] = {span: deque(maxlen=panes + 2) for span in spans}

    @property
    def spans(self) -> tuple[float, ...]:
        """Lengths of the windows, seconds."""
        return tuple(self._rings)

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Takes the latest snapshot of everything since the start.

        Args:
            snapshot: from the aggregator that gave those before.
            now: seconds of a clock that never goes back, such as `time.monotonic()`.
        """
        self._latest = snapshot
        for span, ring in self._rings.items():
            if not ring or now - ring[-1][0] >= span / self._panes:
                ring.append((now, snapshot))

    def window(self, span: float, now: float) -> Snapshot:
        """What came within the last `span` seconds, and up to a pane more, until the last `add`.

        All that came since the start where that is less long ago. Minima and maxima are known only then.

        Raises:
            ValueError: `span` is not one of the spans.
        """
        if span not in self._rings:
            raise ValueError(f"no window of {span} seconds: there are {', '.join(map(str, self._rings))}")
        for taken, earlier in reversed(self._rings[span]):
            if taken <= now - span:
                return self._latest - earlier
        return self._latest
