"""An API's calls, observed where BentoML offers a seam: `APIMethod.input_spec`, `.func` and `.output_spec`.

Each replacement is made once, when the worker starts, for what that one API is (async or not, streaming or not, batched
or not), and calls the original. Here is the one of `.func`, the stage `predict`; the others are in `_specs`.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter_ns
from typing import Any, Protocol

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe._contexts import Within
from bento_observe._recorder import Call, current_call
from bento_observe._specs import ORIGINAL, decode_spec, encode_spec
from bento_observe._stages import close_stage, count_stream, predict_stage
from bento_observe.batching import Unobserved, batch_at_hand
from bento_observe.request import BatchSpan, LiveSpan, StageSpan
from bento_observe.telemetry import Health

__all__ = ["CallRecorder", "instrument", "kind_of", "observed_function", "restore"]


class CallRecorder(Protocol):
    """Counts the features of one API. May neither raise nor block."""

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any], origin: LiveSpan | None = None) -> Call:
        """The decoded arguments of a call, without the service instance, and its span. What it returns takes what the
        call returned; what a streaming call yields is not counted."""


def instrument(method: Any, label: str, recorder: CallRecorder, health: Health) -> None:
    """Replace the seams of `method`, a BentoML `APIMethod`, by observed ones. Doing so again replaces the former.

    `label` is what the API is called in telemetry.
    """
    restore(method)
    func = method.func
    observed = _WRAPPERS[kind_of(func, method.batchable)](func, label, recorder, health)
    functools.update_wrapper(observed, func)
    # BentoML asks for the signature on every request; given here, it need not be worked out each time.
    observed.__dict__.update({"__signature__": inspect.signature(func), ORIGINAL: func})
    decode, encode = decode_spec(method.input_spec, label, health), encode_spec(method.output_spec, label, health)
    method.input_spec, method.func, method.output_spec = decode, observed, encode


def restore(method: Any) -> None:
    """Put back what `instrument` replaced, if anything."""
    for attribute in ("input_spec", "func", "output_spec"):
        original = getattr(method, attribute).__dict__.get(ORIGINAL)
        if original is not None:
            setattr(method, attribute, original)


def observed_function(func: Callable[..., Any], kind: str, label: str, recorder: CallRecorder, health: Health) -> Any:
    """A function that takes no instance, observed as a handler of that kind is."""

    def method(_instance: None, *args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return functools.partial(_WRAPPERS[kind](method, label, recorder, health), None)


def kind_of(func: Any, batchable: bool = False) -> str:
    """What calling it returns: "sync", "async", "generator" or "async_generator"; "batch" and "batch_async" are the
    first two, and may be called for the batch at hand."""
    if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(func.__call__):
        return "batch_async" if batchable else "async"
    if inspect.isasyncgenfunction(func):
        return "async_generator"
    if inspect.isgeneratorfunction(func):
        return "generator"
    return "batch" if batchable else "sync"


# What a generator sees when it is left: who left it is known when the request ends.
_LEFT = (GeneratorExit, asyncio.CancelledError)


class _Within:
    """Makes a call the current one for a block, and its stage, if there is one, the current span, ended with it."""

    __slots__ = ("_before", "_call", "_health", "_stage", "_token")

    def __init__(self, stage: StageSpan | None, health: Health, call: Call) -> None:
        self._stage = stage
        self._health = health
        self._call = call

    def __enter__(self) -> None:
        self._before = current_call.get()
        current_call.set(self._call)
        if self._stage is not None:
            self._token = attach(set_span_in_context(self._stage))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._stage is not None:
            detach(self._token)
            close_stage(self._stage, self._health, error)
        current_call.set(self._before)


@contextmanager
def _in_batch(batch: BatchSpan | Unobserved, call: Call, args: tuple[Any, ...]) -> Iterator[None]:
    """The handler of a batch runs: its span is the current one already, for what the dispatcher does, too."""
    token = None
    if isinstance(batch, BatchSpan):
        batch.begin(args[0] if args else None)
    else:  # the current span is that of a request that is over
        token = attach(Context())
    before = current_call.get()
    current_call.set(call)
    try:
        yield
    except BaseException as error:
        if isinstance(batch, BatchSpan):
            with suppress(Exception):
                batch.fail(error)
        raise
    finally:
        current_call.set(before)
        if token is not None:
            detach(token)


def _sync(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = predict_stage(api, health, queued=True)
        call = recorder.inputs(args, kwargs, stage)
        with _Within(stage, health, call):
            output = func(self, *args, **kwargs)
        call.output(output, stage)
        return output

    return predict


def _async(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    async def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = predict_stage(api, health)
        call = recorder.inputs(args, kwargs, stage)
        with _Within(stage, health, call):
            output = await func(self, *args, **kwargs)
        call.output(output, stage)
        return output

    return predict


def _generator(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    def predict(self: Any, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        stage = predict_stage(api, health)
        stream = count_stream(stage)
        run = _stream_context(stage, recorder.inputs(args, kwargs, stage)).run
        items = func(self, *args, **kwargs)
        try:
            while True:
                try:
                    item = run(next, items)
                except StopIteration:
                    stream.done = True
                    return
                stream.items += 1
                if not stream.first_ns:
                    stream.first_ns = perf_counter_ns()
                yield item
        except BaseException as error:
            close_stage(stage, health, None if isinstance(error, _LEFT) else error)
            raise
        finally:
            close_stage(stage, health)
            run(items.close)

    return predict


def _async_generator(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    async def predict(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        stage = predict_stage(api, health)
        stream = count_stream(stage)
        context = _stream_context(stage, recorder.inputs(args, kwargs, stage))
        run = context.run
        items = func(self, *args, **kwargs)
        try:
            while True:
                try:
                    step: Any = anext(items)
                    try:
                        waiting = run(step.send, None)
                    except StopIteration as made:  # without having to wait
                        item = made.value
                    else:
                        item = await Within(context, step, waiting)
                except StopAsyncIteration:
                    stream.done = True
                    return
                stream.items += 1
                if not stream.first_ns:
                    stream.first_ns = perf_counter_ns()
                yield item
        except BaseException as error:
            close_stage(stage, health, None if isinstance(error, _LEFT) else error)
            raise
        finally:
            close_stage(stage, health)
            step = items.aclose()
            with suppress(StopIteration):
                await Within(context, step, run(step.send, None))

    return predict


def _stream_context(stage: StageSpan | None, call: Call) -> contextvars.Context:
    """A context for all of a stream's items, with the call and its stage current."""
    context = contextvars.copy_context()
    context.run(current_call.set, call)
    if stage is not None:
        context.run(attach, set_span_in_context(stage))
    return context


def _batch(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    alone = _sync(func, api, recorder, health)

    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        batch = batch_at_hand(api)
        if batch is None:
            return alone(self, *args, **kwargs)
        origin = batch if isinstance(batch, BatchSpan) else None
        call = recorder.inputs(args, kwargs, origin)
        with _in_batch(batch, call, args):
            output = func(self, *args, **kwargs)
        call.output(output, origin)
        return output

    return predict


def _batch_async(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    alone = _async(func, api, recorder, health)

    async def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        batch = batch_at_hand(api)
        if batch is None:
            return await alone(self, *args, **kwargs)
        origin = batch if isinstance(batch, BatchSpan) else None
        call = recorder.inputs(args, kwargs, origin)
        with _in_batch(batch, call, args):
            output = await func(self, *args, **kwargs)
        call.output(output, origin)
        return output

    return predict


_WRAPPERS = {
    "sync": _sync,
    "async": _async,
    "generator": _generator,
    "async_generator": _async_generator,
    "batch": _batch,
    "batch_async": _batch_async,
}
