"""WebSocket connections of mounted applications, observed from the handshake to the end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe import semconv
from bento_observe._mounts import MountedRoutes
from bento_observe.request import ConnectionSpan, RequestSource, error_type_of
from bento_observe.telemetry import Health

__all__ = ["Connections"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# RFC 6455, 7.4.1
_NO_CODE, _GONE, _INTERNAL_ERROR = 1005, 1006, 1011


class Connections:
    """Wraps an ASGI application for scopes of the type `websocket`.

    Args:
        begin: fills in what a new span knows from the handshake; returns the caller's context.
        trace_header: name of the handshake's response header with the trace id; empty for none.
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        begin: Callable[[Scope, ConnectionSpan], Context],
        mounted: MountedRoutes,
        active: dict[str, int],
        source: RequestSource,
        trace_header: bytes,
        health: Health,
    ) -> None:
        self._app = app
        self._begin = begin
        self._mounted = mounted
        self._active = active
        self._source = source
        self._trace_header = trace_header
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            connection = ConnectionSpan()
            context = self._begin(scope, connection)
            self._active[connection.scheme] = self._active.get(connection.scheme, 0) + 1
        except Exception:  # noqa: BLE001 - an unobserved connection is still a connection
            self._health.error("begin")
            await self._app(scope, receive, send)
            return

        async def observed_receive() -> Message:
            message = await receive()
            kind = message["type"]
            if kind == "websocket.receive":
                connection.received += 1
            elif kind == "websocket.disconnect" and not connection.close_code:
                connection.close_code = message.get("code") or _NO_CODE
            return message

        async def observed_send(message: Message) -> None:
            kind = message["type"]
            if kind == "websocket.send":
                connection.sent += 1
            elif kind == "websocket.accept":
                connection.status = 101
                if self._trace_header:
                    given = (self._trace_header, connection.trace_id.hex().encode())
                    message = {**message, "headers": [*(message.get("headers") or ()), given]}
            elif kind == "websocket.close":
                if connection.status:
                    connection.close_code = connection.close_code or message.get("code") or 1000
                else:
                    connection.status = 403  # what a server answers a handshake that is not accepted
            elif kind == "websocket.http.response.start":
                connection.status = message["status"]
            await send(message)

        # The request at hand is not set: what is called in hours of talk would pile up as its stages.
        token = attach(set_span_in_context(connection, context))
        try:
            await self._app(scope, observed_receive, observed_send)
        except BaseException as error:
            if not isinstance(error, OSError) or connection.close_code not in (_GONE, 0):
                connection.error_type = error_type_of(error)
                connection.record_exception(error)
            raise
        finally:
            detach(token)
            self._finish(connection, scope)

    def _finish(self, connection: ConnectionSpan, scope: Scope) -> None:
        try:
            self._active[connection.scheme] -= 1
            connection.route = self._mounted.of(scope)
            if not connection.status:
                connection.status = 500 if connection.error_type else 403
            if not connection.error_type:
                if connection.status >= 400:
                    connection.error_type = str(connection.status)
                elif connection.close_code == _GONE:
                    connection.error_type = semconv.ERROR_TYPE_CLIENT_DISCONNECT
                elif connection.close_code == _INTERNAL_ERROR:
                    connection.error_type = str(_INTERNAL_ERROR)
            connection.close(time.perf_counter_ns())
            self._source.add(connection)
        except Exception:  # noqa: BLE001 - the connection is over in any case
            self._health.error("finish")
