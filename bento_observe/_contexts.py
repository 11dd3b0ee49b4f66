"""Running what yields in a context of its own.

BentoML makes the items of one stream in several contexts: each item of a synchronous generator in a copy for the thread
it is made in, those of an asynchronous one in two tasks. What the handler makes current before one item, such as a
span, would not be left properly after it, and the spans of later items would end up below it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Within"]


class Within(Awaitable[Any]):
    """Awaits the rest of `step`, which waits for `waiting`, each part of it within `context`, whoever awaits."""

    __slots__ = ("_context", "_step", "_waiting")

    def __init__(self, context: Context, step: Any, waiting: Any) -> None:
        self._context = context
        self._step = step
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, Any]:
        """As `yield from` does it, see PEP 380."""
        run, step, waiting = self._context.run, self._step, self._waiting
        act: Callable[[Any], Any]
        argument: Any
        while True:
            try:
                act, argument = step.send, (yield waiting)
            except BaseException as error:  # noqa: BLE001 - goes where it is meant to
                act, argument = step.throw, error
            try:
                waiting = run(act, argument)
            except StopIteration as stop:
                return stop.value
