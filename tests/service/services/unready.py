"""A service observed by a bento_observe that cannot be set up: one of its modules cannot be imported."""

from __future__ import annotations

import sys

import bentoml
from switch import maybe_observe

sys.modules["bento_observe.asgi"] = None  # type: ignore[assignment]


@maybe_observe
@bentoml.service
class Unready:
    @bentoml.api
    def answer(self) -> int:
        return 42
