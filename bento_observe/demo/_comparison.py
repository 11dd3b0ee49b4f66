"""What was sent against what has arrived: read again until it is the same or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bento_observe.demo._backend import Backend
from bento_observe.demo._checks import CHECKS, Check, Counts
from bento_observe.demo._traffic import Sent

__all__ = ["Line", "await_arrival", "compare"]

_POLL_SECONDS: Final = 0.3


@dataclass(frozen=True)
class Line:
    """A line of the table; `differences` tells in words where the two sides do."""

    signal: str
    title: str
    expected: str
    arrived: str
    differences: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the counts are equal, key by key."""
        return not self.differences


def await_arrival(
    backend: Backend, sent: Sent, *, timeout: float, settle: float, progress: Callable[[int, int], None]
) -> None:
    """Wait until every count has arrived, at most `timeout` seconds, and then `settle` seconds more.

    What is in the backend then is final: a count that goes on growing is one too many. `progress` gets the number of
    checks that need no more waiting, and of all.
    """
    deadline = time.monotonic() + timeout
    waiting = list(CHECKS)
    while waiting and time.monotonic() < deadline:
        waiting = [check for check in waiting if _lacking(backend.counts(check.name), _expected(check, sent))]
        progress(len(CHECKS) - len(waiting), len(CHECKS))
        if waiting:
            time.sleep(_POLL_SECONDS)
    time.sleep(settle)


def compare(backend: Backend, sent: Sent) -> list[Line]:
    """The table, from what has arrived by now. Its first line is the requests themselves."""
    answers = [f"{sent.unexpected:,} were answered with a status that they must not have, or not at all"]
    requests = Line(
        "client", "requests sent, and answered as they must be",
        f"{sent.sent:,}", f"{sent.sent - sent.unexpected:,}", tuple(answers if sent.unexpected else ()),
    )  # fmt: skip
    return [requests, *(_line(check, _expected(check, sent), backend.counts(check.name)) for check in CHECKS)]


def _lacking(arrived: Counts, expected: Counts) -> bool:
    """Whether more can make it equal: not where there is too much already."""
    too_much = any(count > expected.get(key, 0) for key, count in arrived.items())
    return arrived != expected and not too_much


def _expected(check: Check, sent: Sent) -> Counts:
    return {key: count for key, count in check.expected(sent).items() if count}


def _line(check: Check, expected: Counts, arrived: Counts) -> Line:
    return Line(
        check.signal, check.title, check.shown(expected), check.shown(arrived), tuple(_differences(expected, arrived))
    )


def _differences(expected: Counts, arrived: Counts) -> Iterator[str]:
    for key in sorted({*expected, *arrived}):
        if expected.get(key, 0) != arrived.get(key, 0):
            yield f"{key or 'in all'}: {expected.get(key, 0):,} expected, {arrived.get(key, 0):,} arrived"
