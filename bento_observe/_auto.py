"""What `bento-observe run` does inside BentoML's processes: observes services nobody decorated, and client libraries.

Each function is called by `_bootstrap/sitecustomize.py` with the module of BentoML that has just been imported.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

from bento_observe import settings

__all__ = ["instrument_clients", "leave_dependencies_alone", "observe_legacy_services", "observe_services"]

logger = logging.getLogger("bento_observe")

_WORKERS = frozenset(
    ("_bentoml_impl.worker.service", "bentoml_cli.worker.http_api_server", "bentoml_cli.worker.runner")
)


def observe_services(factory: Any) -> None:
    """Have every service observed that is asked for its application, which only workers do; those decorated as they
    are."""
    service_class = factory.Service
    plain = service_class.to_asgi

    @functools.wraps(plain)
    def to_asgi(self: Any, is_main: bool = True) -> Any:
        try:
            from bento_observe._observe import is_observed, observe

            # BentoML's own for an observed service: that is how one that cannot be set up is served.
            ours = not is_observed(self) and is_observed(observe(self))
        except Exception:
            logger.exception("bento_observe: %s is served unobserved", self.name)
            ours = False
        return self.to_asgi(is_main=is_main) if ours else plain(self, is_main=is_main)

    service_class.to_asgi = to_asgi


def observe_legacy_services(module: Any) -> None:
    """Have every legacy service observed as it is made, in every process: its runners are then, too. In its workers
    the client libraries are instrumented."""
    kind = module.Service
    plain = kind.__init__

    @functools.wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        try:
            from bento_observe._observe import Options
            from bento_observe.runners._observe import observe_legacy

            observe_legacy(self, Options(), automatic=True)
        except Exception:
            logger.exception("bento_observe: %s is served unobserved", self.name)

    kind.__init__ = init
    _instrument_clients()


def instrument_clients(_loader: Any) -> None:
    """In a worker, before the user's code is imported: the client libraries that have an instrumentation installed."""
    _instrument_clients()


@functools.cache
def _instrument_clients() -> None:
    """Once in a process, whichever of BentoML's modules is imported first."""
    if _WORKERS.intersection(sys.orig_argv) and not settings.disabled():
        from bento_observe._clients import instrument

        instrument(tell=_is_first(sys.orig_argv))


def leave_dependencies_alone(proxy: Any) -> None:
    """BentoML's calls to dependencies, made with aiohttp, carry the trace on by themselves."""
    from bento_observe._clients import uninstrumented

    manager = proxy.SessionManager
    manager._make_client = uninstrumented(manager._make_client)


def _is_first(arguments: list[str]) -> bool:
    """Whether a worker of these arguments is the one that tells what all would have to."""
    if "--worker-id" not in arguments:
        return True
    return arguments[arguments.index("--worker-id") + 1 :][:1] == ["1"]
