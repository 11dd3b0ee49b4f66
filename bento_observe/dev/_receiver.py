"""The embedded receiver: OTLP in over gRPC and HTTP, DuckDB underneath, SQL out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from bento_observe.dev._database import MEMORY, Parameters
from bento_observe.dev._grpc import GrpcServer
from bento_observe.dev._http import HttpServer
from bento_observe.dev._loopback import HOST
from bento_observe.dev._remote import announce
from bento_observe.dev._store import Counts, Store

__all__ = ["DevReceiver"]


class DevReceiver:
    """An OTLP receiver in this process, over a DuckDB file or memory; a tool for development and tests.

    It serves on 127.0.0.1 from construction until `close` (or for the length of a `with`). `path` is a DuckDB file,
    made where there is none, or `":memory:"`. A port of 0 is any free one; `otherwise_free` takes any free one too
    where the port asked for is taken. At most `max_bytes` of rows are kept, the oldest go first; at most `queue_bytes`
    of requests wait for the writer, more are answered with OTLP's "retry later".

    Tables: `spans`, `metric_points`, `logs`. Views: `requests`, `traces`, `errors`, `metric_latest`, `metric_totals`,
    `features`. Raises `MissingExtraError`, `PortTakenError`, `DatabaseError` (all `DevError`).
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        grpc_port: int = 0,
        http_port: int = 0,
        otherwise_free: bool = False,
        max_bytes: int = 512_000_000,
        queue_bytes: int = 64 << 20,
    ) -> None:
        token = secrets.token_urlsafe()
        with ExitStack() as stack:
            self._store = Store(path, max_bytes=max_bytes, queue_bytes=queue_bytes)
            stack.callback(self._store.close)
            self._grpc = GrpcServer(self._store, grpc_port, otherwise_free=otherwise_free)
            stack.callback(self._grpc.close)
            self._http = HttpServer(self._store, http_port, token, otherwise_free=otherwise_free)
            stack.callback(self._http.close)
            if str(path) != MEMORY:
                stack.enter_context(announce(path, self.http_endpoint, token))
            self._open = stack.pop_all()

    @property
    def grpc_endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT with protocol `grpc`."""
        return f"http://{HOST}:{self._grpc.port}"

    @property
    def http_endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT with protocol `http/protobuf` or `http/json`."""
        return f"http://{HOST}:{self._http.port}"

    def query(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """The rows of one SELECT over everything received before the call; `QueryError` when DuckDB refuses it."""
        return self._store.select(sql, parameters).rows

    def wait_for(
        self,
        sql: str,
        predicate: Callable[[list[tuple[Any, ...]]], bool] = bool,
        timeout: float = 10.0,
        parameters: Parameters = None,
    ) -> list[tuple[Any, ...]]:
        """The first answer to `sql` that `predicate` accepts (default: one that has rows), asked again at each arrival.

        `TimeoutError`, with the last answer, after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self._store.arrivals
            rows = self.query(sql, parameters)
            if predicate(rows):
                return rows
            if not self._store.wait_for_arrival(seen, deadline - time.monotonic()):
                raise TimeoutError(f"{sql!r} still gave {rows[:5]!r} after {timeout} s")

    def flush(self, timeout: float = 30.0) -> None:
        """Waits until everything received so far can be queried; `query` does so by itself."""
        self._store.flush(timeout)

    def counts(self) -> Counts:
        """What has been stored, pruned and refused since this receiver started, all that was received included."""
        self._store.flush()
        return self._store.counts()

    def close(self) -> None:
        """Stops listening, writes what was received, closes the database. Closing twice is once."""
        self._open.close()

    def __enter__(self) -> DevReceiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
