"""A WebSocket connection: a span of its own as long as it lasts, and counts of connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from bento_observe import semconv
from bento_observe.request._span import RequestSpan
from bento_observe.telemetry import ExplicitHistogram, collect, up_down_counter

__all__ = ["ConnectionMetrics", "ConnectionSpan"]


class ConnectionSpan(RequestSpan):
    """One WebSocket connection, from its handshake, which is an HTTP request, to its end.

    `status` is that of the handshake, `close_code` 0 while it is open or where it was refused. `received` and `sent`
    count messages.
    """

    __slots__ = ("close_code", "received", "sent")

    def __init__(self) -> None:
        super().__init__()
        self.close_code = 0
        self.received = 0
        self.sent = 0

    def close(self, end_ns: int) -> None:
        """The connection is over."""
        self.set_attribute(semconv.NETWORK_PROTOCOL_NAME, "websocket")
        self.set_attribute(semconv.WEBSOCKET_RECEIVED, self.received)
        self.set_attribute(semconv.WEBSOCKET_SENT, self.sent)
        if self.close_code:
            self.set_attribute(semconv.WEBSOCKET_CLOSE_CODE, self.close_code)
        super().close(end_ns)


class ConnectionMetrics:
    """Counts connections. `active`, scheme -> open connections, is written by the event loop alone."""

    def __init__(self, start_ns: int) -> None:
        self.active: dict[str, int] = {}
        self._begin_ns = start_ns
        self._duration = ExplicitHistogram(semconv.WEBSOCKET_DURATION, _attributes)

    def count(self, connection: ConnectionSpan, start_ns: int, trace_id: bytes | None) -> None:
        """Add one that is over."""
        key = (connection.scheme, connection.route, _known(connection.close_code), connection.error_type)
        seconds = (connection.end_ns - connection.start_ns) / 1e9
        self._duration.series(key, start_ns).record(seconds, connection.start_unix_ns, trace_id, connection.span_id)

    def collect(self, now_ns: int, delta: bool) -> list[Metric]:
        """Both families as OTLP has them."""
        found = collect((self._duration,), now_ns, delta)
        if self.active:
            found.append(self._active(now_ns))
        return found

    def _active(self, now_ns: int) -> Metric:
        values = (({semconv.URL_SCHEME: scheme}, count) for scheme, count in list(self.active.items()))
        return up_down_counter(semconv.WEBSOCKET_CONNECTIONS, values, self._begin_ns, now_ns)


def _known(code: int) -> int:
    """A code of the protocol as it is; of those that libraries and applications make up, of which a client may send
    any, the first of their range."""
    return code if code < 1016 else min(code // 1000, 4) * 1000


def _attributes(key: tuple[str, str, int, str]) -> Mapping[str, Any]:
    scheme, route, code, error_type = key
    return {
        semconv.URL_SCHEME: scheme,
        semconv.HTTP_ROUTE: route or None,
        semconv.WEBSOCKET_CLOSE_CODE: code or None,
        semconv.ERROR_TYPE: error_type or None,
    }
