"""The ASGI middleware: begins and ends a request, and shuts telemetry down with the server.

It stands in for two of BentoML's own, its OpenTelemetry and its access log middleware. Web sockets, which are rare and
long, still go through the latter.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bentoml._internal.context import trace_context
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import set_span_in_context
from starlette.middleware import Middleware

from bento_observe import semconv
from bento_observe._mounts import MountedRoutes
from bento_observe._propagation import ContextReader
from bento_observe._recorder import ApiRecorder
from bento_observe._websockets import Connections
from bento_observe.request import RequestMetrics, RequestSource, RequestSpan, current_request, error_type_of
from bento_observe.telemetry import Telemetry, random_bytes

__all__ = ["Observation", "ObserveMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_ITSELF = ("127.0.0.1", 123)
"""The client's address by both of the libraries through which BentoML calls an application in its own process."""
_KEPT_HEADERS = frozenset((b"host", b"user-agent", b"content-length", b"content-type"))


class Observation:
    """What the middleware needs to know of the service: made once per worker.

    `routes` are the paths of the APIs, `mounted` those of mounted applications; `quiet_paths` (health, metrics, labels)
    are served unobserved; `excluded` says of a URL whether the user's configuration leaves it out of tracing (None: of
    none).
    `trace_header` names the response header with the trace id, `prediction_header` the one with the ids of predictions
    (empty: none), which is also what a caller sends its own in. `recorders` are those of the APIs, by their names;
    `endpoints` are our own, by their paths; see `answer`.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        source: RequestSource,
        metrics: RequestMetrics,
        routes: frozenset[str],
        mounted: MountedRoutes,
        quiet_paths: frozenset[str],
        excluded: Callable[[str], bool] | None,
        trace_header: str,
        prediction_header: str = "",
    ) -> None:
        self.telemetry = telemetry
        self.source = source
        self.active = metrics.active
        self.connections = metrics.connections.active
        self.routes = routes
        self.mounted = mounted
        self.quiet_paths = quiet_paths
        self.excluded = excluded
        self.reader = ContextReader()
        self.prediction_header = prediction_header.encode()
        self.kept_headers = _KEPT_HEADERS | self.reader.headers | {self.prediction_header}
        self.recorders: dict[str, ApiRecorder] = {}
        self.endpoints: dict[str, Middleware] = {}
        self.trace_header = trace_header.encode()

    def answer(self, path: str, endpoint: Middleware) -> None:
        """Have requests for `path` answered by `endpoint`, unobserved: it tells what comes by metrics of its own."""
        self.endpoints[path] = endpoint
        self.quiet_paths |= {path}


class ObserveMiddleware:
    """Outermost middleware of an observed service."""

    def __init__(
        self, app: App, observation: Observation, wrap_websocket: Callable[[App], App], on_startup: Callable[[], None]
    ) -> None:
        self._app = app
        self._on_startup = on_startup
        self._o = observation
        self._health = observation.telemetry.health
        self._connections = Connections(
            wrap_websocket(app),
            self._identify,
            observation.mounted,
            observation.connections,
            observation.source,
            observation.trace_header,
            self._health,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            if scope["path"] in self._o.quiet_paths:
                await self._app(scope, receive, send)
            else:
                await self._http(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._connections(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def observed_send(message: Message) -> None:
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                self._guarded("startup", self._on_startup)
            elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"):
                # The last moment of this process: uvicorn raises SIGTERM again right after, and nothing runs at exit.
                await self._shutdown()
            await send(message)

        await self._app(scope, receive, observed_send)

    async def _shutdown(self) -> None:
        """In a thread of its own: those of the event loop's executor may all be held by the user's code."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def run() -> None:
            self._guarded("shutdown", self._o.telemetry.shutdown)
            loop.call_soon_threadsafe(done.set)

        threading.Thread(target=run, name="bento-observe-shutdown", daemon=True).start()
        await done.wait()

    def _guarded(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:  # noqa: BLE001 - the server starts and stops whatever happens to us
            self._health.error(what)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request, context = self._begin(scope)
        except Exception:  # noqa: BLE001 - an unobserved request is still a request
            self._health.error("begin")
            await self._app(scope, receive, send)
            return
        header = self._o.trace_header

        async def observed_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                request.request_size += len(message.get("body", b""))
            elif message["type"] == "http.disconnect" and not request.end_ns:
                request.error_type = request.error_type or semconv.ERROR_TYPE_CLIENT_DISCONNECT
            return message

        async def observed_send(message: Message) -> None:
            kind = message["type"]
            if request.ended:  # by a time-out's answer; the handler's own comes too late
                pass
            elif kind == "http.response.start":
                request.status = message["status"]
                headers = request.response_headers = message.get("headers") or ()
                if header:
                    headers = [*headers, (header, request.trace_id.hex().encode())]
                if request.prediction_ids and request.status < 400:
                    name = self._o.prediction_header
                    if not any(given.lower() == name for given, _ in headers):  # the service's own stays alone
                        headers = [*headers, (name, ",".join(request.prediction_ids).encode())]
                if headers is not request.response_headers:
                    message = {**message, "headers": headers}
            elif kind == "http.response.body":
                request.response_size += len(message.get("body", b""))
                if not message.get("more_body"):
                    request.end_ns = time.perf_counter_ns()
                    await send(message)
                    # Not when the application returns: background work, such as a task's, comes in between.
                    # Unless it answers for an exception that nobody has told of: Starlette raises it after the answer.
                    if request.status < 500 or request.failure():
                        self._finish(request, scope)
                    return
            await send(message)

        outer = current_request.set(request)
        token = attach(set_span_in_context(request, context))
        try:
            await self._app(scope, observed_receive, observed_send)
        except BaseException as error:
            self._failed(request, error)
            raise
        finally:
            detach(token)
            current_request.reset(outer)
            self._finish(request, scope)
            self._leave(request)

    def _begin(self, scope: Scope) -> tuple[RequestSpan, Context]:
        request = RequestSpan()
        context = self._identify(scope, request)
        if not request.nested:
            key = (request.method, request.scheme)
            self._o.active[key] = self._o.active.get(key, 0) + 1
        return request, context

    def _identify(self, scope: Scope, request: RequestSpan) -> Context:
        """Fill in what is known at the start; a handshake of a web socket is a GET."""
        kept = self._o.kept_headers
        headers = request.headers = {name: value for name, value in scope["headers"] if name in kept}
        method = request.method_given = scope.get("method", "GET")
        request.method = method if method in _METHODS else "_OTHER"
        path = request.path = scope["path"]
        request.query = scope["query_string"]
        scheme = request.scheme = scope["scheme"]
        request.http_version = scope["http_version"]
        request.client = scope.get("client")
        request.route = path if path in self._o.routes else ""
        outer = current_request.get()
        # The service calls itself, through its application; a task does so after the answer.
        request.nested = outer is not None and (not outer.ended or request.client == _ITSELF)
        caller = self._o.reader.read(headers, scope["headers"])
        request.trace_state = caller.trace_state
        if caller.trace_id:
            request.trace_id, request.parent_id, request.remote_parent = caller.trace_id, caller.span_id, True
        else:
            request.trace_id, request.parent_id = random_bytes() + random_bytes(), b""
            request.remote_parent = False
        request.span_id = random_bytes()
        request.sampled = self._o.telemetry.sampled(request.trace_id, caller.sampled)
        excluded = self._o.excluded
        if excluded is not None and excluded(f"{scheme}://{headers.get(b'host', b'').decode('latin-1')}{path}"):
            request.sampled = False
        if method not in _METHODS:
            request.set_attribute(semconv.HTTP_REQUEST_METHOD_ORIGINAL, method)
        # A mounted FastAPI application would observe the request once more, in a trace of its own.
        scope["fastapi.telemetry"] = None
        trace_context.request_id = int.from_bytes(request.span_id, "big")
        return caller.context

    def _failed(self, request: RequestSpan, error: BaseException) -> None:
        try:
            if request.ended:
                return
            request.error_type = error_type_of(error)
            request.record_exception(error)
        except Exception:  # noqa: BLE001 - the user's exception goes on, ours does not
            self._health.error("failed")

    def _finish(self, request: RequestSpan, scope: Scope) -> None:
        if request.ended:
            return
        try:
            self._judge(request, scope)
        except Exception:  # noqa: BLE001 - what is known of it is told
            self._health.error("finish")
        try:
            request.close(time.perf_counter_ns())
            self._o.source.add(request)
        except Exception:  # noqa: BLE001 - as above
            self._health.error("finish")
        finally:
            request.ended = True
            if not request.nested:
                self._o.active[(request.method, request.scheme)] -= 1

    def _judge(self, request: RequestSpan, scope: Scope) -> None:
        """Fill in what is known at the end; last what a mounted application says, which may be anything."""
        if not request.status and request.error_type != semconv.ERROR_TYPE_CLIENT_DISCONNECT:
            request.status = 500  # what the server answers for an application that does not
        request.judge_streams()
        if not request.error_type:
            # A stream that breaks has been answered 200 long before.
            request.error_type = request.failure() or (str(request.status) if request.status >= 400 else "")
        if not request.route:
            request.route = self._o.mounted.of(scope)

    def _leave(self, request: RequestSpan) -> None:
        try:
            afterwards = request.leave(time.perf_counter_ns())
            if afterwards is not None:
                self._o.source.add(afterwards)
        except Exception:  # noqa: BLE001 - as above
            self._health.error("leave")
