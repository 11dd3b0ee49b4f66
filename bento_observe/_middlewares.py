"""Our middleware in the place of two of BentoML's, its tracing and its access log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bentoml._internal.server.http.access import AccessLogMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.middleware import Middleware

from bento_observe.asgi import Observation, ObserveMiddleware

__all__ = ["observed_middlewares"]


def observed_middlewares(
    middlewares: Sequence[Middleware], observation: Observation, on_startup: Callable[[], None]
) -> tuple[list[Middleware], list[Middleware]]:
    """BentoML's `middlewares` less those two, ours first; and BentoML's access log.

    `on_startup` is called when the application has started.
    """
    kept: list[Middleware] = []
    logged: list[Middleware] = []
    for middleware in middlewares:
        kind: Any = middleware.cls
        if kind is AccessLogMiddleware:
            logged.append(middleware)
        elif kind is not OpenTelemetryMiddleware:
            kept.append(middleware)

    def wrap_websocket(app: Any) -> Any:
        for middleware in logged:  # it has lines of its own for connections
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app

    observe = Middleware(
        ObserveMiddleware, observation=observation, wrap_websocket=wrap_websocket, on_startup=on_startup
    )
    return [observe, *kept], logged
