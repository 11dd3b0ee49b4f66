"""The OpenTelemetry instrumentations of client libraries that are installed, switched on in a worker.

They are given no provider: they take the global ones, ours or the application's own, as soon as there are any. So they
may be switched on before the user's code is imported, which is when `from sqlalchemy import create_engine` binds.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

__all__ = ["instrument", "uninstrumented"]

logger = logging.getLogger("bento_observe")

_SERVERS = frozenset((
    "aiohttp-server", "asgi", "django", "falcon", "fastapi", "flask", "grpc_aio_server", "grpc_server", "pyramid",
    "starlette", "tornado", "wsgi",
))  # fmt: skip
"""BentoML's requests have a server span; tornado's covers servers and clients."""

_OURS = frozenset(("asyncclick", "click", "logging", "system_metrics"))
"""What this package does itself, and the worker's own command, whose span would never end."""


def instrument(tell: bool) -> list[str]:
    """Switch on all that are installed and fit; their names. With `tell`, each that fails is told in one line.

    `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` leaves some out, or all (`*`).
    """
    disabled = {name.strip() for name in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    done: list[str] = []
    if "*" in disabled:
        return done
    for entry_point in _unique(entry_points(group="opentelemetry_instrumentor")):
        if entry_point.name in disabled | _SERVERS | _OURS:
            continue
        try:
            if _fits(entry_point, tell):
                entry_point.load()().instrument(skip_dep_check=True)
                done.append(entry_point.name)
        except ModuleNotFoundError as error:  # the library, most likely
            logger.debug("bento_observe: %s is not instrumented: %s", entry_point.name, error)
        except Exception as error:  # noqa: BLE001 - one that fails must not keep the service from being served
            if tell:
                reason = f"{type(error).__name__}: {error}".replace("\n", " ")
                logger.warning("bento_observe: %s cannot be instrumented (%s)", entry_point.name, reason)
    return done


def uninstrumented(make_session: Callable[..., Any]) -> Callable[..., Any]:
    """`make_session`, a function that makes an aiohttp session, making one that is not instrumented."""

    @functools.wraps(make_session)
    def make(*args: Any, **kwargs: Any) -> Any:
        session = make_session(*args, **kwargs)
        try:
            from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

            AioHttpClientInstrumentor.uninstrument_session(session)
        except Exception:  # a span too many does no harm
            logger.debug("bento_observe: calls to dependencies have a span of aiohttp's too", exc_info=True)
        return session

    return make


def _fits(entry_point: EntryPoint, tell: bool) -> bool:
    """Whether the library is there, in a version that the instrumentation is for."""
    conflict = None if entry_point.dist is None else get_dist_dependency_conflicts(entry_point.dist)
    if conflict is None:
        return True
    found = conflict.found or conflict.found_any
    if found and tell:
        wanted = conflict.required or conflict.required_any
        logger.warning("bento_observe: %s is not instrumented: it wants %s, not %s", entry_point.name, wanted, found)
    return False


def _unique(found: Iterable[EntryPoint]) -> Iterable[EntryPoint]:
    """Each name once: a distribution that is twice on the path has its entry points twice."""
    return {entry_point.name: entry_point for entry_point in found}.values()
