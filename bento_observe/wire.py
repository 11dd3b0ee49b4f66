"""OTLP messages as bytes: the few protobuf framings the hot path writes itself.

Most of a span or log record is the same for every request of a route, so it is serialised once (by the protobuf
library) and copied; what differs is fixed-width fields between. Field numbers are those of opentelemetry-proto 1.x;
the tests parse everything written here with the generated classes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList

from bento_observe.framing import message, string_field, varint

__all__ = [
    "any_value",
    "attribute_key",
    "attributes",
    "key_values",
    "message",
    "scope",
    "scoped",
    "string_field",
    "varint",
    "with_double",
    "with_integer",
    "with_string",
]


_DOUBLE = struct.Struct("<2ssd")  # KeyValue.value = 2, its length, AnyValue.double_value = 4
_MAX_TEXT, _MAX_ITEMS, _MAX_DEPTH = 16_384, 1024, 8


def any_value(value: Any, depth: int = 0) -> AnyValue:
    """An attribute value as OTLP has it; what OTLP has no type for is sent as its `str`.

    Never raises. Texts are cut at 16,384 characters, sequences and mappings at 1,024 items and 8 levels.
    """
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value[:_MAX_TEXT].encode("utf-8", "replace").decode())
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return AnyValue(int_value=int(value))
    if isinstance(value, float):
        return AnyValue(double_value=float(value))
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value[:_MAX_TEXT])
    if value is None:
        return AnyValue()
    try:
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value, depth + 1)))
        if depth < _MAX_DEPTH and isinstance(value, Sequence):
            items = [any_value(item, depth + 1) for item in value[:_MAX_ITEMS]]
            return AnyValue(array_value=ArrayValue(values=items))
        if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
            return any_value(value.item(), depth + 1)  # a numpy scalar
        return AnyValue(string_value=str(value)[:_MAX_TEXT].encode("utf-8", "replace").decode())
    except Exception:  # noqa: BLE001 - an object of the user's may raise from anything
        return AnyValue(string_value=f"<{type(value).__name__} that cannot be shown>")


def key_values(mapping: Mapping[str, Any], depth: int = 0) -> list[KeyValue]:
    """`mapping` as OTLP attributes, at most 1,024; None values are left out."""
    pairs = list(dict(mapping).items())[:_MAX_ITEMS]
    return [KeyValue(key=str(key), value=any_value(value, depth)) for key, value in pairs if value is not None]


def attributes(tag: bytes, mapping: Mapping[str, Any]) -> bytes:
    """`mapping` as repeated attribute fields with `tag`, serialised."""
    return b"".join(message(tag, pair.SerializeToString()) for pair in key_values(mapping))


def attribute_key(tag: bytes, key: str) -> tuple[bytes, bytes]:
    """Head and key of an attribute whose value differs each time: for `with_integer` and `with_string`."""
    return tag, string_field(b"\x0a", key)


def with_integer(prepared: tuple[bytes, bytes], value: int) -> bytes:
    """The attribute field of `attribute_key` with an integer value (not negative)."""
    tag, key = prepared
    return message(tag, key + message(b"\x12", b"\x18" + varint(value)))


def with_double(prepared: tuple[bytes, bytes], value: float) -> bytes:
    """The attribute field of `attribute_key` with a number."""
    tag, key = prepared
    return message(tag, key + _DOUBLE.pack(b"\x12\x09", b"\x21", value))


def with_string(prepared: tuple[bytes, bytes], value: str) -> bytes:
    """The attribute field of `attribute_key` with a string value."""
    tag, key = prepared
    return message(tag, key + message(b"\x12", string_field(b"\x0a", value)))


def scope(name: str, version: str = "") -> bytes:
    """The `scope` field of a ScopeSpans, ScopeMetrics or ScopeLogs message."""
    return message(b"\x0a", InstrumentationScope(name=name, version=version).SerializeToString())


def scoped(scope_field: bytes, fields: Iterable[bytes]) -> bytes:
    """A `scope_*` field of a Resource* message: the scope, then its serialised spans, metrics or log records."""
    return message(b"\x12", scope_field + b"".join(fields))
