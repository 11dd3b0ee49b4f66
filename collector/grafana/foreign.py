"""Metrics that are not ours: the host's and the Collector's own, as collector/config.yaml sends them to Prometheus, and
what Prometheus makes of alerts.

Named after what Collector 0.157 was seen to send. Counters of failures, `FAILURES`, come into being with the first one.
"""

from __future__ import annotations

from typing import Final

# Host, by the Collector's host_metrics receiver; the service is called `host`.
HOST_CPU: Final = "system_cpu_time_seconds_total"
HOST_LOAD: Final = "system_cpu_load_average_1m"
HOST_MEMORY: Final = "system_memory_usage_bytes"
HOST_NETWORK: Final = "system_network_io_bytes_total"
HOST_DISK: Final = "system_disk_io_bytes_total"

# The Collector; the service is called `otelcol`.
COLLECTOR: Final = "otelcol"
QUEUE_SIZE: Final = "otelcol_exporter_queue_size"
QUEUE_CAPACITY: Final = "otelcol_exporter_queue_capacity"
BULK_LATENCY: Final = "otelcol_elasticsearch_bulk_requests_latency_seconds_bucket"
COLLECTOR_MEMORY: Final = "otelcol_process_memory_rss_bytes"
COLLECTOR_CPU: Final = "otelcol_process_cpu_seconds_total"
ITEMS: Final = ("spans", "metric_points", "log_records")
ACCEPTED: Final = tuple(f"otelcol_receiver_accepted_{item}_total" for item in ITEMS)
REFUSED: Final = tuple(f"otelcol_receiver_refused_{item}_total" for item in ITEMS)
SENT: Final = tuple(f"otelcol_exporter_sent_{item}_total" for item in ITEMS)
SEND_FAILED: Final = tuple(f"otelcol_exporter_send_failed_{item}_total" for item in ITEMS)
ENQUEUE_FAILED: Final = tuple(f"otelcol_exporter_enqueue_failed_{item}_total" for item in ITEMS)
FAILURES: Final = (*SEND_FAILED, *ENQUEUE_FAILED)

# Prometheus' own: 1 for each alert that fires or is pending, and since when, in seconds since the epoch.
ALERTS: Final = "ALERTS"
ALERTS_SINCE: Final = "ALERTS_FOR_STATE"
ALERT: Final = "alertname"
ALERT_STATE: Final = "alertstate"
SEVERITY: Final = "severity"
ABOUT: Final = "about"
"""Labels of alerts: the last two are given by collector/alerts."""

METRICS: Final = (
    HOST_CPU, HOST_LOAD, HOST_MEMORY, HOST_NETWORK, HOST_DISK,
    QUEUE_SIZE, QUEUE_CAPACITY, BULK_LATENCY, COLLECTOR_MEMORY, COLLECTOR_CPU,
    *ACCEPTED, *REFUSED, *SENT, *FAILURES, ALERTS, ALERTS_SINCE,
)  # fmt: skip
LABELS: Final = (
    "state", "device", "direction", "exporter", "receiver", "data_type", "le", ALERT, ALERT_STATE, SEVERITY, ABOUT,
)  # fmt: skip
