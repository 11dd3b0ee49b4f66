"""Clients that send what they are told and remember what was answered."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

TRACE_HEADER = "x-bentoml-trace-id"


@dataclass(frozen=True)
class Request:
    """One request. `kind` is the sender's name for it; `rows` are the rows that the service will decode."""

    kind: str
    path: str
    body: bytes = b""
    method: str = "POST"
    rows: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    request: Request
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def trace_id(self) -> str:
        return self.headers.get(TRACE_HEADER, "")

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One kept-alive connection; opens a new one when the server has closed it, and sends the request again."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self._port = port
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def send(self, request: Request) -> Answer:
        """The answer. TimeoutError if there is none in time; other OSErrors or HTTPException after five tries in a row
        that got none."""
        for attempt in itertools.count(1):
            try:
                return self._send(request)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == 5 or isinstance(error, TimeoutError):
                    raise
        raise AssertionError("unreachable")

    def _send(self, request: Request) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        headers = {"content-type": "application/json", **request.headers}
        self._connection.request(request.method, request.path, request.body or None, headers)
        response = self._connection.getresponse()
        body = response.read()
        return Answer(request, response.status, {key.lower(): value for key, value in response.getheaders()}, body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def send_all(
    port: int, requests: Iterable[Request], clients: int = 8, on_answer: Callable[[int], None] | None = None
) -> list[Answer]:
    """Send `requests` from `clients` threads, each on its own connection; `on_answer` gets the number answered so far.

    Returns the answers. Raises what a client raised.
    """
    waiting = iter(requests)
    lock = threading.Lock()
    answers: list[Answer] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            with Client(port) as client:
                while True:
                    with lock:
                        request = next(waiting, None)
                    if request is None or failures:
                        return
                    answer = client.send(request)
                    with lock:
                        answers.append(answer)
                        count = len(answers)
                    if on_answer is not None:
                        on_answer(count)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers


def traceparent(sampled: bool = True) -> str:
    """A caller's trace context with fresh ids."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-0{int(sampled)}"


def rows(count: int) -> bytes:
    """The body for `count` rows of four numbers, negative ones among them."""
    return json.dumps({"rows": [[random.gauss(0, 3) for _ in range(4)] for _ in range(count)]}).encode()


PREDICT = Request("ok", "/predict", rows(1), rows=1)


def mixed(count: int) -> list[Request]:
    """`count` requests to the service `simple`: most are right, every sixth is not, half come with a trace."""
    found = []
    for number in range(count):
        if number % 24 == 3:
            request = Request("bad_json", "/predict", b'{"rows": [[1, 2')
        elif number % 24 == 9:
            request = Request("wrong_shape", "/predict", b'{"rows": [[1, 2, 3]]}')
        elif number % 24 == 15:
            request = Request("not_found", f"/nothing/{number}", method="GET")
        elif number % 24 == 21:
            request = Request("raises", "/fail", rows(1), rows=1)
        else:
            size = 1 + number % 3
            request = Request("ok", "/predict", rows(size), rows=size)
        if number % 2:
            request.headers["traceparent"] = traceparent()
        found.append(request)
    return found


STATUS = {"ok": 200, "bad_json": 400, "wrong_shape": 400, "not_found": 404, "raises": 500}
"""The right answer to each kind of `mixed`."""
