"""A thread that works for an event loop and, unlike an executor's, does not keep the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

__all__ = ["DaemonThreads"]


class DaemonThreads:
    """Does one thing after the other, or as many at once as there are threads, which start with the first `most`."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._to_start = most
        self._work: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]]] = SimpleQueue()

    def submit(self, act: Callable[[], Any]) -> asyncio.Future[Any]:
        """What `act` returns or raises, a future of the running loop."""
        if self._to_start:
            self._to_start -= 1
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._work.put((done, act))
        return done

    def _run(self) -> None:
        while True:
            _do(*self._work.get())


def _do(done: asyncio.Future[Any], act: Callable[[], Any]) -> None:
    result: Any = None
    fault: Exception | None = None
    try:
        result = act()
    except Exception as error:  # noqa: BLE001 - whoever waits for it gets it
        fault = error
    with suppress(RuntimeError):  # the loop has ended
        done.get_loop().call_soon_threadsafe(_settle, done, result, fault)


def _settle(done: asyncio.Future[Any], result: Any, fault: Exception | None) -> None:
    if done.done():
        return
    if fault is None:
        done.set_result(result)
    else:
        done.set_exception(fault)
