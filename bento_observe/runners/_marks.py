"""What is noted on a runner, which is frozen but has attributes of its own."""

from __future__ import annotations

from typing import Any

__all__ = ["AUTOMATIC", "CALLER_HEADER", "OPTIONS", "RECORDING", "mark"]

OPTIONS = "__bento_observe_options__"
"""The arguments of `observe_runner`."""

AUTOMATIC = "__bento_observe_automatic__"
"""Observed by `bento-observe run`: the user's own `observe` may still come, and wins."""

CALLER_HEADER = "bento-observe-caller"
"""Of a request to a runner: whoever sent it is observed as well, so that its trace context is one that is told."""

RECORDING = "__bento_observe_recording__"
"""Where its feature statistics are kept, in a process of its own."""


def mark(runner: Any, name: str, value: Any) -> None:
    """Set an attribute of a runner."""
    object.__setattr__(runner, name, value)
