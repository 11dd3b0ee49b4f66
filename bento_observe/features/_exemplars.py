"""Which request the smallest and the largest value of a feature came with, in each interval."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from bento_observe.features._pending import Item
from bento_observe.features._state import FeatureState
from bento_observe.features._types import FloatArray

__all__ = ["Exemplar", "Exemplars", "Origin", "Search", "Wanted"]

Wanted: TypeAlias = Mapping[str, Sequence[float]]
"""Values by feature."""

Search: TypeAlias = Callable[[Wanted, Sequence[Item]], Mapping[tuple[str, float], object]]
"""Finds the origins of values among what was counted; those it cannot be sure of are left out."""


class Origin(Protocol):
    """What a value came with: a span. `start_ns` is a reading of `time.perf_counter_ns`."""

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""

    @property
    def span_id(self) -> bytes:
        """8 bytes."""

    @property
    def sampled(self) -> bool:
        """Whether the trace goes anywhere."""

    @property
    def start_ns(self) -> int:
        """When it began."""


class Exemplar(NamedTuple):
    """One value, when it came (nanoseconds since the epoch), and the span that it came with."""

    value: float
    time_unix_nano: int
    trace_id: bytes
    span_id: bytes


class Exemplars:
    """Those of an interval: at most two a feature. Not thread-safe: the owner holds a lock.

    A value is looked for only where an extreme has moved, and in what was counted just before, so most steps cost one
    comparison. Spans are let go with the step that they came in.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        # As `Moments.recent`: the minima, and the maxima with their sign turned.
        self._seen: FloatArray = np.full((2, 0), np.inf)
        # As an exemplar, the time still a reading of `time.perf_counter_ns`.
        self._found: dict[tuple[int, int], tuple[float, int, bytes, bytes]] = {}
        self._flush_ns = self._last_flush_ns = time.perf_counter_ns()

    def begin(self) -> None:
        """A flush begins. What it counts came after the one before had begun."""
        self._last_flush_ns, self._flush_ns = self._flush_ns, time.perf_counter_ns()

    def look(self, state: FeatureState, items: Sequence[Item]) -> None:
        """After `items`, at least one, have been counted into `state`."""
        recent, seen = state.recent, self._seen
        if seen.shape != recent.shape:
            more = np.full((2, recent.shape[1] - seen.shape[1]), np.inf)
            seen = np.concatenate([seen, more], axis=1)
        moved = recent < seen
        if not np.count_nonzero(moved):
            return
        self._seen = recent.copy()
        places = list(zip(*(indices.tolist() for indices in np.nonzero(moved)), strict=True))
        values = recent[moved].tolist()
        first = items[0][3]
        if all(item[3] is first for item in items):  # and then there is nothing to look for
            if first is None and not self._found:
                return
            for place, value in zip(places, values, strict=True):
                self._put(place, -value if place[0] else value, first)
            return
        known = state.numeric
        wanted: dict[str, list[float]] = {}
        for (side, row), value in zip(places, values, strict=True):
            wanted.setdefault(known[row], []).append(-value if side else value)
        origins = self._search(wanted, items)
        for place, value in zip(places, values, strict=True):
            value = -value if place[0] else value
            self._put(place, value, origins.get((known[place[1]], value)))

    def _put(self, place: tuple[int, int], value: float, origin: Any) -> None:
        span: Origin | None = origin
        if span is None or not span.sampled:
            self._found.pop(place, None)
            return
        # As recorded somewhere in the span. Prometheus drops what is older than what it has of a series.
        came, since = span.start_ns, self._last_flush_ns
        self._found[place] = value, came if came > since else since, span.trace_id, span.span_id

    def take(self, names: Sequence[str]) -> dict[str, list[Exemplar]]:
        """Those of the interval that ends here, by feature and in the order of their times."""
        found: dict[str, list[Exemplar]] = {}
        offset = time.time_ns() - time.perf_counter_ns()
        for (_, row), (value, reading, trace_id, span_id) in self._found.items():
            found.setdefault(names[row], []).append(Exemplar(value, offset + reading, trace_id, span_id))
        self._found = {}
        self._seen = np.full_like(self._seen, np.inf)
        for exemplars in found.values():
            exemplars.sort(key=lambda exemplar: (exemplar.time_unix_nano, exemplar.value))
        return {name: list(dict.fromkeys(exemplars)) for name, exemplars in found.items()}
