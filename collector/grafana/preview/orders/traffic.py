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

from collector.grafana.preview.orders.data import DIMENSIONS, broken, drifted, normal, outcomes, probabilities
from collector.grafana.preview.orders.labels import Labels

__all__ = ["KINDS", "Request", "requests", "send", "trouble"]

_ROWS: Final = 12
"""Of a request; more than 16 have no ids in the header."""

_OUTCOMES: Final = 40
_PARCELS: Final = 12
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Kind:
    """What orders are like, of how many the outcome has nothing to do with what the model knows, and of deliveries how
    much farther than usual they go and how many days late they come.
    """

    orders: Callable[[int, np.random.Generator], pd.DataFrame]
    others: float = 0.0
    farther: float = 0.0
    late: float = 0.0


KINDS: Final[Mapping[str, Kind]] = {
    "normal": Kind(normal),
    "drifted": Kind(drifted, others=0.6, farther=2.0, late=0.5),
    "broken": Kind(broken),
}


@dataclass(frozen=True)
class Request:
    """A POST to an API, the status that it has to be answered with, and what turns out to be true of its rows."""

    api: str
    body: bytes
    status: int = 200
    truth: tuple[str, ...] = ()


def requests(name: str, count: int, random: np.random.Generator, every: int = 8) -> list[Request]:
    """`count` classifications of orders of the kind `name`, one to each other API among `every` of them."""
    kind = KINDS[name]
    found = []
    for number in range(count):
        rows = kind.orders(_ROWS, random)
        truth = tuple(outcomes(rows, random, others=kind.others))
        found.append(_request("classify", truth=truth, rows=_records(rows)))
        if number % every == 0:
            told = kind.orders(_OUTCOMES, random)
            found += [
                _request("words_in", texts=["a parcel", "one more parcel", "late"]),
                _request(
                    "feedback",
                    told={
                        "said": probabilities(told).to_numpy().tolist(),
                        "outcomes": outcomes(told, random, others=kind.others),
                    },
                ),
                _request("promise", count=_PARCELS, farther=kind.farther),
                _request("arrive", late=kind.late),
                _request("embed", vectors=random.normal(size=(4, DIMENSIONS)).tolist()),
                _request("words", count=int(random.integers(2, 30))),
                _request("slow", seconds=0.02),
            ]
    return found


def trouble(count: int) -> list[Request]:
    """Requests that fail, that are refused, that are slow, whose call of another service fails, and some whose labels
    are dropped, `count` of each.
    """
    return count * [
        _request("fail", 500, text="this"),
        _request("refuse", 400, text="that"),
        _request("promise", 400, count=0, farther=0.0),
        _request("slow", seconds=0.6),
        _request("misfit", outcomes=["keep"]),
        Request("classify", b'{"rows": [{"amount"', 400),
    ]


def send(url: str, wanted: Sequence[Request], rate: float, clients: int = 8) -> list[str]:
    """Send all, at most `rate` a second, and labels of what was answered; what was not answered as it has to be."""
    waiting: queue.SimpleQueue[tuple[float, Request]] = queue.SimpleQueue()
    for number, request in enumerate(wanted):
        waiting.put((number / rate, request))
    wrong: list[str] = []
    labels = Labels()
    began = time.monotonic()

    def client() -> None:
        connection = _Connection(url, wrong)
        while True:
            try:
                at, request = waiting.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, began + at - time.monotonic()))
            ids = connection.post(request.api, request.body, request.status)
            if request.truth and ids:
                labels.owe(ids, request.truth)
            for body, status in labels.due():
                connection.post("observe/labels", body, status)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection = _Connection(url, wrong)
    for body, status in labels.due(keep=0):
        connection.post("observe/labels", body, status)
    return wrong


class _Connection:
    """One connection, never idle for long; one that the server has closed meanwhile is opened anew.

    `wrong` takes what is not answered as it has to be.
    """

    def __init__(self, url: str, wrong: list[str]) -> None:
        retries = urllib3.Retry(1, allowed_methods=None, redirect=0, status=0)
        self._pool = urllib3.PoolManager(maxsize=1, retries=retries, timeout=_TIMEOUT_S)
        self._url = url
        self._wrong = wrong

    def post(self, path: str, body: bytes, status: int) -> str:
        """The ids in the answer."""
        headers = {"content-type": "application/json"}
        try:
            answer = self._pool.request("POST", f"{self._url}/{path}", body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            self._wrong.append(f"{path}: {error!r}")
            return ""
        if answer.status != status:
            self._wrong.append(f"{path}: {answer.status} instead of {status}")
        return str(answer.headers.get("x-prediction-id", ""))


def _request(api: str, status: int = 200, truth: tuple[str, ...] = (), **body: Any) -> Request:
    return Request(api, json.dumps(body).encode(), status, truth)


def _records(rows: pd.DataFrame) -> list[Any]:
    found: list[Any] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return found
