"""Routes of mounted applications, in full: what Starlette matched last is only the end of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import Mount, compile_path

__all__ = ["MountedRoutes"]

_REST = "/{path}"
"""What stands for the path within an application whose routes are not known."""
_DEPTH = 16

logger = logging.getLogger("bento_observe")


class MountedRoutes:
    """Says which template a request was matched by.

    What a request's scope says of the mounts above its route are the client's words: `/tenants/acme`. So those whose
    path has parameters are read once, from the applications that a service mounts.

    Args:
        mounted: applications, each with the path it is mounted at.
    """

    def __init__(self, mounted: Iterable[tuple[Any, str]]) -> None:
        self._prefixes: list[tuple[re.Pattern[str], str]] = []
        for application, path in mounted:
            try:
                self._read(application, path.rstrip("/"), _DEPTH)
            except Exception:
                logger.debug("bento_observe: mounts of %r cannot be read", application, exc_info=True)

    def _read(self, application: Any, prefix: str, depth: int) -> None:
        if "{" in prefix:
            self._prefixes.append((compile_path(prefix)[0], prefix))
        for route in getattr(application, "routes", None) or ():
            if isinstance(route, Mount) and depth:  # one may be mounted within itself
                self._read(route, prefix + route.path, depth - 1)

    def of(self, scope: Mapping[str, Any]) -> str:
        """The template of a request or a connection; empty where none matched."""
        route = scope.get("route")
        path: str = getattr(route, "path", "")
        if isinstance(route, Mount):
            return self._template(scope.get("root_path", "")) + _REST
        return self._template(scope.get("root_path", "")) + path if path else ""

    def _template(self, prefix: str) -> str:
        for pattern, template in self._prefixes:
            if pattern.fullmatch(prefix):
                return template
        return prefix
