"""Traffic for the service, as much of each kind as is asked for."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import urllib3

from collector.grafana.preview.orders.data import broken, drifted, normal, outcomes

__all__ = ["KINDS", "Request", "requests", "send", "trouble"]

_ROWS: Final = 20
_TIMEOUT_S: Final = 30.0
_DIMENSIONS: Final = 300
"""More columns without names than that are not features: a vector."""

Orders = Callable[[int, np.random.Generator], pd.DataFrame]
KINDS: Final[Mapping[str, Orders]] = {"normal": normal, "drifted": drifted, "broken": broken}


@dataclass(frozen=True)
class Request:
    """A POST to an API, and the status that it has to be answered with."""

    api: str
    body: bytes
    status: int = 200


def requests(kind: str, count: int, random: np.random.Generator, every: int = 8) -> list[Request]:
    """`count` classifications of orders of a kind, with one request to each other API among `every` of them."""
    found = []
    for number in range(count):
        rows = KINDS[kind](_ROWS, random)
        found.append(_request("classify", rows=_records(rows)))
        if number % every == 0:
            found += [
                _request("words_in", texts=["a parcel", "one more parcel", "late"]),
                _request("feedback", outcomes=outcomes(rows, random)),
                _request("embed", vectors=random.normal(size=(4, _DIMENSIONS)).tolist()),
                _request("words", count=int(random.integers(2, 30))),
                _request("slow", seconds=0.02),
            ]
    return found


def trouble(count: int) -> list[Request]:
    """Requests that fail, that are refused, that are slow, and some whose labels are dropped, `count` of each."""
    return count * [
        _request("fail", 500, text="this"),
        _request("refuse", 400, text="that"),
        _request("slow", seconds=0.6),
        _request("misfit", outcomes=["keep"]),
        Request("classify", b'{"rows": [{"amount"', 400),
    ]


def send(url: str, wanted: Sequence[Request], rate: float, clients: int = 8) -> list[str]:
    """Send all, at most `rate` a second; what was not answered as it has to be."""
    waiting: queue.SimpleQueue[tuple[float, Request]] = queue.SimpleQueue()
    for number, request in enumerate(wanted):
        waiting.put((number / rate, request))
    wrong: list[str] = []
    began = time.monotonic()

    def client() -> None:
        # A connection of its own, never idle for long; one that the server has closed meanwhile is opened anew.
        retries = urllib3.Retry(1, allowed_methods=None, redirect=0, status=0)
        pool = urllib3.PoolManager(maxsize=1, retries=retries, timeout=_TIMEOUT_S)
        while True:
            try:
                at, request = waiting.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, began + at - time.monotonic()))
            try:
                headers = {"content-type": "application/json"}
                status = pool.request("POST", f"{url}/{request.api}", body=request.body, headers=headers).status
            except urllib3.exceptions.HTTPError as error:
                wrong.append(f"{request.api}: {error!r}")
                continue
            if status != request.status:
                wrong.append(f"{request.api}: {status} instead of {request.status}")

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def _request(api: str, status: int = 200, **body: Any) -> Request:
    return Request(api, json.dumps(body).encode(), status)


def _records(rows: pd.DataFrame) -> list[Any]:
    found: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return found
