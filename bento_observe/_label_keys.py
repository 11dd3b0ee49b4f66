"""The keys that prediction ids are signed and sealed with."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from bento_observe._environment import EnvironmentReader

__all__ = ["GENERATED", "KEYS", "TAG_BYTES", "Key", "Keys", "generate", "keys_of"]

KEYS: Final = "BENTO_OBSERVE_LABEL_KEY"
"""The variable with the keys: several are separated by commas, the first one signs."""

GENERATED: Final = "BENTO_OBSERVE_GENERATED_LABEL_KEY"
"""The variable in which the supervisor leaves the key that it made up, for the workers it starts."""

TAG_BYTES: Final = 9
_SHORTEST, _MOST = 16, 8


@dataclass(frozen=True)
class Key:
    """One key: `id` tells it from others in a token, `name` in the name of a table.

    `sign` and `seal` are keyed BLAKE2b states to be copied, which digest to `TAG_BYTES` and to 64 bytes.
    """

    id: bytes
    name: str
    sign: hashlib.blake2b
    seal: hashlib.blake2b

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """The key made of `secret`, which may have any length."""

        def part(purpose: bytes, size: int) -> bytes:
            return hashlib.blake2b(secret, digest_size=size, person=purpose).digest()

        return cls(
            part(b"label id", 2),
            part(b"label name", 8).hex(),
            hashlib.blake2b(key=part(b"label sign", 32), digest_size=TAG_BYTES),
            hashlib.blake2b(key=part(b"label seal", 32), digest_size=64),
        )


@dataclass(frozen=True)
class Keys:
    """All keys that ids are accepted from; the first one signs. `generated`: nobody gave any, `own`: no other process
    has it."""

    all: tuple[Key, ...]
    generated: bool = False
    own: bool = False

    @property
    def signing(self) -> Key:
        """The one that signs."""
        return self.all[0]


def keys_of(env: EnvironmentReader) -> Keys:
    """The keys of the environment, else the one that the supervisor generated, else one of this process's own.

    What is too short to be a secret (below 16 characters) is a problem and left out. Of a bad key nothing is shown.
    """
    _, given = env.text(KEYS)
    texts = list(dict.fromkeys(filter(None, map(str.strip, given.split(",")))))
    good = [text for text in texts if len(text) >= _SHORTEST]
    if len(good) < len(texts):
        env.problem(
            KEYS, "***", f"has keys of fewer than {_SHORTEST} characters", "they are left out: write longer ones"
        )
    if len(good) > _MOST:
        env.problem(KEYS, "***", f"has more than {_MOST} keys", f"the first {_MOST} are used")
    if good:
        return Keys(tuple(Key.of(text.encode()) for text in good[:_MOST]))
    _, generated = env.text(GENERATED)
    return Keys((Key.of((generated or secrets.token_hex(32)).encode()),), generated=True, own=not generated)


def generate(environ: MutableMapping[str, str]) -> None:
    """Make up a key for the processes that are started with `environ`: for when none is given, or none that is good.

    Before it stands the number of this process, or of what takes its place, at whose end the key is worth nothing.
    """
    environ.setdefault(GENERATED, f"{os.getpid()}-{secrets.token_hex(32)}")
