"""How predictions get their ids: as tokens, which is the default, or as `_events` does it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Final, Protocol

from bento_observe.feedback._prediction import EMPTY, MISSING, Prediction
from bento_observe.feedback._token import Context, Predictions, TokenMaker, class_body, value_body
from bento_observe.request import RequestSpan
from bento_observe.telemetry import random_bytes

__all__ = ["Issuer", "TokenIssuer"]

_MAX_CALLER: Final = 256


class Issuer(Protocol):
    """Makes ids of one API's predictions. May raise."""

    plain: bool
    """Whether a caller's own id is the one that is answered."""

    def few(
        self, rows: Sequence[Prediction], contexts: Sequence[Context], given: bytes, request: RequestSpan | None
    ) -> list[str]:
        """An id of each of some rows, empty where it is `MISSING` or `EMPTY`; `contexts` has one for all, or one a row.

        `given` is the caller's id, if any.
        """

    def many(
        self,
        columns: Predictions,
        contexts: Sequence[Context],
        which: Sequence[int],
        given: bytes,
        request: RequestSpan | None,
    ) -> list[str]:
        """The same of any number; `which` has the position in `contexts` of each row's, where there are several."""


class TokenIssuer:
    """Tokens: nothing is kept, and a caller's id only tells which requests were the same.

    Args:
        context: the API, its model and version.
        maker: makes the tokens.
    """

    plain = False

    def __init__(self, context: Context, maker: TokenMaker) -> None:
        self._maker = maker
        # Two APIs may be given the same ids by their callers.
        self._key = hashlib.blake2b("\0".join(context[:3]).encode("utf-8", "replace")).digest()

    def few(
        self, rows: Sequence[Prediction], contexts: Sequence[Context], given: bytes, request: RequestSpan | None
    ) -> list[str]:
        """See `Issuer`."""
        now, nonce = time.time(), self._nonce(given)
        context, several, made = contexts[0], len(contexts) > 1, []
        for number, row in enumerate(rows):
            if row is MISSING or row is EMPTY:
                made.append("")
                continue
            if several:
                context = contexts[number]
            name = row.name
            body = value_body(row.value, now) if name is None else class_body(name, row.confidence, row.of, now)
            made.append(self._maker.token(context, body, nonce, number))
        return made

    def many(
        self,
        columns: Predictions,
        contexts: Sequence[Context],
        which: Sequence[int],
        given: bytes,
        request: RequestSpan | None,
    ) -> list[str]:
        """See `Issuer`."""
        made = self._maker.tokens(contexts, columns, self._nonce(given), time.time(), which)
        for row in columns.missing:
            made[row] = ""
        return made

    def _nonce(self, given: bytes) -> bytes:
        """Eight bytes: random ones, or those that stand for the caller's id."""
        if not given:
            return random_bytes()
        return hashlib.blake2b(given[:_MAX_CALLER], digest_size=8, key=self._key).digest()
