"""Does the telemetry itself arrive?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._collector import (
    INSTANCE,
    QUEUE_LABELS,
    collector_gone,
    full,
    queue,
    risen,
    risen_by_kind,
    stuck,
)
from collector.alerts._definition import OF, Alert, Link, Number
from collector.alerts._policy import Policy
from collector.alerts._series import SERVICE_LABELS, by, label_name, metric_name
from collector.grafana.foreign import ENQUEUE_FAILED, REFUSED, SEND_FAILED

__all__ = ["telemetry_alerts"]

_NAME: Final = label_name(semconv.SERVICE_NAME)
_SIGNAL: Final = label_name(semconv.TELEMETRY_SIGNAL)
_REASON: Final = label_name(semconv.REASON)
_DROPPED: Final = metric_name(semconv.DROPPED)
_ERRORS: Final = metric_name(semconv.ERRORS)
_INTENDED: Final = f'{_REASON}!~"sampled|slices_sampled|not_sliced|unreadable"'
"""Not what is left out of statistics on purpose, so that a worker keeps up, nor what a model answers that is no
prediction: no telemetry is missing there."""

_PAGE: Final = Link("bento-observe-telemetry", {"service": _NAME})
_COLLECTOR_PAGE: Final = Link("bento-observe-telemetry", {})


def telemetry_alerts(policy: Policy) -> list[Alert]:
    """The alerts of telemetry."""
    return [
        _dropped(policy),
        _error(policy),
        _refused(policy),
        _lost(policy),
        _stuck(policy),
        _queue(policy),
        _collector(policy),
        _watchdog(policy),
    ]


def _dropped(policy: Policy) -> Alert:
    window = policy.drop_window
    labels = (*SERVICE_LABELS, _SIGNAL, _REASON)
    return Alert(
        "TelemetryDropped",
        "telemetry",
        "ticket",
        labels,
        f"{by(labels)} (\n  {risen(_DROPPED, window, _INTENDED)}\n)",
        policy.wait("1m"),
        f"{{{_NAME}}} drops {{{_SIGNAL}}}: {{{_REASON}}}",
        f"Workers of {{{_NAME}}} gave up {{value}} items of {{{_SIGNAL}}} within {window}, because of: {{{_REASON}}} "
        "({total} since they began). Requests were not affected; what the dashboards show of this time is not all of "
        "it.",
        "queue_full, expired, shutdown: the Collector was not there, or too slow. rejected, too_large: it refused "
        "them, its log says why. error: a fault of bento_observe, the service's log has it.",
        {"value": Number("count"), "total": Number("count", f"{by(labels)} ({_DROPPED}{{{OF}}})")},
        _PAGE,
        "one item",
        keep=policy.wait("5m"),
    )


def _error(policy: Policy) -> Alert:
    window = policy.drop_window
    labels = (*SERVICE_LABELS, _REASON)
    return Alert(
        "TelemetryError",
        "telemetry",
        "ticket",
        labels,
        f"{by(labels)} (\n  {risen(_ERRORS, window)}\n)",
        policy.wait("1m"),
        f"bento_observe has a fault in {{{_NAME}}}: {{{_REASON}}}",
        f"{{value}} errors inside bento_observe in workers of {{{_NAME}}} within {window}, at: {{{_REASON}}} "
        "({total} since they began). They were kept away from requests; what was being measured is missing.",
        "The service's log has one of a kind a minute, with its stack trace. Since which version of the service or of "
        "bento_observe?",
        {"value": Number("count"), "total": Number("count", f"{by(labels)} ({_ERRORS}{{{OF}}})")},
        _PAGE,
        "one error",
        keep=policy.wait("5m"),
    )


def _refused(policy: Policy) -> Alert:
    window = policy.drop_window
    labels = (*INSTANCE, "receiver")
    return Alert(
        "CollectorRefuses",
        "telemetry",
        "ticket",
        (*labels, "data_type"),
        "\nor ".join(risen_by_kind(REFUSED, window, labels)),
        policy.wait("1m"),
        "The Collector refuses {data_type}",
        f"{{value}} items of {{data_type}} that came by {{receiver}} were refused within {window}. Senders are told "
        "to come again, and drop what they cannot keep.",
        "The Collector's log and memory: above its limit it refuses everything. Then its queues: a full one refuses, "
        "too.",
        {"value": Number("count")},
        _COLLECTOR_PAGE,
        "one item",
        keep=policy.wait("5m"),
    )


def _lost(policy: Policy) -> Alert:
    window = policy.drop_window
    labels = (*INSTANCE, "exporter")
    return Alert(
        "CollectorLosesData",
        "telemetry",
        "ticket",
        (*labels, "data_type", _REASON),
        "\nor ".join(
            f'label_replace({one}, "{_REASON}", "{why}", "", "")'
            for why, counters in (("send_failed", SEND_FAILED), ("enqueue_failed", ENQUEUE_FAILED))
            for one in risen_by_kind(counters, window, labels)
        ),
        policy.wait("1m"),
        f"The Collector loses {{data_type}} for {{exporter}}: {{{_REASON}}}",
        f"{{value}} items of {{data_type}} for {{exporter}} were given up within {window}: {{{_REASON}}}. What "
        "the dashboards show of this time is not all of it.",
        "send_failed: the backend refused them for good, and the Collector's log says why: metrics older than "
        "Prometheus takes, a template of logs that is missing? enqueue_failed: there was no room in the queue.",
        {"value": Number("count")},
        _COLLECTOR_PAGE,
        "one item",
        keep=policy.wait("5m"),
    )


def _stuck(policy: Policy) -> Alert:
    window = policy.stuck_window
    return Alert(
        "CollectorQueueStuck",
        "telemetry",
        "ticket",
        QUEUE_LABELS,
        stuck(policy),
        policy.wait("2m"),
        "{exporter} does not take the Collector's {data_type}",
        f"For {window} {{exporter}} has taken no {{data_type}}, or less than comes: never did less than {{value}} "
        "bytes wait, and {full} of the queue is taken. Nothing is lost yet: it waits on the Collector's disk.",
        "Is the backend there, does it answer, is its disk full? The Collector's log has its errors; what waits is "
        "sent when it is back.",
        {"value": Number("count"), "full": Number("share", full(OF))},
        _COLLECTOR_PAGE,
        f"one queue that was not empty for {window}",
        keep=policy.wait("5m"),
    )


def _queue(policy: Policy) -> Alert:
    return Alert(
        "CollectorQueueFilling",
        "telemetry",
        "page",
        QUEUE_LABELS,
        f"{full()} > {policy.fullest_queue:g}",
        policy.wait("5m"),
        "The Collector's queue to {exporter} is {value} full",
        "{data_type} for {exporter} wait on the Collector's disk: {size} bytes. When the queue is full, senders are "
        "told to come again, and drop what they cannot keep.",
        "Is the backend there, does it answer, is its disk full? The Collector's log has its errors; what waits is "
        "sent when it is back.",
        {"value": Number("share"), "size": Number("count", queue(OF))},
        _COLLECTOR_PAGE,
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
        "No Collector has told of itself for {value}. Services go on, keep what they can and drop the rest. Whether "
        "one of them is down cannot be told meanwhile.",
        "The Collector's process and its log; then Prometheus, which takes its metrics.",
        {"value": Number("seconds")},
        _COLLECTOR_PAGE,
        "one Collector",
        ends=f"Either a Collector is heard of again, or none has been for {policy.collector_memory}, and there is "
        "taken to be none.",
    )


def _watchdog(policy: Policy) -> Alert:
    return Alert(
        "Watchdog",
        "telemetry",
        "none",
        (),
        "vector(1)",
        policy.wait("1m"),
        "Prometheus evaluates alerts, and Alertmanager tells them",
        "This is always told. Who gets it is to raise the alarm when it no longer comes: then nobody is told of "
        "anything else either.",
        "When it no longer comes: is Prometheus there, is Alertmanager, does the one find the other, does the message "
        "get out?",
        {},
        _COLLECTOR_PAGE,
        "none",
        ends="It is no longer evaluated: Prometheus is not there.",
    )
