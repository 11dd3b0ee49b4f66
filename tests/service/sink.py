"""An OTLP endpoint that keeps what really arrived, and that can misbehave in every way a Collector does.

Payloads are kept as they came and decoded, with the generated protobuf classes, when a test asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import grpc
from endpoints import SIGNALS, Export, Tls, Verdict, grpc_server, http_server
from ports import free_port
from received import Log, Point, Span, logs, points, spans

__all__ = ["Sink", "Tls"]


class Sink:
    """OTLP over gRPC and over HTTP on two loopback ports that stay the same over `stop` and `start`.

    `behaviour` may be changed at any time:
        "accept"   take everything
        "hang"     take the request and never answer
        "reject"   refuse for good (INVALID_ARGUMENT, 400)
        "busy"     refuse for now (RESOURCE_EXHAUSTED with RetryInfo in the status details as gRPC-Go sends it, 429 with
                   Retry-After), to be tried again after `retry_after` seconds
        "unavailable"   refuse for now without saying when (UNAVAILABLE, 503)
        "partial"  take all but one item
    """

    def __init__(self, tls: Tls | None = None) -> None:
        self.behaviour = "accept"
        self.retry_after = 0.2
        self.exports: list[Export] = []
        self.refused: list[Export] = []
        self._tls = tls
        self._arrived = threading.Condition()
        self._release = threading.Event()
        self._decoded: dict[str, tuple[int, list[Any]]] = {}
        self.grpc_port, self.http_port = free_port(), free_port()
        self._grpc: grpc.Server | None = None
        self._http: ThreadingHTTPServer | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> Sink:
        self._release = threading.Event()
        self._grpc = grpc_server(self.grpc_port, self._tls, self._take)
        self._http = http_server(self.http_port, self._tls, self._take)
        return self

    def stop(self) -> None:
        """Close both ports; what has arrived stays."""
        self._release.set()
        if self._grpc is not None:
            self._grpc.stop(grace=0).wait(5)
            self._grpc = None
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> Sink:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def grpc_url(self) -> str:
        return f"{self.scheme}://localhost:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"{self.scheme}://localhost:{self.http_port}"

    def environment(self, protocol: str = "grpc") -> dict[str, str]:
        """The variables that send everything here."""
        url = self.grpc_url if protocol == "grpc" else self.http_url
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    # -- what arrived ----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        with self._arrived:
            self.exports.clear()
            self.refused.clear()
            self._decoded.clear()

    def spans(self, **wanted: Any) -> list[Span]:
        """All spans, or those whose fields equal `wanted`."""
        return _matching(self._all("traces", spans), wanted)

    def points(self, **wanted: Any) -> list[Point]:
        """All metric points of all exports, or those whose fields equal `wanted`."""
        return _matching(self._all("metrics", points), wanted)

    def logs(self, **wanted: Any) -> list[Log]:
        """All log records, or those whose fields equal `wanted`."""
        return _matching(self._all("logs", logs), wanted)

    def last(self, metric: str, **attributes: Any) -> list[Point]:
        """The last point of each series of `metric` that has `attributes` (dots written as double underscores)."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        newest: dict[tuple[Any, ...], Point] = {}
        for point in self.points(metric=metric):
            if all(point.attributes.get(key) == value for key, value in named.items()):
                newest[point.series] = point
        return list(newest.values())

    def count(self, metric: str, **attributes: Any) -> int:
        """Sum over all series of the last cumulative histogram counts."""
        return sum(point.count for point in self.last(metric, **attributes))

    def value(self, metric: str, **attributes: Any) -> float:
        """Sum over all series of the last cumulative values."""
        return sum(point.value for point in self.last(metric, **attributes))

    def wait(self, condition: Callable[[], Any], timeout: float = 15.0, what: str = "telemetry") -> Any:
        """Wait until `condition` holds, asked after each export; what it returned. AssertionError after `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self._seen()
            found = condition()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{what} did not arrive within {timeout} s")
            with self._arrived:
                self._arrived.wait(0.2 if self._seen() == seen else 0)

    def _seen(self) -> int:
        return len(self.exports) + len(self.refused)

    def _all(self, signal: str, decode: Callable[[Any], Iterator[Any]]) -> list[Any]:
        with self._arrived:
            exports = list(self.exports)
            done, records = self._decoded.get(signal, (0, []))
        records = list(records)
        for export in exports[done:]:
            if export.signal == signal:
                records.extend(decode(SIGNALS[signal].request.FromString(export.body)))
        with self._arrived:
            if len(self.exports) >= len(exports):
                self._decoded[signal] = (len(exports), records)
        return records

    def _take(self, export: Export) -> Verdict:
        behaviour = self.behaviour
        with self._arrived:
            (self.exports if behaviour in ("accept", "partial") else self.refused).append(export)
            self._arrived.notify_all()
        if behaviour == "hang":
            self._release.wait()
            return Verdict("unavailable")
        return Verdict(behaviour, self.retry_after)


def _matching(records: list[Any], wanted: dict[str, Any]) -> list[Any]:
    return [record for record in records if all(getattr(record, key) == value for key, value in wanted.items())]
