"""What was sent against what has arrived: equal only if it is for every key."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bento_observe.demo._backend import Backend
from bento_observe.demo._checks import CHECKS, Counts, each_feature
from bento_observe.demo._comparison import await_arrival, compare
from bento_observe.demo._traffic import Sent
from bento_observe.dev.pictures import Bar, Buckets
from bento_observe.semconv import Metric

SENT = Sent(
    sent=10, answered=10, unexpected=0, continued=3, statuses={"200": 7, "400": 2, "500": 1}, decoded={"classify": 8},
    rows={"classify": 20}, values={"classify/ash": 19, "classify/hue": 20}, missing={"classify/ash": 1},
    predicted={"classify": 18}, drifted_at_ns=None,
)  # fmt: skip


class _Kept:
    """A backend that has what it was given; `late` counts arrive when it is asked for the second time."""

    endpoint = description = ""
    places: tuple[tuple[str, str], ...] = ()

    def __init__(self, counts: Mapping[str, Counts], late: Mapping[str, Counts] | None = None) -> None:
        self._now = dict(counts)
        self._late = dict(late or {})

    def counts(self, check: str) -> Counts:
        now = self._now.get(check, {})
        if check in self._late:
            self._now[check] = self._late.pop(check)
        return now

    def typical_trace(self) -> tuple[str, list[Bar]]:
        raise LookupError

    def histograms(self, feature: str, split_ns: int) -> tuple[Buckets, Buckets]:
        raise LookupError

    def values(self, metric: Metric, by: Sequence[str], at_ns: int | None = None) -> Mapping[tuple[str, ...], float]:
        return {}


def _all() -> dict[str, dict[str, int]]:
    return {check.name: {key: count for key, count in check.expected(SENT).items() if count} for check in CHECKS}


def _await(backend: Backend, timeout: float) -> float:
    began = time.monotonic()
    await_arrival(backend, SENT, timeout=timeout, settle=0, progress=lambda _done, _of: None)
    return time.monotonic() - began


def test_what_has_arrived_completely_is_equal() -> None:
    """All lines, the requests themselves included."""
    lines = compare(_Kept(_all()), SENT)
    assert len(lines) == len(CHECKS) + 1
    assert all(line.equal for line in lines)


def test_one_lost_and_one_twice_do_not_make_up_for_each_other() -> None:
    """The totals are the same, the statuses aren't, and both are told."""
    (line,) = (line for line in compare(_Kept({**_all(), "server_spans": {"200": 6, "400": 3, "500": 1}}), SENT)
               if not line.equal)  # fmt: skip
    assert (line.expected, line.arrived) == ("10", "10")
    assert line.differences == ("200: 7 expected, 6 arrived", "400: 2 expected, 3 arrived")


def test_a_wrong_answer_to_the_client_makes_its_line_differ() -> None:
    """Telemetry that agrees with a service that answers wrongly is no success."""
    sent = Sent(**{**vars(SENT), "unexpected": 1})
    (line,) = (line for line in compare(_Kept(_all()), sent) if not line.equal)
    assert (line.signal, line.arrived) == ("client", "9")


def test_it_waits_for_what_comes_late_and_no_longer() -> None:
    """Spans that arrive at the second look are waited for; all of the time allowed isn't."""
    backend = _Kept({**_all(), "server_spans": {}}, late={"server_spans": _all()["server_spans"]})
    assert _await(backend, timeout=60) < 5
    assert all(line.equal for line in compare(backend, SENT))


def test_it_does_not_wait_for_ever_nor_where_there_is_too_much() -> None:
    """What never comes costs the time allowed; too much of something can't become right, and costs none."""
    assert _await(_Kept({**_all(), "requests": {}}), timeout=0.5) >= 0.5
    assert _await(_Kept({**_all(), "requests": {"200": 8}}), timeout=60) < 5


def test_features_that_were_counted_unequally_are_shown_as_a_range() -> None:
    """The number of rows is one number only if every feature has it."""
    assert each_feature({"a/ash": 1500, "b/ash": 20, "a/hue": 1520}) == "1,520"
    assert each_feature({"a/ash": 1500, "a/hue": 1501}) == "1,500–1,501"
    assert each_feature({}) == "0"
