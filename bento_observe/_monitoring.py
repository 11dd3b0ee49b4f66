"""Where the records of `bentoml.monitor` go in this process: to the observed service's feature statistics, or, where no
service is observed, to some of their own. Until that is known they wait."""

from __future__ import annotations

import asyncio
import atexit
import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import bentoml
from _bentoml_sdk.service import get_current_service
from bentoml._internal.context import server_context
from bentoml.exceptions import BentoMLException

from bento_observe import semconv

if TYPE_CHECKING:
    from bento_observe._monitored import MonitorRecorder, Recording
    from bento_observe.telemetry import Health

__all__ = ["SIGNALS", "Entry", "connect", "expect", "feed", "refuse", "tell"]

Entry = tuple[Any, str, str, str, bool]
"""What `log` or `log_batch` was given: data, name, role, data type, and whether the data is a batch."""

SIGNALS: Final = {
    "feature": semconv.SIGNAL_FEATURE,
    "prediction": semconv.SIGNAL_PREDICTION,
    "target": semconv.SIGNAL_LABEL,
}
"""By BentoML's role."""

_MAX_EARLY: Final = 1000
_START_SECONDS: Final = 5.0
_LEGACY: Final = ("api_server", "grpc_api_server", "runner")
"""The processes of BentoML's legacy services."""
_HOOK: Final = "zz_bento_observe_monitor"
"""Hooks run in the order of their names: others may log."""

logger = logging.getLogger("bento_observe")


class _Process:
    """One process's state. `recorder` is set once; what comes before waits in `early`, a bounded number of records."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.recorder: MonitorRecorder | None = None
        self.early: list[tuple[str, Sequence[Entry]]] = []
        self.early_lost = 0
        self.expected = False
        self.starting = False
        self.off = False
        self.shutdown: Callable[[], None] | None = None


_process = _Process()


def _in_child() -> None:
    """In a forked child nobody counts what goes to the parent's telemetry, and nobody sends it."""
    _process.lock = threading.Lock()
    if _process.recorder is not None or _process.starting:
        _process.recorder, _process.shutdown, _process.off = None, None, True
        _process.early.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def expect(coming: bool = True) -> None:
    """Whether what observes this process is still to `connect`: a legacy service or a runner that is being set up."""
    _process.expected = coming


def connect(recording: Recording, health: Health, *, alone: bool = False) -> bool:
    """Have everything that is logged in this process counted by `recording`, and what was logged before.

    `alone`: only where nothing else counts it by now. Whether it is counted there.
    """
    from bento_observe._monitored import MonitorRecorder

    recorder = MonitorRecorder(recording, health)
    with _process.lock:
        if alone and _process.recorder is not None:
            return False
        _process.recorder, early, _process.early = recorder, _process.early, []
        lost, _process.early_lost = _process.early_lost, 0
    for name, entries in early:
        recorder.feed(name, entries)
    if lost:
        recorder.refuse("monitor_early", lost, "records came before telemetry had started")
    return True


def feed(name: str, entries: Sequence[Entry]) -> None:
    """One record of the monitor `name`. Never raises and never waits."""
    recorder = _process.recorder
    if recorder is not None:
        recorder.feed(name, entries)
        return
    if _process.off:
        return
    with _process.lock:
        if len(_process.early) < _MAX_EARLY:
            _process.early.append((name, entries))
        else:
            _process.early_lost += 1
        if _process.starting or not _is_alone():
            return
        _process.starting = True
    # Not in a thread of its own: BentoML asks `numpy` for its types as soon as there is such a module, imported or not.
    import numpy  # noqa: F401

    # Importing the rest is a tenth of a second, which no request shall wait for; a script may be over by then.
    starter = threading.Thread(target=_start, name="bento-observe-start", daemon=True)
    starter.start()
    if server_context.worker_index is None and server_context.service_type is None:
        starter.join()
    _at_end(starter)


def refuse(reason: str, count: int, what: str) -> None:
    """So many values are left out because of `reason`; `what` says it in words."""
    recorder = _process.recorder
    if recorder is None:
        tell(reason, f"monitor {what}")
    else:
        recorder.refuse(reason, count, what)


@functools.lru_cache(maxsize=100)
def tell(topic: str, problem: str) -> None:
    """One line, once."""
    del topic
    logger.warning("bento_observe: %s", problem)


def _is_alone() -> bool:
    """Whether no observed service will call `connect`: this is a server that runs already, or no server at all."""
    if server_context.service_type in _LEGACY:
        # BentoML sets the name when the module has been imported, where a service may yet be observed.
        return bool(server_context.bento_name) and not _process.expected
    if server_context.worker_index is not None:
        return _served() is not None  # long after `observe` had its turn
    return "bentoml_cli.cli" not in sys.modules  # a script; nothing is started in BentoML's supervisor


def _start() -> None:
    try:
        from bento_observe._monitor_telemetry import start

        _process.shutdown = start()
    except Exception:
        logger.exception("bento_observe: bentoml.monitor is not counted")
    if _process.shutdown is None and _process.recorder is None:
        _process.off = True
        _process.early.clear()


def _at_end(starter: threading.Thread) -> None:
    """BentoML's workers die of a signal, so that nothing runs at exit; their last words are the service's hooks."""

    def end() -> None:
        starter.join(_START_SECONDS)  # a worker may be told to stop right after its first request
        if _process.shutdown is not None:
            _process.shutdown()

    atexit.register(end)
    served = _served()
    if served is not None:

        async def shutdown(_service: Any) -> None:
            await asyncio.to_thread(end)

        setattr(type(served), _HOOK, bentoml.on_shutdown(shutdown))


def _served() -> Any:
    """The instance of the service that this process serves, which is set when its application has started."""
    try:
        return get_current_service()
    except BentoMLException:
        return None
