"""Reads tokens back, many at once, and says of each that cannot be read why."""

from __future__ import annotations

import binascii
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe._label_keys import TAG_BYTES, Key, Keys
from bento_observe.feedback._token import (
    BODY_FIXED,
    CONTEXT_TAG,
    HEAD,
    KIND_TEXT,
    KIND_VALUE,
    MAX_TOKEN,
    VERSION,
    Context,
    unsealed_context,
)  # fmt: skip

__all__ = ["NO_CLASS", "TEXT", "Read", "TokenReader"]

NO_CLASS: Final = -1
TEXT: Final = -2

_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_BODY_AT: Final = HEAD.size + TAG_BYTES
_SMALLEST: Final = -(-(_BODY_AT + BODY_FIXED.size + 1 + CONTEXT_TAG + 3) // 3) * 3
_MAX_REMEMBERED: Final = 4096
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, so that rows of one nonce never meet
_BLOCK: Final = 64
_FEW: Final = 24

IntArray = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass
class Read:
    """What `n` ids say; arrays of `n`.

    Attributes:
        reasons: why an id is refused, by its position; what is not in here was read.
        identity: uint64; two ids of one prediction have the same.
        time: when it was made, whole seconds since the epoch.
        contexts, context: the different ones, and the position of each id's among them.
        names, name: the different classes, likewise; `NO_CLASS` where a value was predicted, `TEXT` where a text was.
        value, confidence: float64, NaN where there is none.
        classes: how many there are, 0 where that is not known.
    """

    reasons: dict[int, str]
    identity: npt.NDArray[np.uint64]
    time: IntArray
    context: IntArray
    name: IntArray
    value: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    classes: IntArray
    contexts: list[Context] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls, n: int) -> Read:
        """Of ids that are still to be read."""

        def integers(value: int) -> IntArray:
            return np.full(n, value, dtype=np.int64)

        nothing = np.full(n, np.nan)
        zeros = np.zeros(n, dtype=np.uint64)
        return cls({}, zeros, integers(0), integers(0), integers(NO_CLASS), nothing, nothing.copy(), integers(0))


class TokenReader:
    """Reads what `TokenMaker` makes, with any of the keys. For one thread at a time.

    Args:
        keys: those that tokens are accepted from.
        whole: gives contexts the names that they had before tokens cut them, where those are known.
    """

    def __init__(self, keys: Keys, whole: Callable[[Context], Context] = lambda context: context) -> None:
        self._whole = whole
        self._keys = {key.id: key for key in reversed(keys.all)}
        self._contexts: dict[bytes, Context] = {}

    def read(self, tokens: Sequence[object]) -> Read:
        """What they say. Never raises, whatever they are."""
        found = _Result(len(tokens))
        lengths: defaultdict[int, list[int]] = defaultdict(list)
        for position, token in enumerate(tokens):
            if type(token) is str and 0 < len(token) <= MAX_TOKEN and token.isascii():
                lengths[len(token)].append(position)
            else:
                found.refuse(position, semconv.LABEL_MALFORMED)
        for length, positions in lengths.items():
            if length % 4 or length // 4 * 3 < _SMALLEST:
                for position in positions:
                    found.refuse(position, _why(str(tokens[position])))
            else:
                self._alike(tokens, positions, length // 4 * 3, found)
        return found.read

    def _alike(self, tokens: Sequence[Any], positions: list[int], size: int, found: _Result) -> None:
        """Those of one length."""
        raw = _decoded("".join([tokens[position] for position in positions]), size * len(positions))
        if raw is None:
            if len(positions) == 1:
                found.refuse(positions[0], semconv.LABEL_MALFORMED)
                return
            for position in positions:
                self._alike(tokens, [position], size, found)
            return
        table = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)
        ours, whole = table[:, 0] == VERSION, table[:, 1].astype(np.int64) * 3
        for row in np.flatnonzero(~ours | (whole != size)).tolist():
            cut = ours[row] and whole[row] > size
            found.refuse(positions[row], semconv.LABEL_TRUNCATED if cut else semconv.LABEL_MALFORMED)
        alike = np.flatnonzero(ours & (whole == size))
        # Of one key and one size of the body.
        kinds = table[:, 2].astype(np.int64) << 16 | table[:, 3].astype(np.int64) << 8 | table[:, HEAD.size - 1]
        for kind in np.unique(kinds[alike]).tolist():
            rows = alike[kinds[alike] == kind]
            there = np.array(positions)[rows]
            key = self._keys.get((kind >> 8).to_bytes(2, "big"))
            if key is None:
                for position in there.tolist():
                    found.refuse(position, semconv.LABEL_OTHER_KEY)
            elif (kind & 0xFF) <= BODY_FIXED.size or _BODY_AT + (kind & 0xFF) + CONTEXT_TAG > size:
                for position in there.tolist():
                    found.refuse(position, semconv.LABEL_FORGED)
            else:
                self._signed(key, table[rows], there, kind & 0xFF, found)

    def _signed(self, key: Key, table: Bytes, positions: IntArray, body: int, found: _Result) -> None:
        """Check the tags of tokens of one key and one size of the body, and take what they sign."""
        head, end = HEAD.size, _BODY_AT + body
        heads, tags, tails = table[:, :head], table[:, head:_BODY_AT], table[:, end:]
        plain = table[:, _BODY_AT:end] ^ _streams(key, np.hstack([tags, heads]), body)
        signed = np.hstack([heads, plain, tails])
        text, size = signed.tobytes(), signed.shape[1]
        digests = []
        sign = key.sign.copy
        for start in range(0, len(text), size):
            hashed = sign()
            hashed.update(text[start : start + size])
            digests.append(hashed.digest())
        # As `hmac.compare_digest` does, for all at once: every byte of every tag is looked at, wherever they differ.
        wrong = np.bitwise_or.reduce(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, TAG_BYTES) ^ tags, axis=1)
        right = wrong == 0
        for position in positions[~right].tolist():
            found.refuse(position, semconv.LABEL_FORGED)
        if right.any():
            at = positions[right]
            found.take(at, heads[right], plain[right])
            found.read.context[at] = _coded(tails[right], lambda sealed: found.context(self._context(key, sealed)))

    def _context(self, key: Key, sealed: bytes) -> Context:
        known = self._contexts.get(sealed)
        if known is None:
            if len(self._contexts) >= _MAX_REMEMBERED:
                self._contexts.clear()
            known = self._contexts[sealed] = self._whole(unsealed_context(key, sealed))
        return known


def _streams(key: Key, nonces: Bytes, size: int) -> Bytes:
    """`size` bytes for each of `nonces`, as `stream` has them."""
    blocks = -(-size // _BLOCK)
    seal = key.seal.copy
    columns = []
    for number in range(blocks):
        numbered = np.hstack([nonces, np.full((len(nonces), 1), number, dtype=np.uint8)])
        text, width = numbered.tobytes(), numbered.shape[1]
        digests = []
        for start in range(0, len(text), width):
            hashed = seal()
            hashed.update(text[start : start + width])
            digests.append(hashed.digest())
        columns.append(np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _BLOCK))
    return np.hstack(columns)[:, :size]


def _coded(rows: Bytes, code: Callable[[bytes], int]) -> IntArray:
    """`code` of each row's bytes, asked for once for each different one: there are few."""
    codes = np.empty(len(rows), dtype=np.int64)
    left = np.arange(len(rows))
    for _ in range(_FEW):
        if not left.size:
            return codes
        alike = (rows[left] == rows[left[0]]).all(axis=1)
        codes[left[alike]] = code(rows[left[0]].tobytes())
        left = left[~alike]
    width, text = rows.shape[1], rows[left].tobytes()
    codes[left] = [code(text[start : start + width]) for start in range(0, len(text), width)]
    return codes


class _Result:
    """A `Read` while it is made."""

    def __init__(self, n: int) -> None:
        self.read = Read.empty(n)
        self._contexts: dict[Context, int] = {}
        self._names: dict[bytes, int] = {}

    def refuse(self, position: int, reason: str) -> None:
        self.read.reasons[position] = reason

    def context(self, one: Context) -> int:
        number = self._contexts.get(one)
        if number is None:
            number = self._contexts[one] = len(self._contexts)
            self.read.contexts.append(one)
        return number

    def take(self, at: IntArray, heads: Bytes, bodies: Bytes) -> None:
        """Rows that are as they were made: `heads` and `bodies` of those `at` their positions."""
        read = self.read
        nonces = _column(heads, 4, 8, ">u8").astype(np.uint64)
        rows = _column(heads, 12, 4, ">u4").astype(np.uint64)
        with np.errstate(over="ignore"):
            read.identity[at] = nonces + rows * _MIX
        read.time[at] = _column(bodies, 0, 4, ">u4")
        read.classes[at] = bodies[:, 5]
        read.confidence[at] = _column(bodies, 6, 8, ">f8")
        values, texts = bodies[:, 4] == KIND_VALUE, bodies[:, 4] == KIND_TEXT
        if values.any():
            read.value[at[values]] = _column(bodies[values], BODY_FIXED.size, 8, ">f8")
        read.name[at[texts]] = TEXT
        named = ~(values | texts)
        if named.any():
            read.name[at[named]] = _coded(bodies[named][:, BODY_FIXED.size :], self._name)

    def _name(self, sized: bytes) -> int:
        name = sized[1 : 1 + sized[0]]
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = len(self._names)
            self.read.names.append(name.decode("utf-8", "replace"))
        return number


def _column(table: Bytes, start: int, size: int, kind: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(table[:, start : start + size]).view(kind)[:, 0]


def _decoded(text: str, size: int) -> bytes | None:
    """Base64 for URLs; None where there is anything else in it."""
    try:
        raw = binascii.a2b_base64(text.encode().translate(_FROM_URL))
    except binascii.Error:
        return None
    # What is no base64 was passed over.
    return raw if len(raw) == size else None


def _why(token: str) -> str:
    """Of one whose length none of ours has: cut off, or something else altogether."""
    whole = token[: len(token) // 4 * 4]
    raw = _decoded(whole, len(whole) // 4 * 3)
    cut = raw is not None and len(raw) >= 3 and raw[0] == VERSION and raw[1] * 3 > len(raw)
    return semconv.LABEL_TRUNCATED if cut else semconv.LABEL_MALFORMED
