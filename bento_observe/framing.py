"""Protobuf's framing, for those who write OTLP messages as bytes themselves."""

from __future__ import annotations

__all__ = ["message", "string_field", "varint"]


def varint(number: int) -> bytes:
    """`number` (not negative) in protobuf's base-128 form."""
    if number < 0x80:
        return _ONE_BYTE[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_ONE_BYTE = [bytes((number,)) for number in range(0x80)]


def message(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field: `tag`, the length of `body`, `body`."""
    return tag + varint(len(body)) + body


def string_field(tag: bytes, text: str) -> bytes:
    """A string field; lone surrogates, which UTF-8 cannot hold, become question marks."""
    return message(tag, text.encode("utf-8", "replace"))
