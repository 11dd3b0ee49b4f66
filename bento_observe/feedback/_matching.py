"""Labels matched with the predictions that their ids carry."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.feedback._performance import Performance
from bento_observe.feedback._reading import Read, TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shared import BusyError
from bento_observe.feedback._token import Context
from bento_observe.feedback._truth import Truth, truth

if TYPE_CHECKING:
    from bento_observe.feedback._lookup import Lookup

__all__ = ["Matched", "Matcher", "TakesLabels"]

LabelSink = Callable[[Context, list[Any]], None]


@dataclass
class Matched:
    """What became of some labels: how many were `matched`, and why others were `refused`, by their position."""

    matched: int = 0
    refused: dict[int, str] = field(default_factory=dict)


class TakesLabels(Protocol):
    """What labels can be given to."""

    def take(self, ids: Sequence[object], labels: Sequence[object]) -> Matched:
        """Take equally many of both."""


class Matcher:
    """Takes ids with their labels. Safe to use from any thread; about 10 µs a label, less in batches.

    Args:
        reader: reads ids.
        seen: gives what knows which predictions have had their label; asked when the first label comes.
        performance: takes the pairs.
        oldest: seconds, beyond which an id is too old.
        sink: takes the labels that were matched, those of one context at a time.
        clock: seconds since the epoch.
        lookup: knows of ids that are no tokens; None where all are.
    """

    def __init__(
        self,
        reader: TokenReader,
        seen: Callable[[], Seen],
        performance: Performance,
        oldest: float,
        sink: LabelSink,
        clock: Callable[[], float] = time.time,
        lookup: Lookup | None = None,
    ) -> None:
        self._reader = reader
        self._seen = seen
        self._performance = performance
        self._oldest = oldest
        self._sink = sink
        self._clock = clock
        self._lookup = lookup
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()

    def take(
        self, ids: Sequence[object], labels: Sequence[object], until: float = 0.0, keep: Collection[str] = ()
    ) -> Matched:
        """Match `labels` with `ids`; where one list is longer, what is missing in the other is told of each.

        Those that are refused for a reason that passes (`semconv.LABELS_AGAIN`), or one of `keep`, are as if they had
        never come, and not counted: the caller takes them again, or gives up and calls `refuse`.

        Blocks where ids have to be looked up: of those that are not there yet until `until`, on `time.monotonic`'s
        clock.
        """
        if len(ids) != len(labels):
            longest = max(len(ids), len(labels))
            ids = [*ids, *[None] * (longest - len(ids))]
            labels = [*labels, *[None] * (longest - len(labels))]
        with self._lock:
            read = self._reader.read(ids)
        if self._lookup is not None:
            self._lookup.complete(ids, read, until)
        with self._lock:
            found = self._take(ids, labels, read)
            passing = semconv.LABELS_AGAIN.union(keep)
            self._refused.update(reason for reason in found.refused.values() if reason not in passing)
            return found

    def refuse(self, reason: str, count: int) -> None:
        """Count labels that `take` has not counted."""
        with self._lock:
            self._refused[reason] += count

    def refused(self) -> dict[str, int]:
        """How many were, by reason."""
        with self._lock:
            return dict(self._refused)

    def _take(self, ids: Sequence[object], labels: Sequence[object], read: Read) -> Matched:
        now = self._clock()
        for position in list(read.reasons):
            if ids[position] is None or ids[position] == "":
                read.reasons[position] = semconv.LABEL_NO_ID
        for position in np.flatnonzero(read.time < now - self._oldest).tolist():
            read.reasons.setdefault(position, semconv.LABEL_EXPIRED)
        said = truth(labels, read)
        refused = {**read.reasons, **said.reasons}
        good = np.ones(len(ids), dtype=bool)
        good[list(refused)] = False
        positions = np.flatnonzero(good)
        self._refuse_classes(read, said, positions, refused)
        good[list(refused)] = False
        positions = np.flatnonzero(good)
        if not positions.size:
            return Matched(0, refused)
        try:
            fresh = self._seen().add(read.identity[positions])
        except BusyError:
            refused.update(dict.fromkeys(positions.tolist(), semconv.LABEL_BUSY))
            return Matched(0, refused)
        refused.update(dict.fromkeys(positions[~fresh].tolist(), semconv.LABEL_DUPLICATE))
        positions = positions[fresh]
        if positions.size:
            self._performance.add(read, said, positions, now)
            self._pass_on(read, said, positions)
        return Matched(int(positions.size), refused)

    def _refuse_classes(
        self, read: Read, said: Truth, positions: npt.NDArray[np.int64], refused: dict[int, str]
    ) -> None:
        """Those of a model that there is no place for, and classes that its training data does not have."""
        for number, context in enumerate(read.contexts):
            some = positions[read.context[positions] == number]
            classes = self._performance.classes(context)
            if classes is None:
                refused.update(dict.fromkeys(some.tolist(), semconv.LABEL_TOO_MANY_MODELS))
                continue
            there = np.unique(said.name[some]).tolist()
            unknown = [one for one in there if one >= 0 and not classes.knows(said.names[one])]
            if unknown:
                odd = some[np.isin(said.name[some], unknown)]
                refused.update(dict.fromkeys(odd.tolist(), semconv.LABEL_UNKNOWN_CLASS))

    def _pass_on(self, read: Read, said: Truth, positions: npt.NDArray[np.int64]) -> None:
        for number in np.unique(read.context[positions]).tolist():
            some = positions[read.context[positions] == number]
            named = said.name[some] >= 0
            known = self._performance.classes(read.contexts[number])
            there, which = np.unique(said.name[some[named]], return_inverse=True)
            names = [said.names[one] for one in there.tolist()]
            if known is not None:
                names = known.called(names)
            classes: list[Any] = [names[one] for one in which.tolist()]
            values: list[Any] = said.value[some[~named]].tolist()
            for column in filter(None, (classes, values)):
                self._sink(read.contexts[number], column)
