"""Traffic for the service: `python -m service_example.traffic --url http://127.0.0.1:3000`.

First wines as they are in the data set, then drifted ones, and in between requests that the service refuses (400),
requests that its model can't take (500) and requests that continue a trace of the client. What each wine turned out to
be is sent some seconds after the service has classified it. The last line printed is a
JSON object: what was sent, what was answered, and what the service must therefore have counted.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import urllib3

from service_example._late import LateLabels
from service_example._plan import Request, plan
from service_example._tally import Answer, summary

__all__ = ["send"]

_PROGRESS_SECONDS = 0.5
_ID_HEADER = "x-prediction-id"


def send(
    url: str,
    requests: Sequence[Request],
    *,
    clients: int = 8,
    timeout: float = 30.0,
    labels: LateLabels | None = None,
) -> list[Answer]:
    """Send `requests` from `clients` connections at once, each when it is due; an answer for each, in no order.

    A request without an answer (refused, timed out after `timeout` seconds, not to be sent at all) has status 0: for
    every request there is an answer. None is sent twice. `labels` gets the ids of all predictions and their truth.
    """
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    answers: list[Answer] = []
    pool = urllib3.PoolManager(maxsize=clients, block=True, retries=False, timeout=timeout)
    began = time.monotonic()

    def client() -> None:
        while True:
            try:
                request = waiting.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, began + request.at - time.monotonic()))
            sent_ns = time.time_ns()
            status, ids = _ask(pool, url, request)
            answers.append(Answer(request, status, sent_ns))
            if labels is not None and len(ids) == len(request.truth):
                labels.add(ids, request.truth)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(_PROGRESS_SECONDS / clients)
        print(f"{len(answers)} of {len(requests)}", file=sys.stderr, flush=True)
    return answers


def _ask(pool: urllib3.PoolManager, url: str, request: Request) -> tuple[int, list[str]]:
    """Status and ids of an answer."""
    headers = {"content-type": "application/json"}
    if request.traceparent:
        headers["traceparent"] = request.traceparent
    try:
        answer = pool.request("POST", f"{url}/{request.api}", body=request.body, headers=headers)
        return answer.status, [one for one in answer.headers.get(_ID_HEADER, "").split(",") if one]
    except Exception as error:  # noqa: BLE001 - a client that ended here would take requests out of the count
        print(f"{request.api}: {error!r}", file=sys.stderr)
        return 0, []


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="traffic", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="the service [%(default)s]")
    parser.add_argument("--rate", type=_positive, default=100.0, help="requests a second [%(default)s]")
    parser.add_argument("--duration", type=_positive, default=15.0, help="seconds [%(default)s]")
    parser.add_argument("--drift-at", type=float, help="seconds after which the wines drift [half of the duration]")
    parser.add_argument("--clients", type=int, default=8, help="connections at once [%(default)s]")
    parser.add_argument(
        "--labels-after", type=_positive, default=2.0, help="seconds, until labels are sent [%(default)s]"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed sends the same wines [%(default)s]")
    parsed = parser.parse_args(arguments)
    if parsed.clients < 1:
        parser.error(f"--clients {parsed.clients}: at least 1")
    return parsed


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Send, and print the summary; 1 if a request was not answered as it has to be."""
    options = _arguments(arguments)
    drift_at = options.duration / 2 if options.drift_at is None else options.drift_at
    requests = plan(rate=options.rate, duration=options.duration, drift_at=drift_at, seed=options.seed)
    url = options.url.rstrip("/")
    labels = LateLabels(url, options.labels_after)
    answers = send(url, requests, clients=options.clients, labels=labels)
    result: dict[str, Any] = {**summary(answers), "labelled": labels.finish()}
    print(json.dumps(result))
    return 1 if result["unexpected"] else 0


if __name__ == "__main__":
    sys.exit(main())
