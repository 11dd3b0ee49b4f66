"""HTTP/1.1 clients that cost next to nothing: requests are ready-made bytes, connections are kept."""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["Connection", "connected", "paced", "requests_per_second", "write_requests"]

_TIMEOUT_S = 20.0
_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


def write_requests(path: str, bodies: Iterable[Any]) -> list[bytes]:
    """A request to `path` for each of `bodies`, as JSON."""
    requests = []
    for content in bodies:
        body = json.dumps(content).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


class Connection:
    """One kept connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._body = self._end = 0  # where the body begins and ends; 0: not known yet

    def fileno(self) -> int:
        """The socket's, for selectors."""
        return self._socket.fileno()

    def send(self, request: bytes) -> None:
        """Begin a request."""
        self._socket.sendall(request)

    def receive(self) -> bytes | None:
        """Wait for more of the answer; its body once that is complete.

        Raises:
            RuntimeError: if the answer is not a success, or the server hangs up.
        """
        received = self._socket.recv(65536)
        if not received:
            raise RuntimeError("the server closed the connection")
        self._buffer += received
        if not self._body and not self._head():
            return None
        if not (len(self._buffer) >= self._end if self._end else self._buffer.endswith(_LAST_CHUNK)):
            return None
        body = bytes(self._buffer[self._body :])
        answer = body if self._end else _joined(body)
        self._buffer.clear()
        self._body = self._end = 0
        return answer

    def _head(self) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        self._body = head_end + 4
        length = _CONTENT_LENGTH.search(self._buffer, 0, head_end)
        if length is not None:
            self._end = self._body + int(length[1])
        chunked = _CHUNKED.search(self._buffer, 0, self._body) is not None
        if not self._buffer.startswith(b"HTTP/1.1 200 ") or chunked is (length is not None):
            raise RuntimeError(f"unexpected answer: {bytes(self._buffer[:500])!r}")
        return True

    def exchange(self, request: bytes) -> bytes:
        """One request and the body of its answer."""
        self.send(request)
        while (body := self.receive()) is None:
            pass
        return body

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _joined(chunks: bytes) -> bytes:
    """What was sent in these chunks. No text that is asked for here looks like the last one, so that is looked for."""
    joined, at = bytearray(), 0
    while True:
        line_end = chunks.index(b"\r\n", at)
        size = int(chunks[at:line_end], 16)
        if not size:
            return bytes(joined)
        at = line_end + 2
        joined += chunks[at : at + size]
        at += size + 2


@contextmanager
def connected(port: int, count: int) -> Iterator[list[Connection]]:
    """`count` new connections, closed at the end. (Uvicorn hangs up on one that is unused for 5 s.)"""
    connections = [Connection(port) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def requests_per_second(connections: Sequence[Connection], requests: Sequence[bytes], count: int) -> float:
    """Send `count` requests, each connection its next as soon as the last is answered; how many were answered a second.

    Raises:
        RuntimeError: as `Connection.receive`, and if no answer comes for 20 s.
    """
    began = time.perf_counter()
    if len(connections) == 1:
        for index in range(count):
            connections[0].exchange(requests[index % len(requests)])
        return count / (time.perf_counter() - began)
    sent = answered = 0
    with selectors.DefaultSelector() as selector:
        for connection in connections[:count]:
            selector.register(connection, selectors.EVENT_READ, connection)
            connection.send(requests[sent % len(requests)])
            sent += 1
        while answered < count:
            ready = selector.select(_TIMEOUT_S)
            if not ready:
                raise RuntimeError("the server does not answer")
            for key, _ in ready:
                if key.data.receive() is not None:
                    answered += 1
                    if sent < count:
                        key.data.send(requests[sent % len(requests)])
                        sent += 1
    return count / (time.perf_counter() - began)


def paced(connection: Connection, requests: Sequence[bytes], count: int, rate: float) -> list[float]:
    """`count` requests at `rate` a second over one connection: milliseconds from when each was *planned* to its answer.

    A request that is late because the one before it was slow counts as late, as it would be for a user.
    """
    latencies = []
    began = time.perf_counter()
    for index in range(count):
        planned = began + index / rate
        while (wait := planned - time.perf_counter()) > 0:
            time.sleep(wait)
        connection.exchange(requests[index % len(requests)])
        latencies.append((time.perf_counter() - planned) * 1000)
    return latencies
