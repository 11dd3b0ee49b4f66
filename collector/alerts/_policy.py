"""Thresholds, windows and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["DEMO", "NORMAL", "Burn", "Policy", "seconds"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Burn:
    """One row of a multi-window burn rate: told when both windows burn the error budget `rate` times too fast.

    Google's SRE workbook, chapter 5: the long window keeps it from being noise, the short one ends it soon after the
    trouble has ended.
    """

    name: str
    rate: float
    long: str
    short: str
    severity: str


@dataclass(frozen=True)
class Policy:
    """When alerts speak up. Durations are as Prometheus writes them.

    Attributes:
        interval: how often rules are evaluated.
        speed: waits are divided by it.
        objective: share of requests that have to succeed, and of those that succeeded (below 400), to be fast.
        fast_seconds: what fast is: a bound of the buckets of `http.server.request.duration`.
        base_window: rates are taken over it; long windows are averages of these rates.
        burns: the burn rates, the most urgent first.
        least_failures: so many failed (slow) requests in the long window, or it is chance.
        silent_window: a service is down that was heard of in the last hour, but not within this.
        collector_memory: a Collector that was heard of within it is missed; then it is taken to be gone for good.
        traffic_window, least_requests: no traffic for so long, after at least so many requests in the hour before.
        saturation_window: over which waiting and CPU time are averaged.
        least_calls: so many calls within it, or their mean wait says nothing.
        longest_wait_seconds: mean wait for a thread or a batch that is too long, if it is also longer than the work.
        most_cpu: cores that a worker uses when it has nothing left.
        drift_window: the window of drift, of missing values and of those outside.
        drift_margin: drift is told from so many times its critical value on. The critical value alone would call any
            of all features drifted in one window of twenty, and windows are looked at every minute.
        surge: so much more than in training, as a share, is no surge.
        surge_sigmas: by how many standard errors a share has to be above that.
        least_values: so many values, or a share says nothing.
        constant_window: a feature is constant that had one value all through it.
        constant_deviation: spread, in standard deviations of training, that is none.
        most_usual: a feature of which a drift bin has so large a part in training may be constant.
        skew_margin, skew_psi: a model is served with other features than it was trained on if, since it has been
            served, the drift was always so many times its critical value, and as large as this.
        most_invalid: share of values that could not be read, likewise.
        performance_window: how right the model was of the labels that came in it, or is expected to be of what it
            predicted in it.
        usual_window: what that is compared with, where there are labels.
        least_labels: so many labels in the window, or a fall is chance.
        least_predictions: so many predictions in it, or an estimate is.
        performance_margin: a share that is worse by less may be real and is nobody's problem.
        error_margin: so is an error that is larger by less, as a share of the usual one.
        performance_sigmas: by how many standard errors it has to be worse than usual.
        least_judged: labels disagree with confidence if there are so many of them,
        concept_sigmas: and by so many standard errors: one window of a thousand without concept drift.
        drop_window: telemetry that was dropped, refused or lost within it.
        stuck_window: a backend takes nothing, or less than comes, for so long.
        least_growth: what a queue grew by in it, as a share of its room, that is more than the usual back and forth.
        least_backlog: share of a queue's room that is a backlog though the backend takes some of it.
        fullest_queue: share of the Collector's queue.
    """

    interval: str = "30s"
    speed: float = 1.0
    objective: float = 0.99
    fast_seconds: float = 1.0
    base_window: str = "5m"
    burns: tuple[Burn, ...] = (
        Burn("fast", 14.4, "1h", "5m", "page"),
        Burn("medium", 6.0, "6h", "30m", "page"),
        Burn("slow", 1.0, "3d", "6h", "ticket"),
    )
    least_failures: int = 10
    silent_window: str = "3m"
    collector_memory: str = "7d"
    traffic_window: str = "15m"
    least_requests: int = 60
    saturation_window: str = "5m"
    least_calls: int = 50
    longest_wait_seconds: float = 0.1
    most_cpu: float = 0.95
    drift_window: str = "1h"
    drift_margin: float = 1.25
    surge: float = 0.01
    surge_sigmas: float = 4.0
    least_values: int = 100
    constant_window: str = "15m"
    constant_deviation: float = 0.01
    most_usual: float = 0.9
    skew_margin: float = 4.0
    skew_psi: float = 0.25
    most_invalid: float = 0.01
    performance_window: str = "1h"
    usual_window: str = "24h"
    least_labels: int = 100
    least_predictions: int = 100
    performance_margin: float = 0.02
    error_margin: float = 0.1
    performance_sigmas: float = 4.0
    least_judged: int = 50
    concept_sigmas: float = 3.29
    drop_window: str = "10m"
    stuck_window: str = "10m"
    least_growth: float = 0.01
    least_backlog: float = 0.001
    fullest_queue: float = 0.5

    def wait(self, normal: str) -> str:
        """How long a condition has to hold: `normal`, in a demonstration less."""
        if self.speed == 1.0:
            return normal
        return f"{max(round(seconds(normal) / self.speed), seconds(self.interval))}s"


NORMAL: Final = Policy()

DEMO: Final = Policy(
    interval="5s",
    speed=60.0,
    base_window="15s",
    burns=(
        Burn("fast", 14.4, "1m", "15s", "page"),
        Burn("medium", 6.0, "2m", "30s", "page"),
        Burn("slow", 1.0, "5m", "1m", "ticket"),
    ),
    silent_window="20s",
    traffic_window="1m",
    saturation_window="30s",
    drift_window="2m",
    constant_window="1m",
    performance_window="2m",
    usual_window="1h",
    drop_window="1m",
    stuck_window="1m",
)
"""The same alerts within seconds, for who watches: `bento-observe stack up --demo`."""


def seconds(duration: str) -> int:
    """`90s`, `5m`, `1h`, `3d` in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]
