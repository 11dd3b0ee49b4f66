"""Bytes written by hand, read back with the generated protobuf classes."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, TracesData

from bento_observe import wire

_ATTRIBUTES = b"\x0a"  # KeyValueList.values


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 16_383, 16_384, (1 << 32) - 1, 1 << 32, (1 << 63) - 1])
def test_numbers_are_read_back(number: int) -> None:
    """At every length a varint can have."""
    assert AnyValue.FromString(b"\x18" + wire.varint(number)).int_value == number


@pytest.mark.parametrize("text", ["", "plain", "ünï¢ødé 🍣", "x" * 127, "x" * 128, "x" * 70_000, "a\x00b"])
def test_texts_are_read_back(text: str) -> None:
    """Of all lengths, beyond ASCII, with a zero in it."""
    assert AnyValue.FromString(wire.string_field(b"\x0a", text)).string_value == text


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    """UTF-8 cannot hold it, and protobuf would refuse the whole message."""
    assert AnyValue.FromString(wire.string_field(b"\x0a", "a\udcffb")).string_value == "a?b"
    assert wire.any_value("a\udcffb").string_value == "a?b"


class _Colour(str, enum.Enum):
    RED = "red"


class _Rude:
    def __str__(self) -> str:
        raise RuntimeError("not telling")


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        (True, "bool_value", True),
        (-7, "int_value", -7),
        (1 << 70, "string_value", str(1 << 70)),
        (2.5, "double_value", 2.5),
        ("text", "string_value", "text"),
        (_Colour.RED, "string_value", "red"),
        (b"raw", "bytes_value", b"raw"),
        (np.float32(0.5), "double_value", 0.5),
        (np.int64(9), "int_value", 9),
        (1 + 2j, "string_value", "(1+2j)"),
        (_Rude(), "string_value", "<_Rude that cannot be shown>"),
    ],
)
def test_values_keep_their_kind(value: Any, kind: str, read: Any) -> None:
    """What OTLP has no kind for is told as text; an object that raises is told too."""
    found = wire.any_value(value)

    assert found.WhichOneof("value") == kind
    assert getattr(found, kind) == read


def test_a_value_that_contains_itself_comes_to_an_end() -> None:
    """Lists and mappings are followed eight levels deep."""
    value: list[Any] = []
    value.append(value)

    assert len(wire.any_value(value).SerializeToString()) < 10_000


def test_large_values_are_cut() -> None:
    """Texts at 16,384 characters, sequences and mappings at 1,024 items."""
    assert len(wire.any_value("x" * 100_000).string_value) == 16_384
    assert len(wire.any_value(list(range(5000))).array_value.values) == 1024
    assert len(wire.key_values({str(number): number for number in range(5000)})) == 1024


def test_attributes_written_by_hand_equal_those_of_the_library() -> None:
    """Whole mappings, and the prepared keys of the hot path."""
    written = b"".join(
        (
            wire.attributes(_ATTRIBUTES, {"nested": {"a": [1, "b"]}, "absent": None}),
            wire.with_integer(wire.attribute_key(_ATTRIBUTES, "number"), 300),
            wire.with_string(wire.attribute_key(_ATTRIBUTES, "text"), "ü"),
        )
    )

    assert KeyValueList.FromString(written) == KeyValueList(
        values=wire.key_values({"nested": {"a": [1, "b"]}, "number": 300, "text": "ü"})
    )


def test_a_scope_holds_what_was_put_into_it() -> None:
    """The field of a ResourceSpans message, with its scope first."""
    span = wire.message(b"\x12", Span(name="one").SerializeToString())
    scoped = wire.scoped(wire.scope("here", "1.2"), [span, span])
    read = TracesData.FromString(wire.message(b"\x0a", scoped)).resource_spans[0].scope_spans[0]

    assert isinstance(read, ScopeSpans)
    assert (read.scope.name, read.scope.version) == ("here", "1.2")
    assert [span.name for span in read.spans] == ["one", "one"]
