"""Endpoints of ours in a service's application: inside of the user's middlewares, outside of BentoML's limits."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from starlette.middleware import Middleware

__all__ = ["with_endpoints"]

_BENTOML: Final = "bentoml._internal."
"""Where BentoML's limits and metrics of requests are. Its middleware that makes a request's context is elsewhere."""


def with_endpoints(middlewares: Iterable[Middleware], endpoints: Mapping[str, Middleware]) -> list[Middleware]:
    """`middlewares` with `endpoints`, by their paths, innermost.

    What the user's middlewares do, authentication first of all, they do for an endpoint too. BentoML's time-out, number
    of requests at once and metrics are those of predictions: the paths of endpoints go around them.
    """
    if not endpoints:
        return list(middlewares)
    found: list[Middleware] = []
    for of_bentoml, group in groupby(middlewares, _is_bentomls):
        some = list(group)
        found += [Middleware(_Around, middlewares=some, paths=endpoints.keys())] if of_bentoml else some
    return [*found, *endpoints.values()]


def _is_bentomls(middleware: Middleware) -> bool:
    module = getattr(middleware.cls, "__module__", None)
    return isinstance(module, str) and module.startswith(_BENTOML)


class _Around:
    """Some middlewares, and a way around them for some paths. No coroutine of its own: requests pay a comparison."""

    def __init__(self, app: Any, middlewares: list[Middleware], paths: Collection[str]) -> None:
        self._inner = app
        self._paths = frozenset(paths)
        for middleware in reversed(middlewares):
            kind: Any = middleware.cls
            app = kind(app, *middleware.args, **middleware.kwargs)
        self._outer = app

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        around = scope["type"] == "http" and scope["path"] in self._paths
        found: Awaitable[None] = (self._inner if around else self._outer)(scope, receive, send)
        return found
