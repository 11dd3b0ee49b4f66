"""Service: is it up, fast and free of errors, and what does it use?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import foreign, logs, names
from collector.grafana.board import Board
from collector.grafana.expectations import Traffic
from collector.grafana.panels import Look, Query, heat, lines, status
from collector.grafana.promql import RATE, increase, mean, quantile, rate, select
from collector.grafana.variables import labels_of

_QUIET: Final = "No data yet, because no request was answered in this time, or the service has not sent metrics: the first come a minute after its start."
_FINE: Final = "No errors in this time."
_REQUESTS: Final = names.count(semconv.REQUEST_DURATION)
_API: Final = labels_of("api")
_ERRORS: Final = f'{names.STATUS}=~"4..|5.."'
_STAGES: Final = (semconv.STAGE_DECODE, semconv.STAGE_QUEUE, semconv.STAGE_PREDICT, semconv.STAGE_ENCODE)


def _ratio(*matchers: str, window: str = RATE) -> str:
    return f"{rate(select(_REQUESTS, *matchers), window=window)} / {rate(select(_REQUESTS), window=window)}"


def _glance() -> list[object]:
    return []


GLANCE = [
    status(
        Look("Requests a second", "Requests answered a second, by all workers together, over the last minutes.", _QUIET, Traffic.ANY, "reqps", 4, decimals=2),
        Query(rate(select(_REQUESTS))),
    ),
    status(
        Look("Requests a minute", "The same per minute.", _QUIET, Traffic.ANY, "reqpm", 4, decimals=0),
        Query(f"60 * {rate(select(_REQUESTS))}"),
    ),
    status(
        Look(
            "Share of 200s", "Share of the answers that had the status 200.", _QUIET, Traffic.ANY, "percentunit", 4, decimals=2, most=1,
            steps=((None, "red"), (0.95, "orange"), (0.99, "green")),
        ),
        Query(_ratio(f'{names.STATUS}="200"')),
    ),
    status(
        Look("Latency p95", "Time within which 95 of 100 requests are answered.", _QUIET, Traffic.ANY, "s", 4),
        Query(quantile(0.95, semconv.REQUEST_DURATION)),
    ),
    status(
        Look("In flight now", "Requests that are being worked on.", _QUIET, Traffic.ANY, "short", 4),
        Query(f"sum({select(names.name(semconv.ACTIVE_REQUESTS))})"),
    ),
    status(
        Look(
            "Workers", "Worker processes that sent metrics in the last five minutes. One worker is as good as many: sums below are then its own.",
            "No data yet, because no worker of this service has sent metrics.", Traffic.ANY, "short", 4,
        ),
        Query(f"count(count by ({names.INSTANCE}) ({select(names.name(semconv.PROCESS_MEMORY_USAGE))}))"),
    ),
]  # fmt: skip

REQUESTS = [
    lines(
        Look("Requests by status", "Requests a second by the status of their answers.", _QUIET, Traffic.ANY, "reqps"),
        Query(rate(select(_REQUESTS), names.STATUS), f"{{{{{names.STATUS}}}}}"),
        stacked=True,
    ),
    lines(
        Look("Errors by type", "Answers a second with an error, by what BentoML made the answer of: the class of the exception, else the status.", _FINE, Traffic.FAILING, "reqps"),
        Query(rate(select(_REQUESTS, f'{names.ERROR}!=""'), names.ERROR, names.STATUS), f"{{{{{names.ERROR}}}}} ({{{{{names.STATUS}}}}})"),
    ),
    lines(
        Look("Share of errors", "Share of all answers that are client's errors (4xx) and server's errors (5xx).", _FINE, Traffic.FAILING, "percentunit"),
        Query(_ratio(f'{names.STATUS}=~"4.."'), "4xx"),
        Query(_ratio(f'{names.STATUS}=~"5.."'), "5xx"),
    ),
    lines(
        Look("Latency", "Times within which half, 95 and 99 of 100 requests are answered. Points are single requests; a click opens their trace.", _QUIET, Traffic.ANY, "s", 12),
        Query(quantile(0.5, semconv.REQUEST_DURATION), "p50"),
        Query(quantile(0.95, semconv.REQUEST_DURATION), "p95"),
        Query(quantile(0.99, semconv.REQUEST_DURATION), "p99", exemplar=True),
    ),
    heat(
        Look("Latency over time", "How many requests took how long.", _QUIET, Traffic.ANY, "s", 12),
        Query(increase(select(names.bucket(semconv.REQUEST_DURATION)), names.LE), exemplar=True),
    ),
    lines(
        Look("Latency p95 by route", "Time within which 95 of 100 requests are answered, by route.", _QUIET, Traffic.ANY, "s"),
        Query(quantile(0.95, semconv.REQUEST_DURATION, names.ROUTE), f"{{{{{names.ROUTE}}}}}"),
    ),
    lines(
        Look("In flight", "Requests that are being worked on, by worker.", _QUIET, Traffic.ANY, "short"),
        Query(f"sum by ({names.INSTANCE}) ({select(names.name(semconv.ACTIVE_REQUESTS))})", f"{{{{{names.INSTANCE}}}}}"),
        stacked=True,
    ),
    lines(
        Look("Body sizes", "Mean size of what requests carried and of what they were answered.", _QUIET, Traffic.ANY, "bytes"),
        Query(mean(semconv.REQUEST_BODY_SIZE), "request"),
        Query(mean(semconv.RESPONSE_BODY_SIZE), "response"),
    ),
]  # fmt: skip

STAGES = [
    lines(
        Look("Where the time goes", "Mean time of a call in each stage: decode, queue (waiting for a thread or a batch), predict, encode.", _QUIET, Traffic.ANY, "s", 12),
        Query(
            mean(semconv.STAGE_DURATION, names.STAGE, matchers=(_API, f'{names.STAGE}=~"{"|".join(_STAGES)}"')),
            f"{{{{{names.STAGE}}}}}",
        ),
        stacked=True,
    ),
    lines(
        Look("Predict p95 by API", "Time within which 95 of 100 predictions are made.", _QUIET, Traffic.ANY, "s", 12),
        Query(
            quantile(0.95, semconv.STAGE_DURATION, names.API, matchers=(_API, f'{names.STAGE}="{semconv.STAGE_PREDICT}"')),
            f"{{{{{names.API}}}}}",
        ),
    ),
    lines(
        Look(
            "Batch size", "Requests and rows in a batch, on average, and the size that 95 of 100 batches stay below.",
            "No data yet, because no API of this service batches (batchable=True), or none was called.", Traffic.BATCHES, "short", 12,
        ),
        Query(mean(semconv.BATCH_SIZE, matchers=(_API,)), "requests"),
        Query(quantile(0.95, semconv.BATCH_SIZE, matchers=(_API,)), "requests p95"),
        Query(mean(semconv.BATCH_ROWS, matchers=(_API,)), "rows"),
    ),
    lines(
        Look(
            "Wait for a batch", "Time from joining the queue to the start of the batch.",
            "No data yet, because no API of this service batches (batchable=True), or none was called.", Traffic.BATCHES, "s", 12,
        ),
        Query(mean(semconv.BATCH_WAIT, matchers=(_API,)), "mean"),
        Query(quantile(0.95, semconv.BATCH_WAIT, matchers=(_API,)), "p95"),
    ),
    lines(
        Look("Streams", "Time to the first item of streamed answers, 95 of 100.", "No data yet, because no answer of this service was a stream.", Traffic.STREAMS, "s", 12),
        Query(quantile(0.95, semconv.STREAM_FIRST_ITEM_DURATION, names.API, matchers=(_API,)), f"{{{{{names.API}}}}}"),
    ),
    lines(
        Look("Items a second of streams", "How fast items follow the first one, on average.", "No data yet, because no answer of this service was a stream.", Traffic.STREAMS, "short", 12),
        Query(mean(semconv.STREAM_RATE, names.API, matchers=(_API,)), f"{{{{{names.API}}}}}"),
    ),
]  # fmt: skip

_WORKER: Final = f"{{{{{names.INSTANCE}}}}}"

RESOURCES = [
    lines(
        Look("Requests by worker", "Requests a second of each worker; their sum is the service's.", _QUIET, Traffic.ANY, "reqps"),
        Query(rate(select(_REQUESTS), names.INSTANCE), _WORKER),
        stacked=True,
    ),
    lines(
        Look("CPU by worker", "Cores that each worker process uses, and all together.", _QUIET, Traffic.ANY, "short"),
        Query(rate(select(names.name(semconv.PROCESS_CPU_TIME)), names.INSTANCE), _WORKER),
        Query(rate(select(names.name(semconv.PROCESS_CPU_TIME))), "all workers"),
    ),
    lines(
        Look("Memory by worker", "Physical memory of each worker process, and of all together.", _QUIET, Traffic.ANY, "bytes"),
        Query(f"sum by ({names.INSTANCE}) ({select(names.name(semconv.PROCESS_MEMORY_USAGE))})", _WORKER),
        Query(f"sum({select(names.name(semconv.PROCESS_MEMORY_USAGE))})", "all workers"),
    ),
    lines(
        Look("Threads and files", "Threads and open file descriptors of all workers.", _QUIET, Traffic.ANY, "short"),
        Query(f"sum({select(names.name(semconv.PROCESS_THREAD_COUNT))})", "threads"),
        Query(f"sum({select(names.name(semconv.PROCESS_FILE_DESCRIPTOR_COUNT))})", "open files"),
    ),
    lines(
        Look(
            "CPU of hosts", "Share of the hosts' CPU time that is not idle, of all hosts with a Collector.",
            "No data yet, because no Collector on a host has sent host metrics.", Traffic.NOTHING, "percentunit",
        ),
        Query(
            f'1 - sum by ({names.HOST}) (rate({foreign.HOST_CPU}{{state="idle"}}[{RATE}])) / sum by ({names.HOST}) (rate({foreign.HOST_CPU}[{RATE}]))',
            f"{{{{{names.HOST}}}}}",
        ),
    ),
    lines(
        Look(
            "Memory of hosts", "Share of the hosts' memory in use.",
            "No data yet, because no Collector on a host has sent host metrics.", Traffic.NOTHING, "percentunit",
        ),
        Query(
            f'sum by ({names.HOST}) ({foreign.HOST_MEMORY}{{state="used"}}) / sum by ({names.HOST}) ({foreign.HOST_MEMORY})',
            f"{{{{{names.HOST}}}}}",
        ),
    ),
    lines(
        Look(
            "Network of hosts", "Bytes a second that go over the hosts' network devices, the loopback left out.",
            "No data yet, because no Collector on a host has sent host metrics.", Traffic.NOTHING, "Bps",
        ),
        Query(
            f'sum by ({names.HOST}, direction) (rate({foreign.HOST_NETWORK}{{device!="lo"}}[{RATE}]))',
            f"{{{{{names.HOST}}}}} {{{{direction}}}}",
        ),
    ),
    lines(
        Look(
            "GPU", "Share of the time in which each GPU was at work.",
            "No data yet, because no worker sees a GPU, or its NVML bindings (nvidia-ml-py) are not installed.", Traffic.GPU, "percentunit", most=1,
        ),
        Query(f"max by ({names.HOST}, {names.GPU}) ({select(names.name(semconv.HW_GPU_UTILIZATION))})", f"{{{{{names.HOST}}}}} {{{{{names.GPU}}}}}"),
    ),
    lines(
        Look(
            "GPU memory", "Share of each GPU's memory in use, by whatever process.",
            "No data yet, because no worker sees a GPU, or its NVML bindings (nvidia-ml-py) are not installed.", Traffic.GPU, "percentunit", most=1,
        ),
        Query(
            f"max by ({names.HOST}, {names.GPU}) ({select(names.name(semconv.HW_GPU_MEMORY_USAGE))}) / max by ({names.HOST}, {names.GPU}) ({select(names.name(semconv.HW_GPU_MEMORY_LIMIT))})",
            f"{{{{{names.HOST}}}}} {{{{{names.GPU}}}}}",
        ),
    ),
]  # fmt: skip

BOARD: Final = Board(
    "service",
    "Service",
    "Is the service up, fast and free of errors, and what does it use?",
    ("environment", "namespace", "service", "version", "instance", "api"),
    (
        ("At a glance", GLANCE),
        ("Requests", REQUESTS),
        ("Within a call", STAGES),
        ("Workers and hosts", RESOURCES),
        ("Logs and slow requests", logs.PANELS),
    ),
)
