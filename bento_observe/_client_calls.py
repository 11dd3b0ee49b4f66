"""Calls of other services and of runners: a span of kind CLIENT each, whose context goes with the call."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry import context as otel
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from bento_observe.request import CallSpan
from bento_observe.telemetry import Health

__all__ = ["ClientCalls", "Where"]

# An instrumented aiohttp or httpx would tell of the same request once more.
_SUPPRESS = getattr(otel, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")


class Where(NamedTuple):
    """What is called: where the service is, as BentoML writes it, the path there, and the service's name if known."""

    url: str
    route: str
    peer: str


class ClientCalls:
    """Begins and ends the spans of calls. Nothing here raises: an unobserved call is still a call.

    Args:
        add: takes each call when it ends.
        sampled: decides about a trace that begins with a call.
        status_of: the status of the answer that an exception tells of; 0 for none.
    """

    def __init__(
        self,
        add: Callable[[CallSpan], None],
        sampled: Callable[[bytes, bool | None], bool],
        health: Health,
        status_of: Callable[[BaseException], int] = lambda _error: 0,
    ) -> None:
        self._add = add
        self._sampled = sampled
        self._health = health
        self._status_of = status_of

    def begin(self, where: Callable[[], Where | None], parent: Span | None = None) -> CallSpan | None:
        """None for a call that stays in this process, of which `where` knows nothing, and within a call: a stream is
        made by one. `parent` is the current span by default."""
        try:
            current, found = parent or get_current_span(), where()
            if found is None or isinstance(current, CallSpan):
                return None
            span = CallSpan(current.get_span_context(), *found)
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
            if error is not None and not span.status:
                span.status = self._status_of(error)
            span.close(time.perf_counter_ns(), error)
            self._add(span)
        except Exception:  # noqa: BLE001 - see above
            self._health.error("call")

    @contextmanager
    def observe(self, where: Callable[[], Where | None]) -> Iterator[None]:
        """A call, for a block."""
        span = self.begin(where)
        try:
            with self.within(span):
                yield
        except BaseException as error:
            self.end(span, error)
            raise
        self.end(span)

    async def stream(
        self, items: AsyncGenerator[Any, None], where: Callable[[], Where | None], parent: Span | None = None
    ) -> AsyncGenerator[Any, None]:
        """The call of a stream lasts from the first item asked for until the last one, or until nobody wants more."""
        span = self.begin(where, parent)
        try:
            while True:
                with self.within(span):
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        break
                yield item
        except BaseException as error:
            self.end(span, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            self.end(span)
            await items.aclose()
