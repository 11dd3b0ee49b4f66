"""Telemetry health: does what services tell arrive, and what does telling cost?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bento_observe import semconv
from collector.grafana import foreign, names
from collector.grafana.board import Board
from collector.grafana.boards import alerts
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import lines, status
from collector.grafana.promql import added, gained, legend, quantile, rate, select

_NO_WORKER: Final = "No data yet, because no worker of this service has sent metrics."
_NO_COLLECTOR: Final = "No data yet, because the Collector has sent no metrics of its own."
_NONE_LOST: Final = "Nothing was lost in this time."
_NO_FAILURE: Final = "No failure in this time."
_REASONED: Final = f"{legend(names.TELEMETRY_SIGNAL)}: {legend(names.REASON)}"
_EXPORTS: Final = names.count(semconv.EXPORTER_DURATION)
_FAILED: Final = f"{legend(names.EXPORTER)}: {legend(names.ERROR)}"


def _each(metrics: Sequence[str], label: str, counted: Callable[[str, str], str] = rate) -> list[Query]:
    """A query for spans, metric points and log records."""
    return [
        Query(counted(metric, label), f"{item.replace('_', ' ')}, {legend(label)}")
        for metric, item in zip(metrics, foreign.ITEMS, strict=True)
    ]


GLANCE = [
    status(
        Look(
            "Dropped in the last hour", "Spans, log records, metric points and feature rows that workers gave up.",
            _NONE_LOST, Traffic.TROUBLE, "short", 6, decimals=0, steps=((None, "green"), (1, "red")),
        ),
        Query(gained(select(names.name(semconv.DROPPED)), window="1h")),
    ),
    status(
        Look(
            "Errors in the last hour", "Errors inside bento_observe that were kept away from requests.",
            _NO_FAILURE, Traffic.TROUBLE, "short", 6, decimals=0, steps=((None, "green"), (1, "red")),
        ),
        Query(gained(select(names.name(semconv.ERRORS)), window="1h")),
    ),
    status(
        Look(
            "Fullest queue of the Collector",
            "The largest share of a queue on the Collector's disk in use. A full queue refuses, and workers keep what "
            "they can.",
            _NO_COLLECTOR, Traffic.NOTHING, "percentunit", 6, decimals=1, most=1,
            steps=((None, "green"), (0.5, "orange"), (0.8, "red")),
        ),
        Query(f"max({foreign.QUEUE_SIZE} / {foreign.QUEUE_CAPACITY})"),
    ),
    status(
        Look(
            "Series of the service", "How many series this service has in Prometheus now.",
            _NO_WORKER, Traffic.ANY, "short", 6, decimals=0,
        ),
        Query(f"count({select('')})"),
    ),
]  # fmt: skip

ALERTS = alerts.listed(
    "Alerts on telemetry",
    "Alerts on the telemetry of this service, on the Collector and its queues, that fire or are about to, by "
    "Prometheus' rules. docs/runbook.md says what to do.",
    "No alert on telemetry fires or is pending.",
    {names.SERVICE: "Service", names.TELEMETRY_SIGNAL: "Telemetry", names.REASON: "Reason"},
    f'{foreign.ABOUT}="telemetry"',
    height=5,
)

WORKERS = [
    lines(
        Look(
            "Dropped", "Telemetry that workers gave up, a second, by what and why.", _NONE_LOST, Traffic.TROUBLE, "cps",
        ),
        Query(rate(select(names.name(semconv.DROPPED)), names.TELEMETRY_SIGNAL, names.REASON), _REASONED),
    ),
    lines(
        Look(
            "Errors inside bento_observe",
            "Errors that were kept away from requests, a second, by where.",
            _NO_FAILURE, Traffic.TROUBLE, "cps",
        ),
        Query(rate(select(names.name(semconv.ERRORS)), names.REASON), legend(names.REASON)),
    ),
    lines(
        Look(
            "Accepted by the Collector",
            "Spans, log records and metric points a second that the Collector took from the workers.",
            _NO_WORKER, Traffic.ANY, "cps",
        ),
        Query(rate(select(names.name(semconv.EXPORTED)), names.TELEMETRY_SIGNAL), legend(names.TELEMETRY_SIGNAL)),
    ),
    lines(
        Look(
            "Waiting to be sent",
            "Encoded telemetry in the memory of all workers. It is bounded; what does not fit is dropped and counted.",
            _NO_WORKER, Traffic.ANY, "bytes", 6,
        ),
        Query(added(select(names.name(semconv.PENDING)), names.TELEMETRY_SIGNAL), legend(names.TELEMETRY_SIGNAL)),
        stacked=True,
    ),
    lines(
        Look(
            "Age of the newest metrics",
            "Time since each worker's metrics last arrived. A line that rises with the clock: a worker that ended or "
            "cannot reach the Collector.",
            _NO_WORKER, Traffic.ANY, "s", 6,
        ),
        Query(
            f"time() - max by ({names.INSTANCE}) (timestamp({select(names.name(semconv.PROCESS_MEMORY_USAGE))}))",
            legend(names.INSTANCE),
        ),
    ),
    lines(
        Look(
            "Export latency",
            "Time within which 95 of 100 exports of the workers were answered by the Collector, or had failed, by "
            "exporter.",
            _NO_WORKER, Traffic.ANY, "s", 6,
        ),
        Query(quantile(0.95, semconv.EXPORTER_DURATION, names.EXPORTER), legend(names.EXPORTER)),
    ),
    lines(
        Look(
            "Failed exports", "Exports that the Collector did not take within the minutes before, by exporter and why.",
            _NO_FAILURE, Traffic.TROUBLE, "short", 6,
        ),
        Query(gained(select(_EXPORTS, f'{names.ERROR}!=""'), names.EXPORTER, names.ERROR), _FAILED),
    ),
]  # fmt: skip

COLLECTOR = [
    lines(
        Look("Received", "Items a second that the Collector accepted.", _NO_COLLECTOR, Traffic.NOTHING, "cps"),
        *_each(foreign.ACCEPTED, "receiver"),
    ),
    lines(
        Look(
            "Refused",
            "Items a second that the Collector refused: its memory or a queue was full. Senders try again.",
            _NO_COLLECTOR, Traffic.NOTHING, "cps",
        ),
        *_each(foreign.REFUSED, "receiver"),
    ),
    lines(
        Look("Sent", "Items a second that the backends accepted.", _NO_COLLECTOR, Traffic.NOTHING, "cps"),
        *_each(foreign.SENT, "exporter"),
    ),
    lines(
        Look(
            "Queues", "Bytes on the Collector's disk that wait for a backend.", _NO_COLLECTOR, Traffic.NOTHING, "bytes",
        ),
        Query(added(foreign.QUEUE_SIZE, "exporter", "data_type"), "{{data_type}} to {{exporter}}"),
    ),
    lines(
        Look(
            "Failed to send",
            "Items that a backend did not take within the minutes before (those of four exports at least). Those of "
            "Jaeger and Prometheus are tried again.",
            _NO_FAILURE, Traffic.TROUBLE, "short",
        ),
        *_each(foreign.SEND_FAILED, "exporter", gained),
    ),
    lines(
        Look(
            "Failed to queue",
            "Items that found a queue full within the minutes before (those of four exports at least), and were "
            "refused.",
            _NO_FAILURE, Traffic.TROUBLE, "short",
        ),
        *_each(foreign.ENQUEUE_FAILED, "exporter", gained),
    ),
    lines(
        Look(
            "Time to store logs", "Time within which half and 95 of 100 bulk requests to Elasticsearch were answered.",
            "No data yet, because no log record was sent to Elasticsearch.", Traffic.ANY, "s",
        ),
        Query(f"histogram_quantile(0.5, {rate(foreign.BULK_LATENCY, names.LE)})", "p50"),
        Query(f"histogram_quantile(0.95, {rate(foreign.BULK_LATENCY, names.LE)})", "p95"),
    ),
    lines(
        Look("Memory of the Collector", "Physical memory of each Collector.", _NO_COLLECTOR, Traffic.NOTHING, "bytes"),
        Query(added(foreign.COLLECTOR_MEMORY, names.INSTANCE), legend(names.INSTANCE)),
    ),
    lines(
        Look("CPU of the Collector", "Cores that each Collector uses.", _NO_COLLECTOR, Traffic.NOTHING, "short"),
        Query(rate(foreign.COLLECTOR_CPU, names.INSTANCE), legend(names.INSTANCE)),
    ),
]  # fmt: skip

BOARD: Final = Board(
    "telemetry",
    "Telemetry health",
    "Does what services tell arrive, and what does telling cost?",
    ("environment", "namespace", "service", "version", "instance"),
    (
        ("At a glance", GLANCE),
        ("Alerts", [ALERTS]),
        ("In the workers", WORKERS),
        ("In the Collector", COLLECTOR),
    ),
)
