"""Service: is it up, fast and free of errors, and what does it use?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import logs, names
from collector.grafana.board import Board
from collector.grafana.boards import common, resources
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import heat, lines, status
from collector.grafana.promql import RATE, added, increase, legend, mean, quantile, rate, select
from collector.grafana.variables import labels_of

_FINE: Final = "No errors in this time."
_REQUESTS: Final = names.count(semconv.REQUEST_DURATION)
_API: Final = labels_of("api")
_ERRORS: Final = f'{names.STATUS}=~"4..|5.."'
_PREDICT: Final = f'{names.STAGE}="{semconv.STAGE_PREDICT}"'
_STAGES: Final = (semconv.STAGE_DECODE, semconv.STAGE_QUEUE, semconv.STAGE_PREDICT, semconv.STAGE_ENCODE)


def _ratio(*matchers: str, window: str = RATE) -> str:
    return f"{rate(select(_REQUESTS, *matchers), window=window)} / {rate(select(_REQUESTS), window=window)}"


GLANCE = [
    status(
        Look(
            "Requests a second",
            "Requests answered a second, by all workers together, over the last minutes.",
            common.NO_REQUESTS, Traffic.ANY, "reqps", 4, decimals=2,
        ),
        Query(rate(select(_REQUESTS))),
    ),
    status(
        Look("Requests a minute", "The same per minute.", common.NO_REQUESTS, Traffic.ANY, "reqpm", 4, decimals=0),
        Query(f"60 * {rate(select(_REQUESTS))}"),
    ),
    status(
        Look(
            "Share of 200s", "Share of the answers that had the status 200.", common.NO_REQUESTS, Traffic.ANY,
            "percentunit", 4,
            decimals=2, most=1,
            steps=((None, "red"), (0.95, "orange"), (0.99, "green")),
        ),
        Query(_ratio(f'{names.STATUS}="200"')),
    ),
    status(
        Look(
            "Latency p95", "Time within which 95 of 100 requests are answered.", common.NO_REQUESTS, Traffic.ANY, "s",
            4,
        ),
        Query(quantile(0.95, semconv.REQUEST_DURATION)),
    ),
    status(
        Look("In flight now", "Requests that are being worked on.", common.NO_REQUESTS, Traffic.ANY, "short", 4),
        Query(added(select(names.name(semconv.ACTIVE_REQUESTS)))),
    ),
    status(
        Look(
            "Workers",
            "Worker processes that sent metrics in the last five minutes. One worker is as good as many: sums below "
            "are then its own.",
            "No data yet, because no worker of this service has sent metrics.", Traffic.ANY, "short", 4,
        ),
        Query(f"count(count by ({names.INSTANCE}) ({select(names.name(semconv.PROCESS_MEMORY_USAGE))}))"),
    ),
]  # fmt: skip

REQUESTS = [
    lines(
        Look(
            "Requests by status", "Requests a second by the status of their answers.", common.NO_REQUESTS, Traffic.ANY,
            "reqps",
        ),
        Query(rate(select(_REQUESTS), names.STATUS), legend(names.STATUS)),
        stacked=True,
    ),
    lines(
        Look(
            "Errors by type",
            "Answers a second with an error, by what BentoML made the answer of: the class of the exception, else the "
            "status.",
            _FINE, Traffic.FAILING, "reqps",
        ),
        Query(
            rate(select(_REQUESTS, f'{names.ERROR}!=""'), names.ERROR, names.STATUS),
            f"{legend(names.ERROR)} ({legend(names.STATUS)})",
        ),
    ),
    lines(
        Look(
            "Share of errors",
            "Share of all answers that are client's errors (4xx) and server's errors (5xx).",
            _FINE, Traffic.FAILING, "percentunit",
        ),
        Query(_ratio(f'{names.STATUS}=~"4.."'), "4xx"),
        Query(_ratio(f'{names.STATUS}=~"5.."'), "5xx"),
    ),
    lines(
        Look(
            "Latency",
            "Times within which half, 95 and 99 of 100 requests are answered. Points are single requests; a click "
            "opens their trace.",
            common.NO_REQUESTS, Traffic.ANY, "s", 12,
        ),
        Query(quantile(0.5, semconv.REQUEST_DURATION), "p50", exemplar=True),
        Query(quantile(0.95, semconv.REQUEST_DURATION), "p95"),
        Query(quantile(0.99, semconv.REQUEST_DURATION), "p99"),
    ),
    heat(
        Look("Latency over time", "How many requests took how long.", common.NO_REQUESTS, Traffic.ANY, "s", 12),
        Query(increase(select(names.bucket(semconv.REQUEST_DURATION)), names.LE), exemplar=True),
    ),
    lines(
        Look(
            "Latency p95 by route",
            "Time within which 95 of 100 requests are answered, by route.",
            common.NO_REQUESTS, Traffic.ANY, "s",
        ),
        Query(quantile(0.95, semconv.REQUEST_DURATION, names.ROUTE), legend(names.ROUTE)),
    ),
    lines(
        Look("In flight", "Requests that are being worked on, by worker.", common.NO_REQUESTS, Traffic.ANY, "short"),
        Query(added(select(names.name(semconv.ACTIVE_REQUESTS)), names.INSTANCE), legend(names.INSTANCE)),
        stacked=True,
    ),
    lines(
        Look(
            "Body sizes",
            "Mean size of what requests carried and of what they were answered.",
            common.NO_REQUESTS, Traffic.ANY, "bytes",
        ),
        Query(mean(semconv.REQUEST_BODY_SIZE), "request"),
        Query(mean(semconv.RESPONSE_BODY_SIZE), "response"),
    ),
]  # fmt: skip

STAGES = [
    lines(
        Look(
            "Where the time goes",
            "Mean time of a call in each stage: decode, queue (waiting for a thread or a batch), predict, encode.",
            common.NO_REQUESTS, Traffic.ANY, "s", 12,
        ),
        Query(
            mean(semconv.STAGE_DURATION, names.STAGE, matchers=(_API, f'{names.STAGE}=~"{"|".join(_STAGES)}"')),
            legend(names.STAGE),
        ),
        stacked=True,
    ),
    lines(
        Look(
            "Predict p95 by API", "Time within which 95 of 100 predictions are made.", common.NO_REQUESTS, Traffic.ANY,
            "s", 12,
        ),
        Query(
            quantile(0.95, semconv.STAGE_DURATION, names.API, matchers=(_API, _PREDICT)),
            legend(names.API),
        ),
    ),
    lines(
        Look(
            "Batch size", "Requests and rows in a batch, on average, and the size that 95 of 100 batches stay below.",
            "No data yet, because no API of this service batches (batchable=True), or none was called.",
            Traffic.BATCHES, "short", 12,
        ),
        Query(mean(semconv.BATCH_SIZE, matchers=(_API,)), "requests"),
        Query(quantile(0.95, semconv.BATCH_SIZE, matchers=(_API,)), "requests p95"),
        Query(mean(semconv.BATCH_ROWS, matchers=(_API,)), "rows"),
    ),
    lines(
        Look(
            "Wait for a batch", "Time from joining the queue to the start of the batch.",
            "No data yet, because no API of this service batches (batchable=True), or none was called.",
            Traffic.BATCHES, "s", 12,
        ),
        Query(mean(semconv.BATCH_WAIT, matchers=(_API,)), "mean"),
        Query(quantile(0.95, semconv.BATCH_WAIT, matchers=(_API,)), "p95"),
    ),
    lines(
        Look(
            "Streams", "Time to the first item of streamed answers, 95 of 100.",
            "No data yet, because no answer of this service was a stream.",
            Traffic.STREAMS, "s", 12,
        ),
        Query(quantile(0.95, semconv.STREAM_FIRST_ITEM_DURATION, names.API, matchers=(_API,)), legend(names.API)),
    ),
    lines(
        Look(
            "Items a second of streams", "How fast items follow the first one, on average.",
            "No data yet, because no answer of this service was a stream.",
            Traffic.STREAMS, "short", 12,
        ),
        Query(mean(semconv.STREAM_RATE, names.API, matchers=(_API,)), legend(names.API)),
    ),
]  # fmt: skip


def _calls(part: str, *matchers: str) -> str:
    """Calls a second; what is called by a Unix socket has no address that would last."""
    every = f"rate({select(part, *matchers)}[{RATE}])"
    return f'label_replace({every}, "{names.ADDRESS}", "socket", "{names.ADDRESS}", "")'


_CALLS: Final = names.count(semconv.CLIENT_DURATION)
_ANSWERED: Final = names.bucket(semconv.CLIENT_DURATION)
_CALLED: Final = (names.PEER, names.ADDRESS, names.TEMPLATE)
_NO_CALLS: Final = (
    "No data yet, because no API called another service through BentoML (bentoml.depends, or a BentoML client)."
)

CALLS = [
    lines(
        Look(
            "Calls of other services", "Calls a second, by what was called: service, address, and path.", _NO_CALLS,
            Traffic.CALLS, "reqps",
        ),
        Query(added(_calls(_CALLS), *_CALLED), legend(*_CALLED)),
        stacked=True,
    ),
    lines(
        Look(
            "Latency p95 of calls",
            "Time within which 95 of 100 calls were answered, as the caller has it: with the way there and back.",
            _NO_CALLS, Traffic.CALLS, "s",
        ),
        Query(
            f"histogram_quantile(0.95, {added(_calls(_ANSWERED), names.LE, *_CALLED)})",
            legend(*_CALLED),
        ),
    ),
    lines(
        Look(
            "Failed calls",
            "Calls a second that had no answer, or one with an error, by what was called and the error: the class of "
            "the exception, or the status.",
            "No call failed in this time.", Traffic.FAILED_CALLS, "reqps",
        ),
        Query(
            added(_calls(_CALLS, f'{names.ERROR}!=""'), *_CALLED, names.ERROR),
            f"{legend(*_CALLED)}: {legend(names.ERROR)}",
        ),
        stacked=True,
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
        ("Calls of other services", CALLS),
        ("Workers and hosts", resources.PANELS),
        ("Logs and slow requests", logs.PANELS),
    ),
)
