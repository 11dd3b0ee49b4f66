"""A look at the inside of the aggregator, without a change to it: its memory, and the steps of a flush."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from bento_observe.features import FeatureStatistics, _compiled
from bento_observe.features._categories import CategoryCounts
from bento_observe.features._intake import Intake
from bento_observe.features._numbers import NumericTable
from bento_observe.features._state import FeatureState
from bento_observe.features.reference import Reference

__all__ = ["compiled", "longest_step", "state_bytes", "without_kernel"]

_STEPS = (
    (FeatureState, "add"),
    (NumericTable, "_count"),
    (NumericTable, "_count_compiled"),
    (CategoryCounts, "add"),
    (Intake, "take"),
)

_Array = npt.NDArray[Any]


def compiled() -> bool:
    """Whether the compiled kernel counts."""
    return _compiled.KERNEL is not None


def without_kernel(reference: Reference) -> FeatureStatistics:
    """An aggregator that counts as where the kernel was not built."""
    with mock.patch.object(_compiled, "KERNEL", None):
        return FeatureStatistics(reference)


def longest_step(statistics: FeatureStatistics) -> float:
    """Milliseconds of CPU time of the longest step of the flush that this does.

    A step ends when some of the data has been taken from the buffer, or a chunk of numbers, a chunk of cells or all
    that came at once has been counted; it begins where the one before ended, so that converting is part of it too.
    """
    ends: list[float] = []

    def told(counted: Callable[..., Any]) -> Callable[..., Any]:
        def tell(*args: Any, **options: Any) -> Any:
            result = counted(*args, **options)
            ends.append(time.thread_time())
            return result

        return tell

    with contextlib.ExitStack() as stack:
        for owner, name in _STEPS:
            stack.enter_context(mock.patch.object(owner, name, told(getattr(owner, name))))
        ends.append(time.thread_time())
        statistics.flush()
        ends.append(time.thread_time())
    return float(np.diff(ends).max()) * 1e3


def state_bytes(make: Callable[[], FeatureStatistics], updates: Callable[[int], list[object]]) -> dict[str, float]:
    """Bytes that an aggregator keeps: `state`, `with_tables`, and `allocated`.

    State are the arrays that counting changes; the others, reachable from the aggregator too, are tables: bucket edges
    and what finds a bucket among them, the same for all aggregators of one reference. `allocated` is all memory that
    making the aggregator and counting took, Python's objects included. `updates(n)` gives data whose n-th version
    changes all that can change.
    """
    _count(make(), updates(1))  # whatever is made once for all aggregators
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    statistics = make()
    _count(statistics, updates(1))
    allocated = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    old = {path: array.copy() for path, array in _arrays(statistics).items()}
    _count(statistics, updates(2))
    new = _arrays(statistics)
    changed = [array for path, array in new.items() if path not in old or not np.array_equal(array, old[path])]
    return {
        "state": sum(array.nbytes for array in changed),
        "with_tables": sum(array.nbytes for array in new.values()),
        "allocated": allocated,
    }


def _count(statistics: FeatureStatistics, updates: list[object]) -> None:
    for data in updates:
        statistics.update(data)
    updates.clear()
    statistics.flush()


def _arrays(root: object) -> dict[str, _Array]:
    """All arrays that own their memory and can be reached from `root`, by the way there, each once."""
    found: dict[str, _Array] = {}
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting:
        path, thing = waiting.pop()
        while isinstance(thing, np.ndarray) and isinstance(thing.base, np.ndarray):
            thing = thing.base
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            found[path] = thing
        else:
            waiting.extend((f"{path}.{name}", part) for name, part in _parts(thing))
    return found


def _parts(thing: object) -> Iterator[tuple[object, object]]:
    if isinstance(thing, Mapping):
        yield from thing.items()
    elif isinstance(thing, (list, tuple)):
        yield from enumerate(thing)
    elif type(thing).__module__.startswith("bento_observe."):
        yield from getattr(thing, "__dict__", {}).items()
        for kind in type(thing).__mro__:
            for name in getattr(kind, "__slots__", ()):
                if hasattr(thing, name):
                    yield name, getattr(thing, name)
