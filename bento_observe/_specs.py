"""The input and output specifications of an API, timed: decode and encode.

A specification is a pydantic model class; the observed one is a subclass of it that clients cannot tell from it.
"""

from __future__ import annotations

import inspect
from typing import Any

from bento_observe import semconv
from bento_observe._files import describe_files
from bento_observe._stages import begin_stage, close_stage
from bento_observe.telemetry import Health

__all__ = ["ORIGINAL", "decode_spec", "encode_spec"]

ORIGINAL = "__bento_observe_original__"
"""Attribute of everything that stands in for something of BentoML's: what it stands for."""


def decode_spec(spec: Any, api: str, health: Health) -> Any:
    """An input specification whose decoding is the stage `decode`."""
    describe = describe_files(spec)

    async def from_http_request(cls: Any, request: Any, serde: Any) -> Any:
        stage = begin_stage(semconv.STAGE_DECODE, api, health)
        try:
            decoded = await spec.from_http_request(request, serde)
        except BaseException as error:
            close_stage(stage, health, error)
            raise
        if describe is not None and stage is not None and stage.is_recording():
            try:
                await describe(stage, request, decoded)
            except Exception:  # noqa: BLE001 - a file that is not described is still a file
                health.error("files")
        close_stage(stage, health)
        return decoded

    return _subclass(spec, from_http_request=classmethod(from_http_request))


def encode_spec(spec: Any, api: str, health: Health) -> Any:
    """An output specification whose encoding is the stage `encode`, and which works out its media type once."""
    media_type = ""

    def mime_type(cls: Any) -> str:
        # BentoML does it anew for each answer, through the JSON schema of the type: a third of a small request.
        nonlocal media_type
        if spec.media_type is not None:
            return str(spec.media_type)
        media_type = media_type or spec.mime_type()
        return media_type

    async def to_http_response(cls: Any, obj: Any, serde: Any) -> Any:
        respond = spec.to_http_response.__func__
        if inspect.isgenerator(obj) or inspect.isasyncgen(obj):
            return await respond(cls, obj, serde)
        stage = begin_stage(semconv.STAGE_ENCODE, api, health)
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
        ORIGINAL: spec,
        **overrides,
    }
    return type(spec)(spec.__name__, (spec,), namespace)
