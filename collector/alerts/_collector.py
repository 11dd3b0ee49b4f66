"""What alerts ask the Collector: whether it is there, what it keeps because a backend takes nothing, what it lost.

Its metrics reach Prometheus by a way of their own, which no queue is part of.
"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._policy import Policy, seconds
from collector.alerts._recording import COLLECTOR, HEARD
from collector.alerts._series import by, label_name
from collector.grafana.foreign import QUEUE_CAPACITY, QUEUE_SIZE, SENT

__all__ = [
    "INSTANCE",
    "QUEUE_LABELS",
    "backlog",
    "collector_gone",
    "full",
    "queue",
    "risen",
    "risen_by_kind",
    "stuck",
]  # fmt: skip

INSTANCE: Final = (label_name(semconv.SERVICE_NAME), label_name(semconv.SERVICE_INSTANCE_ID))
QUEUE_LABELS: Final = (*INSTANCE, "exporter", "data_type")

_KINDS: Final = ("traces", "metrics", "logs")
"""As the Collector's queues call them; it counts of each something else, in this order (`foreign.ITEMS`)."""


def collector_gone(window: str) -> str:
    """For how many seconds none has been heard of, if for longer than `window`, though one was (`HEARD`)."""
    return f"(time() - max({HEARD}) unless count(present_over_time({COLLECTOR}[{window}])))"


def queue(of: str = "") -> str:
    """What waits for a backend, in bytes."""
    return f"{by(QUEUE_LABELS, 'max')} ({QUEUE_SIZE}{{{of}}})"


def full(of: str = "") -> str:
    """The share of a queue that is taken."""
    return f"{by(QUEUE_LABELS, 'max')} ({QUEUE_SIZE}{{{of}}} / {QUEUE_CAPACITY}{{{of}}})"


def _kept(window: str, kind: str = "") -> str:
    """What waited for a backend all the time."""
    selector = f'data_type="{kind}"' if kind else ""
    return f"{by(QUEUE_LABELS, 'min')} (min_over_time({QUEUE_SIZE}{{{selector}}}[{window}]))"


def _untaken(window: str, kind: str) -> str:
    """The same, where the backend took nothing in that time."""
    sent = f"{by((*INSTANCE, 'exporter'))} ({risen(SENT[_KINDS.index(kind)], window)})"
    return f"{_kept(window, kind)} > 0 unless on ({', '.join((*INSTANCE, 'exporter'))}) {sent}"


def backlog(window: str, policy: Policy) -> str:
    """Metrics wait for Prometheus: what it knows of services is old, and says nothing of now."""
    room = f"{by(QUEUE_LABELS, 'max')} ({QUEUE_CAPACITY})"
    large = f"{_kept(window, 'metrics')} > {policy.least_backlog:g} * {room}"
    return f"(\n  {_untaken(window, 'metrics')}\n  or {large}\n)"


def stuck(policy: Policy) -> str:
    """What waits for backends that take nothing of it, or less than comes."""
    window = policy.stuck_window
    # A window lies between the two: of a steady growth the least of one is the most of the one before.
    earlier = f"{2 * seconds(window)}s"
    before = f"{by(QUEUE_LABELS, 'max')} (max_over_time({QUEUE_SIZE}[{window}] offset {earlier}))"
    grown = f"{_kept(window)} > {before} + {policy.least_growth:g} * {by(QUEUE_LABELS, 'max')} ({QUEUE_CAPACITY})"
    wrong = "\n  or ".join((*(_untaken(window, kind) for kind in _KINDS), grown))
    # Of a Collector that has just begun, one moment would be all the time.
    return f"(\n  {wrong}\n)\nand {by(QUEUE_LABELS, 'max')} ({QUEUE_SIZE} offset {window})"


def risen(counter: str, window: str, selector: str = "") -> str:
    """By how much a counter has risen that may come into being when it first counts.

    One that begins with a number has not increased yet, but was not there in the hour before: it counts as it stands.
    """
    of = f"{counter}{{{selector}}}"
    return f"{of} > 0 unless present_over_time({of}[1h] offset {window}) or increase({of}[{window}]) > 0"


def risen_by_kind(counters: tuple[str, ...], window: str, labels: tuple[str, ...]) -> list[str]:
    """The same of those that the Collector has of spans, of metric points and of log records: each with `data_type`."""
    return [
        f'label_replace(\n  {by(labels)} ({risen(counter, window)}),\n  "data_type", "{kind}", "", ""\n)'
        for kind, counter in zip(_KINDS, counters, strict=True)
    ]
