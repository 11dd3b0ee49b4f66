"""The default prediction id: a token that carries what a label has to be matched with, signed and sealed.

Any replica that has the key can match a label, after any restart, and nothing has to be stored. The bytes of a token,
which is base64 for URLs without padding:

    version 1 | length/3 1 | key 2 | nonce 8 | row 4 | size of the body 1 | tag 9 | body | context

    body      time 4 | kind 1 | classes 1 | confidence 8 | class (size 1, UTF-8, zeros; of a text none) or value 8
    context   tag 6 | API, model, version, names and values of slices, each with its size before it, zeros; text of
              more than 64 bytes ends with a digest of all of it

The tag is a keyed BLAKE2b of all the rest in clear (64 bits and more: nobody guesses one over a network). Body and
context are sealed by BLAKE2b of another key as a stream cipher, whose nonce is the tag itself (the SIV construction:
P. Rogaway and T. Shrimpton, "Deterministic Authenticated-Encryption", 2006): who gets an id sees neither the model nor
a confidence that the answer does not show. Equal contexts look equal.
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bento_observe._label_keys import TAG_BYTES, Key, Keys
from bento_observe.feedback._class_names import carried

__all__ = [
    "BODY_FIXED", "CONTEXT_TAG", "HEAD", "KIND_CLASS", "KIND_TEXT", "KIND_VALUE", "MAX_TOKEN", "VERSION", "Context",
    "Predictions", "TokenMaker", "carried_name", "class_body", "stream", "unsealed_context", "value_body", "xored",
]  # fmt: skip

VERSION: Final = 1
HEAD: Final = struct.Struct(">BB2s8sIB")
BODY_FIXED: Final = struct.Struct(">IBBd")
CONTEXT_TAG: Final = 6
KIND_CLASS, KIND_VALUE, KIND_TEXT = 0, 1, 2
MAX_TOKEN: Final = 1020
"""Characters; the length byte counts threes up to 255."""

_VALUE: Final = struct.Struct(">d")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_MAX_TEXT, _MAX_CONTEXT = 64, 400
_MAX_REMEMBERED: Final = 4096
_BLOCK: Final = 64


class Context(NamedTuple):
    """What predictions share: `api`, `model` and `version` (empty where there is none), names and values of slices."""

    api: str
    model: str = ""
    version: str = ""
    slices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Predictions:
    """What was predicted for some rows: either `classes`, empty where it was a text, or `values` (float), one a row.

    `confidence` is the probability of the predicted class, NaN where nobody said; empty: of no row. `of` is how many
    classes there are, 0 where that is not known. Rows at the positions `missing` have no prediction and no id; `empty`
    of them were empty texts, which nobody has to be told about.
    """

    classes: Sequence[str] = ()
    values: Sequence[float] = ()
    confidence: Sequence[float] = ()
    of: int = 0
    missing: Sequence[int] = ()
    empty: int = 0

    def __len__(self) -> int:
        return len(self.classes) or len(self.values)


class _Frame(NamedTuple):
    """The first four bytes of some tokens, their last ones, and how many slices each of them has no place for."""

    start: bytes
    tail: bytes
    lost: int


def _ignore(_count: int) -> None:
    pass


class TokenMaker:
    """Makes tokens. Safe to use from any thread.

    Args:
        keys: the first one signs.
        lost: is told how many slices found no place in their tokens, which hold some 400 bytes of them.
    """

    def __init__(self, keys: Keys, lost: Callable[[int], None] = _ignore) -> None:
        self._key = keys.signing
        self._lost = lost
        self._frames: dict[tuple[Context, int, int], _Frame] = {}

    def tokens(
        self,
        contexts: Sequence[Context],
        predictions: Predictions,
        nonce: bytes,
        when: float,
        which: Sequence[int] = (),
    ) -> list[str]:
        """A token for each row, in their order.

        Args:
            contexts: of all rows the only one, or several.
            predictions: what was predicted.
            nonce: eight bytes that no other request has.
            when: seconds since the epoch.
            which: the position in `contexts` of each row's; not needed of a single one.
        """
        bodies = _bodies(predictions, when)
        if not bodies:
            return []
        size = len(bodies[0])
        width = 0 if len(contexts) == 1 else max(len(_encoded(context)[0]) for context in contexts)
        frames = [self._frame(context, size, width) for context in contexts]
        sign, seal, key = self._key.sign.copy, self._key.seal.copy, self._key
        last = size.to_bytes(1, "big")
        start, tail, _ = frames[0]
        start += nonce
        parts: list[bytes] = []
        streams = []
        for row, body in enumerate(bodies):
            if which:
                tail = frames[which[row]].tail
            head = start + row.to_bytes(4, "big") + last
            hashed = sign()
            hashed.update(head + body + tail)
            nonce = hashed.digest() + head
            if size <= _BLOCK:
                hashed = seal()
                hashed.update(nonce + b"\0")
                streams.append(hashed.digest()[:size])
            else:
                streams.append(stream(key, nonce, size))
            parts += (head, nonce[:TAG_BYTES], b"", tail)
        cipher = xored(b"".join(bodies), b"".join(streams))
        parts[2::4] = [cipher[at : at + size] for at in range(0, len(cipher), size)]
        if any(frame.lost for frame in frames):
            self._lost(sum(frames[one].lost for one in which) if which else frames[0].lost * len(bodies))
        text = binascii.b2a_base64(b"".join(parts), newline=False).translate(_TO_URL).decode()
        length = len(text) // len(bodies)
        return [text[at : at + length] for at in range(0, len(text), length)]

    def token(self, context: Context, body: bytes, nonce: bytes, row: int = 0) -> str:
        """The token of one row, whose `body` is one that `class_body` or `value_body` made."""
        size = len(body)
        start, tail, lost = self._frames.get((context, size, 0)) or self._frame(context, size, 0)
        head = start + nonce + row.to_bytes(4, "big") + size.to_bytes(1, "big")
        hashed = self._key.sign.copy()
        hashed.update(head + body + tail)
        tag = hashed.digest()
        if lost:
            self._lost(lost)
        if size <= _BLOCK:
            hashed = self._key.seal.copy()
            hashed.update(tag + head + b"\0")
            sealed = xored(body, hashed.digest()[:size])
        else:
            sealed = xored(body, stream(self._key, tag + head, size))
        return binascii.b2a_base64(head + tag + sealed + tail, newline=False).translate(_TO_URL).decode()

    def _frame(self, context: Context, size: int, width: int) -> _Frame:
        """That of tokens whose body has `size` bytes and whose context `width`, or as few as it takes."""
        found = self._frames.get((context, size, width))
        if found is None:
            if len(self._frames) >= _MAX_REMEMBERED:
                self._frames.clear()
            plain, lost = _encoded(context)
            clear = HEAD.size + TAG_BYTES + size + CONTEXT_TAG
            whole = -(-(clear + max(len(plain), width)) // 3) * 3
            plain = plain.ljust(whole - clear, b"\0")
            hashed = self._key.sign.copy()
            hashed.update(b"\0" + plain)
            tag = hashed.digest()[:CONTEXT_TAG]
            sealed = tag + xored(plain, stream(self._key, tag + b"context", len(plain)))
            start = bytes((VERSION, whole // 3)) + self._key.id
            found = self._frames[context, size, width] = _Frame(start, sealed, lost)
        return found


def class_body(name: str, confidence: float, of: int, when: float) -> bytes:
    """The body of a row whose predicted class is `name`, or which was a text if that is empty; see `Predictions`."""
    cut = carried(name).encode()
    return (
        BODY_FIXED.pack(int(when) & 0xFFFFFFFF, KIND_CLASS if name else KIND_TEXT, min(of, 255), confidence)
        + len(cut).to_bytes(1, "big")
        + cut
    )


def value_body(value: float, when: float) -> bytes:
    """The body of a row that a value was predicted for."""
    return BODY_FIXED.pack(int(when) & 0xFFFFFFFF, KIND_VALUE, 0, math.nan) + _VALUE.pack(value)


def _bodies(predictions: Predictions, when: float) -> list[bytes]:
    """The body of each row, all equally long."""
    count = len(predictions)
    confidence = predictions.confidence if len(predictions.confidence) else [math.nan] * count
    second, classes, pack = int(when) & 0xFFFFFFFF, min(predictions.of, 255), BODY_FIXED.pack
    if not len(predictions.classes):
        pairs = zip(confidence, predictions.values, strict=True)
        return [pack(second, KIND_VALUE, classes, one) + _VALUE.pack(value) for one, value in pairs]
    names = {name: carried(name).encode() for name in set(predictions.classes)}
    longest = max(map(len, names.values()))
    fields = {name: len(cut).to_bytes(1, "big") + cut.ljust(longest, b"\0") for name, cut in names.items()}
    named = zip(confidence, predictions.classes, strict=True)
    return [pack(second, KIND_CLASS if name else KIND_TEXT, classes, one) + fields[name] for one, name in named]


def _encoded(context: Context) -> tuple[bytes, int]:
    """The API, the model and as many slices as there is place for; and how many there is none for."""
    parts = [_sized(text) for text in (context.api, context.model, context.version)]
    size, lost = sum(map(len, parts)), 0
    for name, value in context.slices:
        if not name or not value:
            continue
        pair = _sized(name) + _sized(value)
        if size + len(pair) > _MAX_CONTEXT:
            lost += 1
            continue
        parts.append(pair)
        size += len(pair)
    return b"".join(parts), lost


def carried_name(text: str) -> str:
    """A part of a context as a token carries it: what has to be cut ends with a digest, so that two that begin alike
    stay two."""
    return carried(text, _MAX_TEXT)


def _sized(text: str) -> bytes:
    """With its size before it."""
    cut = carried_name(text).encode()
    return len(cut).to_bytes(1, "big") + cut


def unsealed_context(key: Key, sealed: bytes) -> Context:
    """The context of a token whose tag was right.

    Raises:
        ValueError: it makes no sense, which no token of ours can cause.
    """
    tag, cipher = sealed[:CONTEXT_TAG], sealed[CONTEXT_TAG:]
    plain = xored(cipher, stream(key, tag + b"context", len(cipher)))
    texts: list[str] = []
    at = 0
    while at < len(plain):
        size = plain[at]
        if size == 0 and not any(plain[at:]) and len(texts) >= 3:
            break
        texts.append(plain[at + 1 : at + 1 + size].decode())
        at += 1 + size
    if len(texts) < 3 or len(texts) % 2 == 0:
        raise ValueError("the context of an id has parts missing")
    return Context(texts[0], texts[1], texts[2], tuple(zip(texts[3::2], texts[4::2], strict=True)))


def stream(key: Key, nonce: bytes, size: int) -> bytes:
    """So many bytes that nobody without the key can tell from random ones."""
    blocks = []
    for number in range(-(-size // _BLOCK)):
        block = key.seal.copy()
        block.update(nonce + number.to_bytes(1, "big"))
        blocks.append(block.digest())
    return b"".join(blocks)[:size]


def xored(one: bytes, other: bytes) -> bytes:
    """The two, equally long, bit by bit."""
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).to_bytes(len(one), "little")
