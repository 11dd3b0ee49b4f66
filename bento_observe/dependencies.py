"""Calls of other services by BentoML's own clients: what `bentoml.depends` gives, and the two HTTP clients.

There is no seam to be had here: clients are made wherever a user's code wants them, by classes that BentoML names
itself. So some of their methods are replaced, on the classes, in worker processes only.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from functools import partial
from typing import Any

from bentoml.exceptions import BentoMLException
from opentelemetry.trace import get_current_span

from bento_observe._client_calls import ClientCalls, Where
from bento_observe._specs import ORIGINAL
from bento_observe.request import CallSpan
from bento_observe.telemetry import Health

__all__ = ["observe_clients", "restore_clients"]

logger = logging.getLogger("bento_observe")

Function = Callable[..., Any]

_PARSERS = ("_parse_response", "_parse_stream_response", "_parse_file_response")


def observe_clients(
    add: Callable[[CallSpan], None], sampled: Callable[[bytes, bool | None], bool], health: Health
) -> None:
    """Observe the calls of BentoML's clients in this process; `add` takes each when it ends.

    `sampled` decides about a trace that begins with a call. Doing so again replaces the former. Where BentoML's clients
    are not as known, they stay as they are, and that is logged.
    """
    restore_clients()
    calls = ClientCalls(add, sampled, health, _status_of)
    try:
        replaced = [(kind, name, _observed(name, vars(kind)[name], calls)) for kind in _clients() for name in _METHODS]
        for kind, name, observed in replaced:
            setattr(kind, name, observed)
    except Exception as error:  # noqa: BLE001 - an unobserved client is still a client
        logger.warning("bento_observe: calls of other services are not observed: BentoML is new to us: %r", error)


def restore_clients() -> None:
    """Put back what `observe_clients` replaced, if anything."""
    for kind in _clients():
        for name in _METHODS:
            original = getattr(vars(kind).get(name), ORIGINAL, None)
            if original is not None:
                setattr(kind, name, original)


def _clients() -> list[Any]:
    """`depends` makes the first one. None of those that this BentoML does not have."""
    try:
        from _bentoml_impl.client.http import AsyncHTTPClient, SyncHTTPClient
        from _bentoml_impl.client.proxy2 import AsyncClient
    except ImportError:
        return []
    return [AsyncClient, AsyncHTTPClient, SyncHTTPClient]


def _where(client: Any, endpoint: Any, path: str = "") -> Where | None:
    """None for a call that stays in this process."""
    if client.app is not None:
        return None
    return Where(client.url, endpoint.route + path, getattr(client.service, "name", ""))


def _status_of(error: BaseException) -> int:
    """How BentoML's clients tell of an answer that they do not like."""
    return int(error.error_code) if isinstance(error, BentoMLException) else 0


def _call(call: Function, calls: ClientCalls, path: str = "") -> Function:
    def observed(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Any:
        with calls.observe(partial(_where, self, endpoint, path)):
            return call(self, endpoint, *args, **kwargs)

    async def observed_async(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Any:
        with calls.observe(partial(_where, self, endpoint, path)):
            return await call(self, endpoint, *args, **kwargs)

    return observed_async if inspect.iscoroutinefunction(call) else observed


def _submit(call: Function, calls: ClientCalls) -> Function:
    return _call(call, calls, "/submit")


def _stream(stream: Function, calls: ClientCalls) -> Function:
    """The call of a stream lasts until its last item, or until nobody wants more."""

    def observed(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        items = stream(self, endpoint, *args, **kwargs)
        span = calls.begin(partial(_where, self, endpoint))
        try:
            while True:
                with calls.within(span):
                    try:
                        item = next(items)
                    except StopIteration:
                        break
                yield item
        except BaseException as error:
            calls.end(span, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            calls.end(span)
            items.close()

    async def observed_async(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        items = stream(self, endpoint, *args, **kwargs)
        async with aclosing(calls.stream(items, partial(_where, self, endpoint))) as observed_items:
            async for item in observed_items:
                yield item

    return observed_async if inspect.isasyncgenfunction(stream) else observed


def _parse(parse: Function, _calls: ClientCalls) -> Function:
    """Answers are parsed within the call: here is where their status is to be seen."""

    def observed(self: Any, endpoint: Any, response: Any) -> Any:
        span = get_current_span()
        if isinstance(span, CallSpan):
            span.status = getattr(response, "status", 0) or getattr(response, "status_code", 0)
        return parse(self, endpoint, response)

    return observed


_METHODS: dict[str, Callable[[Function, ClientCalls], Function]] = {
    "_call": _call,
    "_submit": _submit,
    "_get_stream": _stream,
    **dict.fromkeys(_PARSERS, _parse),
}


def _observed(name: str, method: Function, calls: ClientCalls) -> Function:
    observed = functools.update_wrapper(_METHODS[name](method, calls), method)
    setattr(observed, ORIGINAL, method)
    return observed
