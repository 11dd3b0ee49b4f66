"""Does the telemetry itself arrive?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import OF, Alert, Link, Number
from collector.alerts._policy import Policy
from collector.alerts._series import SERVICE_LABELS, by, label_name, metric_name
from collector.alerts._service import collector_gone

__all__ = ["telemetry_alerts"]

_NAME: Final = label_name(semconv.SERVICE_NAME)
_SIGNAL: Final = label_name(semconv.TELEMETRY_SIGNAL)
_REASON: Final = label_name(semconv.REASON)
_DROPPED: Final = metric_name(semconv.DROPPED)
_INTENDED: Final = f'{_REASON}!~"sampled|slices_sampled|not_sliced"'
"""What is left out of statistics on purpose, so that a worker keeps up."""

_PAGE: Final = Link("bento-observe-telemetry", {"service": _NAME})


def telemetry_alerts(policy: Policy) -> list[Alert]:
    """The alerts of telemetry."""
    return [_dropped(policy), _queue(policy), _collector(policy)]


def _dropped(policy: Policy) -> Alert:
    window = policy.drop_window
    labels = (*SERVICE_LABELS, _SIGNAL, _REASON)
    # A counter that begins with the first drop has not increased yet, but was not there before.
    expression = (
        f"{by(labels)} (\n  increase({_DROPPED}{{{_INTENDED}}}[{window}]) > 0\n"
        f"  or {_DROPPED}{{{_INTENDED}}} unless {_DROPPED}{{{_INTENDED}}} offset {window}\n)"
    )
    return Alert(
        "TelemetryDropped",
        "telemetry",
        "ticket",
        labels,
        expression,
        policy.wait("1m"),
        f"{{{_NAME}}} drops {{{_SIGNAL}}}: {{{_REASON}}}",
        f"Workers of {{{_NAME}}} gave up {{value}} items of {{{_SIGNAL}}} within {window}, because of: {{{_REASON}}} "
        "({total} since they began). Requests were not affected; what the dashboards show of this time is not all of "
        "it.",
        "queue_full, expired, shutdown: the Collector was not there, or too slow. rejected, too_large: it refused "
        "them, its "
        "log says why. error: a fault of bento_observe, the service's log has it. "
        "unreadable: answers were NaN, missing, or no probabilities, and have no prediction id.",
        {"value": Number("count"), "total": Number("count", f"{by(labels)} ({_DROPPED}{{{OF}}})")},
        _PAGE,
        "one item",
        keep=policy.wait("5m"),
    )


def _queue(policy: Policy) -> Alert:
    labels = (_NAME, label_name(semconv.SERVICE_INSTANCE_ID), "exporter", "data_type")
    share = f"{by(labels, 'max')} (\n  otelcol_exporter_queue_size\n  / otelcol_exporter_queue_capacity\n)"
    return Alert(
        "CollectorQueueFilling",
        "telemetry",
        "page",
        labels,
        f"{share} > {policy.fullest_queue:g}",
        policy.wait("5m"),
        "The Collector's queue to {exporter} is {value} full",
        "{data_type} for {exporter} wait on the Collector's disk: {size} bytes. When the queue is full, senders are "
        "told to "
        "come again, and drop what they cannot keep.",
        "Is the backend there, does it answer, is its disk full? The Collector's log has its errors; what waits is "
        "sent when "
        "it is back.",
        {
            "value": Number("share"),
            "size": Number("count", f"{by(labels, 'max')} (otelcol_exporter_queue_size{{{OF}}})"),
        },
        _PAGE,
        "one queue",
    )


def _collector(policy: Policy) -> Alert:
    return Alert(
        "CollectorDown",
        "telemetry",
        "page",
        (),
        collector_gone(policy.silent_window),
        policy.wait("1m"),
        "The Collector is down: no telemetry arrives",
        "In the last hour {value} Collectors told of themselves; now none does. Services go on, keep what they can "
        "and drop "
        "the rest. Whether one of them is down cannot be told meanwhile.",
        "The Collector's process and its log; then Prometheus, which takes its metrics.",
        {"value": Number("count")},
        Link("bento-observe-telemetry", {}),
        "one Collector",
    )
