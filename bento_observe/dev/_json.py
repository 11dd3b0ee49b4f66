"""OTLP values as JSON text, for the columns that hold attributes, events, links and exemplars."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

__all__ = ["attributes", "dumps", "dumps_sorted", "text"]

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_sorted: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True
).encode


def value(any_value: AnyValue) -> Any:
    """The value as JSON has it: bytes as base64, a value that isn't set as null."""
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(any_value, kind)
    if kind == "array_value":
        return [value(item) for item in inner.values]
    if kind == "kvlist_value":
        return attributes(inner.values)
    if kind == "bytes_value":
        return base64.b64encode(inner).decode()
    return inner


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """An attribute set; of a key that comes twice, which OTLP forbids, the last value."""
    return {pair.key: value(pair.value) for pair in pairs}


def dumps(document: Any) -> str:
    """JSON text; NaN and infinities, which JSON hasn't got, become strings as in OTLP's JSON."""
    try:
        return _encode(document)
    except ValueError:
        return _encode(_finite(document))


def dumps_sorted(document: Any) -> str:
    """`dumps` with sorted keys, so that equal attribute sets are equal text."""
    try:
        return _encode_sorted(document)
    except ValueError:
        return _encode_sorted(_finite(document))


def text(any_value: AnyValue) -> str | None:
    """A log body: the string itself, anything else as JSON."""
    kind = any_value.WhichOneof("value")
    if kind == "string_value":
        return any_value.string_value
    return None if kind is None else dumps(value(any_value))


def _finite(document: Any) -> Any:
    if isinstance(document, float) and not math.isfinite(document):
        return "NaN" if math.isnan(document) else "Infinity" if document > 0 else "-Infinity"
    if isinstance(document, dict):
        return {key: _finite(item) for key, item in document.items()}
    if isinstance(document, list):
        return [_finite(item) for item in document]
    return document
