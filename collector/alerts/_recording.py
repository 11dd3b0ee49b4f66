"""Recording rules that the alerts are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bento_observe import semconv
from collector.alerts._policy import Policy, seconds
from collector.alerts._series import (
    FEATURE_LABELS,
    FEATURES,
    MISSING_LIMIT,
    OUTSIDE_LIMIT,
    REFERENCE_COUNT,
    SERVICE_LABELS,
    bins,
    by,
    increase,
    label_name,
    metric_name,
    n,
    values,
)

__all__ = [
    "COLLECTOR",
    "ERRORS",
    "HEARD",
    "REQUESTS",
    "SLOW",
    "SUCCESSES",
    "Record",
    "failures",
    "feature_records",
    "ratio",
    "service_records",
    "telemetry_records",
]  # fmt: skip

REQUESTS: Final = "service:http_server_requests:rate"
ERRORS: Final = "service:http_server_errors:rate"
SUCCESSES: Final = "service:http_server_successes:rate"
SLOW: Final = "service:http_server_slow:rate"

COLLECTOR: Final = "otelcol_process_uptime_seconds_total"
HEARD: Final = "collector:otelcol_heard:time"
"""When a Collector was last heard of, in seconds since the epoch."""

_OF: Final = {ERRORS: REQUESTS, SLOW: SUCCESSES}
"""What has a share in what: the objective has all requests succeed, and those that do be fast."""

_STATUS: Final = label_name(semconv.HTTP_RESPONSE_STATUS_CODE)
_ERROR: Final = label_name(semconv.ERROR_TYPE)

_MARGIN: Final = 10
"""A fresh sample has values outside of the training range, two in as many as training had on average. More than ten is
one feature in 10,000."""


@dataclass(frozen=True)
class Record:
    """A recording rule."""

    name: str
    expression: str


def service_records(policy: Policy) -> list[Record]:
    """Requests a second of a service over all workers: those that failed, that succeeded, and took too long at it."""
    window = policy.base_window
    metric = metric_name(semconv.REQUEST_DURATION)
    service = by(SERVICE_LABELS)
    succeeded = f'{_STATUS}!~"[45]..",{_ERROR}!="{semconv.ERROR_TYPE_STREAM_BROKEN}"'
    bound = f'le=~"{policy.fast_seconds:g}(\\\\.0)?"'

    def rate(selector: str, suffix: str = "count") -> str:
        return f"{service} (rate({metric}_{suffix}{{{selector}}}[{window}]))"

    failed = (
        f'{service} (\n  rate({metric}_count{{{_STATUS}=~"5.."}}[{window}])\n'
        f'  or rate({metric}_count{{{_ERROR}="{semconv.ERROR_TYPE_STREAM_BROKEN}"}}[{window}])\n)'
    )
    successes = f"{SUCCESSES}{window}"
    slow = f"clamp_min(\n  {successes}\n  - {rate(f'{succeeded},{bound}', 'bucket')},\n  0\n)"
    requests = f"{REQUESTS}{window}"
    return [
        Record(requests, rate("")),
        Record(f"{ERRORS}{window}", f"{failed}\nor 0 * {requests}"),
        Record(successes, f"{rate(succeeded)}\nor 0 * {requests}"),
        Record(f"{SLOW}{window}", f"{slow}\nor 0 * {requests}"),
    ]


def ratio(of: str, window: str, policy: Policy, selector: str = "") -> str:
    """The share of `ERRORS` in all requests of a window, of `SLOW` ones in those that succeeded."""
    part, all_of_them = (f"{name}{policy.base_window}{{{selector}}}" for name in (of, _OF[of]))
    if window == policy.base_window:
        return f"({part} / {all_of_them})"
    return f"(sum_over_time({part}[{window}]) / sum_over_time({all_of_them}[{window}]))"


def failures(of: str, window: str, policy: Policy, selector: str = "") -> str:
    """How many those were."""
    every = seconds(policy.interval)
    return f"({every} * sum_over_time({of}{policy.base_window}{{{selector}}}[{window}]))"


def telemetry_records(policy: Policy) -> list[Record]:
    """When a Collector was last heard of: carried on from one evaluation to the next, so that it costs next to nothing.

    A range of days over every Collector that there was would be read anew each time.
    """
    before = f"max(last_over_time({HEARD}[1d]))"
    return [
        Record(HEARD, f"max(timestamp({COLLECTOR}))\nor {before} > time() - {seconds(policy.collector_memory)}"),
    ]


def feature_records(policy: Policy) -> list[Record]:
    """What share of missing values, and of those outside of training, would be strange; values by drift bin."""
    window, feature = policy.drift_window, by(FEATURE_LABELS, "max")
    training = f"{feature} ({REFERENCE_COUNT}{{{FEATURES}}})"
    counted = f"{feature} ({n(window)}{{{FEATURES}}})"
    sent = f"{feature} ({values(window)}{{{FEATURES}}})"
    reference = f"{by(FEATURE_LABELS, 'avg')} ({metric_name(semconv.FEATURE_REFERENCE_MISSING)}{{{FEATURES}}})"
    usual_missing = "feature:ml_feature_missing:usual"
    usual_outside = "feature:ml_feature_outside:usual"
    bin_label = label_name(semconv.ML_FEATURE_BIN)

    def limit(usual: str, count: str) -> str:
        return (
            f"{usual}\n+ {policy.surge_sigmas:g} * sqrt(\n  {usual} * (1 - {usual})\n"
            f"  * (1 / ({count} >= {policy.least_values}) + 1 / {training})\n)"
        )

    return [
        Record(usual_missing, f"clamp_max({reference} + {policy.surge:g}, 1)"),
        Record(usual_outside, f"clamp_max({policy.surge:g} + {_MARGIN} / {training}, 1)"),
        Record(f"{MISSING_LIMIT}{window}", limit(usual_missing, sent)),
        Record(f"{OUTSIDE_LIMIT}{window}", limit(usual_outside, counted)),
        Record(
            bins(policy.constant_window),
            increase(semconv.FEATURE_BIN, policy.constant_window, (*FEATURE_LABELS, bin_label), FEATURES),
        ),
    ]
