"""Awaiting in a context of one's own: as `await` itself, but for what is current."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from bento_observe._contexts import Within

here: contextvars.ContextVar[str] = contextvars.ContextVar("here", default="outside")


async def within(context: contextvars.Context, coroutine: Any) -> Any:
    """The coroutine's result."""
    try:
        waiting = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    return await Within(context, _Awaitable(coroutine), waiting)


class _Awaitable:
    """A coroutine with the methods that the step of an asynchronous generator has."""

    def __init__(self, coroutine: Any) -> None:
        self.send, self.throw = coroutine.send, coroutine.throw


async def _steps(seen: list[str]) -> str:
    for name in ("first", "second"):
        seen.append(here.get())
        here.set(name)
        await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return here.get()


def test_what_is_set_stays_within() -> None:
    """From step to step, and does not leak to who awaits."""

    async def run() -> tuple[str, list[str], str]:
        seen: list[str] = []
        context = contextvars.copy_context()
        return await within(context, _steps(seen)), seen, here.get()

    assert asyncio.run(run()) == ("second", ["outside", "first"], "outside")


def test_an_error_passes_both_ways() -> None:
    """What the awaited raises, and a cancellation into it, which it may hold off."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("inside")

    async def holds_off() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "cancelled, and well"
        return "never"

    async def run() -> str:
        with pytest.raises(KeyError):
            await within(contextvars.copy_context(), fails())
        task = asyncio.ensure_future(within(contextvars.copy_context(), holds_off()))
        await asyncio.sleep(0)
        task.cancel()
        return str(await task)

    assert asyncio.run(run()) == "cancelled, and well"
