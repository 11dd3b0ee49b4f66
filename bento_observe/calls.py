"""The three stages of an API call, timed where BentoML offers a seam: decode, predict, encode.

`APIMethod.input_spec`, `.func` and `.output_spec` may be replaced. Each replacement is made once, when the worker
starts, for what that one API is (async or not, streaming or not), and calls the original.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from typing import Any, Protocol

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from bento_observe import semconv
from bento_observe.request import RequestSpan, StageSpan, current_request
from bento_observe.telemetry import Health

__all__ = ["CallRecorder", "close_stage", "in_batch", "instrument", "predict_stage", "restore"]

_now = time.perf_counter_ns
_ORIGINAL = "__bento_observe_original__"


class CallRecorder(Protocol):
    """Counts the features of one API. Neither method may raise or block."""

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The decoded arguments of a call, without the service instance."""

    def output(self, value: Any) -> None:
        """What the call returned; what a streaming call yields is not counted."""


in_batch: ContextVar[bool] = ContextVar("bento_observe_in_batch", default=False)
"""Set where a request joins a batch. The batch itself runs in a copy of the context of the first request that ever did,
which is over by then, so that this is how it knows."""


def instrument(method: Any, label: str, recorder: CallRecorder, health: Health) -> None:
    """Replace the seams of `method`, a BentoML `APIMethod`, by observed ones. Doing so again replaces the former.

    `label` is what the API is called in telemetry.
    """
    restore(method)
    func = method.func
    observed = _WRAPPERS[_kind(method)](func, label, recorder, health)
    functools.update_wrapper(observed, func)
    # BentoML asks for the signature on every request; given here, it need not be worked out each time.
    observed.__dict__.update({"__signature__": inspect.signature(func), _ORIGINAL: func})
    decode, encode = _decode_spec(method.input_spec, label, health), _encode_spec(method.output_spec, label, health)
    method.input_spec, method.func, method.output_spec = decode, observed, encode


def restore(method: Any) -> None:
    """Put back what `instrument` replaced, if anything."""
    for attribute in ("input_spec", "func", "output_spec"):
        original = getattr(method, attribute).__dict__.get(_ORIGINAL)
        if original is not None:
            setattr(method, attribute, original)


def predict_stage(label: str, health: Health, queued: bool = False) -> StageSpan | None:
    """Begin the predict stage of the request at hand; None where there is no request, or it is over.

    `queued`: the time since the stage before was spent waiting for a thread.
    """
    try:
        request = current_request.get()
        if request is None or not request.running:
            return None
        began, current = _now(), get_current_span()
        if current is request:
            before = request.later or request.stages
            decoded_ns = before[-1].end_ns if before else 0
            stage = request.stage(label, semconv.STAGE_PREDICT, began)
            if queued and decoded_ns:
                stage.queue_ns = began - decoded_ns
            return stage
        return request.stage(label, semconv.STAGE_PREDICT, began, _id_within(request, current))
    except Exception:  # noqa: BLE001 - an unobserved call is still a call
        health.error("predict")
        return None


def close_stage(stage: StageSpan | None, health: Health, error: BaseException | None = None) -> None:
    """End a stage, with the exception that it raised if it did. Never raises itself."""
    if stage is not None:
        try:
            stage.close(_now(), error)
        except Exception:  # noqa: BLE001 - as above
            health.error("close")


def _id_within(request: RequestSpan, span: Span) -> bytes:
    """The id of the current span if it belongs to the request's trace, else none: a call within a call."""
    context = span.get_span_context()
    same = context.trace_id == request.get_span_context().trace_id
    return context.span_id.to_bytes(8, "big") if same else b""


def _kind(method: Any) -> str:
    if method.batchable:
        return "batch_async" if inspect.iscoroutinefunction(method.func) else "batch"
    if inspect.iscoroutinefunction(method.func):
        return "async"
    if inspect.isasyncgenfunction(method.func):
        return "async_generator"
    return "generator" if inspect.isgeneratorfunction(method.func) else "sync"


def _sync(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = predict_stage(api, health, queued=True)
        recorder.inputs(args, kwargs)
        if stage is None:
            output = func(self, *args, **kwargs)
        else:
            token = attach(set_span_in_context(stage))
            try:
                output = func(self, *args, **kwargs)
            except BaseException as error:
                close_stage(stage, health, error)
                raise
            finally:
                detach(token)
                close_stage(stage, health)
        recorder.output(output)
        return output

    return predict


def _async(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    async def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = predict_stage(api, health)
        recorder.inputs(args, kwargs)
        if stage is None:
            output = await func(self, *args, **kwargs)
        else:
            token = attach(set_span_in_context(stage))
            try:
                output = await func(self, *args, **kwargs)
            except BaseException as error:
                close_stage(stage, health, error)
                raise
            finally:
                detach(token)
                close_stage(stage, health)
        recorder.output(output)
        return output

    return predict


def _generator(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    def predict(self: Any, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        stage = predict_stage(api, health)
        recorder.inputs(args, kwargs)
        items = func(self, *args, **kwargs)
        context = None if stage is None else set_span_in_context(stage)
        try:
            while True:
                # Each item may be made in another thread: what was current within the generator goes with it.
                token = None if context is None else attach(context)
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    if token is not None:
                        context = get_current()
                        detach(token)
                yield item
        except BaseException as error:
            close_stage(stage, health, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            close_stage(stage, health)
            items.close()

    return predict


def _async_generator(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    async def predict(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        stage = predict_stage(api, health)
        recorder.inputs(args, kwargs)
        items = func(self, *args, **kwargs)
        context = None if stage is None else set_span_in_context(stage)
        try:
            while True:
                token = None if context is None else attach(context)
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
                finally:
                    if token is not None:
                        context = get_current()
                        detach(token)
                yield item
        except BaseException as error:
            close_stage(stage, health, None if isinstance(error, GeneratorExit) else error)
            raise
        finally:
            close_stage(stage, health)
            await items.aclose()

    return predict


def _batch(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    alone = _sync(func, api, recorder, health)

    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not in_batch.get():
            return alone(self, *args, **kwargs)
        token = attach(Context())
        try:
            recorder.inputs(args, kwargs)
            output = func(self, *args, **kwargs)
            recorder.output(output)
            return output
        finally:
            detach(token)

    return predict


def _batch_async(func: Callable[..., Any], api: str, recorder: CallRecorder, health: Health) -> Callable[..., Any]:
    alone = _async(func, api, recorder, health)

    async def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not in_batch.get():
            return await alone(self, *args, **kwargs)
        token = attach(Context())
        try:
            recorder.inputs(args, kwargs)
            output = await func(self, *args, **kwargs)
            recorder.output(output)
            return output
        finally:
            detach(token)

    return predict


_WRAPPERS = {
    "sync": _sync,
    "async": _async,
    "generator": _generator,
    "async_generator": _async_generator,
    "batch": _batch,
    "batch_async": _batch_async,
}


def _begin(stage: str, api: str, health: Health) -> StageSpan | None:
    try:
        request = current_request.get()
        return None if request is None or not request.running else request.stage(api, stage, _now())
    except Exception:  # noqa: BLE001 - an unobserved stage is still a stage
        health.error(stage)
        return None


def _decode_spec(spec: Any, api: str, health: Health) -> Any:
    async def from_http_request(cls: Any, request: Any, serde: Any) -> Any:
        stage = _begin(semconv.STAGE_DECODE, api, health)
        try:
            decoded = await spec.from_http_request(request, serde)
        except BaseException as error:
            close_stage(stage, health, error)
            raise
        close_stage(stage, health)
        return decoded

    return _subclass(spec, from_http_request=classmethod(from_http_request))


def _encode_spec(spec: Any, api: str, health: Health) -> Any:
    media_type = spec.mime_type()

    def mime_type(cls: Any) -> str:
        # BentoML works it out anew for each answer, through the JSON schema of the type: a third of a small request.
        return media_type if spec.media_type is None else str(spec.media_type)

    async def to_http_response(cls: Any, obj: Any, serde: Any) -> Any:
        respond = spec.to_http_response.__func__
        if inspect.isgenerator(obj) or inspect.isasyncgen(obj):
            return await respond(cls, obj, serde)
        stage = _begin(semconv.STAGE_ENCODE, api, health)
        try:
            response = await respond(cls, obj, serde)
        except BaseException as error:
            close_stage(stage, health, error)
            raise
        close_stage(stage, health)
        return response

    return _subclass(spec, mime_type=classmethod(mime_type), to_http_response=classmethod(to_http_response))


def _subclass(spec: Any, **overrides: Any) -> Any:
    """`spec` with some methods replaced, under its own name: pydantic shows the name to clients.

    Its schema is `spec`'s own: that of a subclass refers to itself differently.
    """

    def model_json_schema(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return spec.model_json_schema(*args, **kwargs)

    namespace = {
        "__module__": spec.__module__,
        "__qualname__": spec.__qualname__,
        "model_json_schema": classmethod(model_json_schema),
        _ORIGINAL: spec,
        **overrides,
    }
    return type(spec)(spec.__name__, (spec,), namespace)
