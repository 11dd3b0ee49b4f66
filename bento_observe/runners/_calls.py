"""The APIs of a legacy service and the methods of a runner, observed as handlers are.

Of an API BentoML lets its two descriptors and its function be replaced, of a runnable nothing but the whole of it.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bento_observe import semconv
from bento_observe._recorder import Call
from bento_observe._recording import FeatureRecording
from bento_observe._stages import begin_stage, close_stage
from bento_observe.calls import CallRecorder, kind_of, observed_function
from bento_observe.feedback import Feedback
from bento_observe.request import LiveSpan
from bento_observe.telemetry import Health

__all__ = ["instrument_api", "method_recorder", "observed_method", "restore_api"]

_ORIGINALS = "__bento_observe_originals__"


def instrument_api(api: Any, recording: FeatureRecording, feedback: Feedback, health: Health) -> None:
    """Replace the descriptors and the function of `api`, an `InferenceAPI`. Doing so again replaces the former.

    What it predicts gets ids from `feedback`.
    """
    restore_api(api)
    func, decode, encode = api.func, copy.copy(api.input), copy.copy(api.output)
    parameters = [name for name in inspect.signature(func).parameters if name != api.ctx_param]
    if not api.multi_input:
        del parameters[1:]  # the context
    declared = SimpleNamespace(ctx_param=api.ctx_param, input_spec=_declared(api, parameters))
    recorder = recording.recorder(declared, api.name, parameters)
    recorder.identifier = feedback.identifier(api.name)
    observed = observed_function(func, kind_of(func), api.name, recorder, health)
    functools.update_wrapper(observed, func)
    decode.from_http_request = _timed(semconv.STAGE_DECODE, api.input.from_http_request, api.name, health)
    encode.to_http_response = _timed(semconv.STAGE_ENCODE, api.output.to_http_response, api.name, health)
    setattr(api, _ORIGINALS, (func, api.input, api.output))
    api.func, api.input, api.output = observed, decode, encode


def restore_api(api: Any) -> None:
    """Put back what `instrument_api` replaced, if anything."""
    originals = vars(api).pop(_ORIGINALS, None)
    if originals is not None:
        api.func, api.input, api.output = originals


def _timed(stage: str, original: Callable[..., Any], label: str, health: Health) -> Callable[..., Any]:
    async def observed(data: Any, *rest: Any) -> Any:
        if inspect.isgenerator(data) or inspect.isasyncgen(data):  # it is encoded as it comes
            return await original(data, *rest)
        begun = begin_stage(stage, label, health)
        try:
            return await original(data, *rest)
        except BaseException as error:
            close_stage(begun, health, error)
            raise
        finally:
            close_stage(begun, health)

    return observed


def _declared(api: Any, parameters: list[str]) -> Any:
    """What the descriptors say of the parameters, as the input specification of other services would."""
    inner = getattr(api.input, "_inputs", None) if api.multi_input else {parameters[0]: api.input}
    return SimpleNamespace(model_fields={name: _field((inner or {}).get(name)) for name in parameters})


def _field(descriptor: Any) -> Any:
    model, columns = getattr(descriptor, "_pydantic_model", None), getattr(descriptor, "_columns", None)
    schema = SimpleNamespace(columns=columns, shape=getattr(descriptor, "_shape", None))
    return SimpleNamespace(annotation=model, metadata=[schema])


def method_recorder(recording: FeatureRecording, func: Any, label: str) -> CallRecorder:
    """Counts the features of a runnable's method, whose function is `func`."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = list(inspect.signature(func).parameters.values())[1:]
    names = [one.name for one in given if one.kind not in several]
    parameters = names or ["data"]
    fields = {name: _field(None) for name in parameters}
    declared = SimpleNamespace(ctx_param=None, input_spec=SimpleNamespace(model_fields=fields))
    recorder = recording.recorder(declared, label, parameters)
    return recorder if names else _AnyName(recorder)


class _AnyName:
    """For a method that takes whatever it is given, as those of scikit-learn's runners do: the one argument counts."""

    def __init__(self, recorder: CallRecorder) -> None:
        self._recorder = recorder

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any], origin: LiveSpan | None = None) -> Call:
        return self._recorder.inputs(args or tuple(kwargs.values())[:1], {}, origin)


def observed_method(method: Any, func: Any, batchable: bool, label: str, recorder: CallRecorder, health: Health) -> Any:
    """A bound method of a runnable, whose function is `func`: a stage `predict`, or what a batch does."""
    kind = kind_of(func, batchable)
    if kind in ("async", "batch_async"):  # BentoML cannot run those
        return method
    return observed_function(method, kind, label, recorder, health)
