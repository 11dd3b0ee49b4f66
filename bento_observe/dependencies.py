"""Calls of other services by BentoML's own clients: what `bentoml.depends` gives, and the two HTTP clients.

There is no seam to be had here: clients are made wherever a user's code wants them, by classes that BentoML names
itself. So some of their methods are replaced, on the classes, in worker processes only.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from bentoml.exceptions import BentoMLException
from opentelemetry import context as otel
from opentelemetry.trace import get_current_span, set_span_in_context

from bento_observe._specs import ORIGINAL
from bento_observe.request import CallSpan
from bento_observe.telemetry import Health

__all__ = ["observe_clients", "restore_clients"]

logger = logging.getLogger("bento_observe")

Function = Callable[..., Any]

# An instrumented aiohttp or httpx would tell of the same request once more.
_SUPPRESS = getattr(otel, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
_PARSERS = ("_parse_response", "_parse_stream_response", "_parse_file_response")


def observe_clients(
    add: Callable[[CallSpan], None], sampled: Callable[[bytes, bool | None], bool], health: Health
) -> None:
    """Observe the calls of BentoML's clients in this process; `add` takes each when it ends.

    `sampled` decides about a trace that begins with a call. Doing so again replaces the former. Where BentoML's clients
    are not as known, they stay as they are, and that is logged.
    """
    restore_clients()
    calls = _Calls(add, sampled, health)
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


class _Calls:
    """Begins and ends the spans of calls. Nothing here raises: an unobserved call is still a call."""

    def __init__(
        self, add: Callable[[CallSpan], None], sampled: Callable[[bytes, bool | None], bool], health: Health
    ) -> None:
        self._add = add
        self._sampled = sampled
        self._health = health

    def begin(self, client: Any, endpoint: Any, path: str = "") -> CallSpan | None:
        """None for a call that stays in this process, and within a call: a stream is made by one."""
        try:
            current = get_current_span()
            if client.app is not None or isinstance(current, CallSpan):
                return None
            peer = getattr(client.service, "name", "")
            span = CallSpan(current.get_span_context(), client.url, endpoint.route + path, peer)
            if not span.parent_id:
                span.sampled = self._sampled(span.trace_id, None)
            return span
        except Exception:  # noqa: BLE001 - see above
            self._health.error("call")
            return None

    @contextmanager
    def within(self, span: CallSpan | None) -> Iterator[None]:
        """The call's span is the current one: BentoML sends it along."""
        if span is None:
            yield
            return
        token = otel.attach(otel.set_value(_SUPPRESS, True, set_span_in_context(span)))
        try:
            yield
        finally:
            otel.detach(token)

    def end(self, span: CallSpan | None, error: BaseException | None = None) -> None:
        """The call is over; again is nothing."""
        if span is None or span.ended:
            return
        try:
            if isinstance(error, BentoMLException) and not span.status:
                span.status = int(error.error_code)  # how BentoML's clients tell of an answer they do not like
            span.close(time.perf_counter_ns(), error)
            if span.sampled:
                self._add(span)
        except Exception:  # noqa: BLE001 - see above
            self._health.error("call")

    @contextmanager
    def observe(self, client: Any, endpoint: Any, path: str) -> Iterator[None]:
        """A call, for a block."""
        span = self.begin(client, endpoint, path)
        try:
            with self.within(span):
                yield
        except BaseException as error:
            self.end(span, error)
            raise
        self.end(span)


def _call(call: Function, calls: _Calls, path: str = "") -> Function:
    def observed(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Any:
        with calls.observe(self, endpoint, path):
            return call(self, endpoint, *args, **kwargs)

    async def observed_async(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Any:
        with calls.observe(self, endpoint, path):
            return await call(self, endpoint, *args, **kwargs)

    return observed_async if inspect.iscoroutinefunction(call) else observed


def _submit(call: Function, calls: _Calls) -> Function:
    return _call(call, calls, "/submit")


def _stream(stream: Function, calls: _Calls) -> Function:
    """The call of a stream lasts until its last item, or until nobody wants more."""

    def observed(self: Any, endpoint: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        items = stream(self, endpoint, *args, **kwargs)
        span = calls.begin(self, endpoint)
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
        span = calls.begin(self, endpoint)
        try:
            while True:
                with calls.within(span):
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        break
                yield item
        except BaseException as error:
            calls.end(span, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            calls.end(span)
            await items.aclose()

    return observed_async if inspect.isasyncgenfunction(stream) else observed


def _parse(parse: Function, _calls: _Calls) -> Function:
    """Answers are parsed within the call: here is where their status is to be seen."""

    def observed(self: Any, endpoint: Any, response: Any) -> Any:
        span = get_current_span()
        if isinstance(span, CallSpan):
            span.status = getattr(response, "status", 0) or getattr(response, "status_code", 0)
        return parse(self, endpoint, response)

    return observed


_METHODS: dict[str, Callable[[Function, _Calls], Function]] = {
    "_call": _call,
    "_submit": _submit,
    "_get_stream": _stream,
    **dict.fromkeys(_PARSERS, _parse),
}


def _observed(name: str, method: Function, calls: _Calls) -> Function:
    observed = functools.update_wrapper(_METHODS[name](method, calls), method)
    setattr(observed, ORIGINAL, method)
    return observed
