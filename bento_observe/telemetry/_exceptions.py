"""An exception as attributes: bounded in size, and without the data that caused it where that can be told apart."""

from __future__ import annotations

import traceback
from typing import Any

from bento_observe import semconv

__all__ = ["describe", "type_name"]

_MESSAGE_LENGTH = 1024
_STACK_LENGTH = 16_384
_CHAIN, _FRAMES, _FAULTS = 5, 64, 10


def type_name(error: BaseException) -> str:
    """The full name of an exception's class, as the conventions have it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe(error: BaseException) -> dict[str, Any]:
    """`exception.type`, `.message` (at most 1 KiB) and `.stacktrace` (at most 16 KiB, the last 64 frames a link).

    A pydantic validation error is told by what was wrong and where, never by the value: that is the client's data.
    Everything is formatted now, so no frame is kept alive.
    """
    return {
        semconv.EXCEPTION_TYPE: type_name(error),
        semconv.EXCEPTION_MESSAGE: _message(error),
        semconv.EXCEPTION_STACKTRACE: _stack(error),
    }


def _message(error: BaseException) -> str:
    try:
        faults = getattr(error, "errors", None)
        if type(error).__name__ == "ValidationError" and callable(faults):
            return _faults(error)[:_MESSAGE_LENGTH]
        return str(error)[:_MESSAGE_LENGTH]
    except Exception:  # noqa: BLE001 - an exception may have a __str__ that raises
        return "<the message cannot be shown>"


def _faults(error: Any) -> str:
    count = error.error_count()
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_FAULTS]
    lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in found]
    more = f"; and {count - _FAULTS} more" if count > _FAULTS else ""
    return f"{count} validation error{'s' if count > 1 else ''} for {error.title}: {'; '.join(lines)}{more}"


def _stack(error: BaseException) -> str:
    """As Python prints it, the exceptions that led to it first; of a text too long the end is kept."""
    links: list[str] = []
    link: BaseException | None = error
    while link is not None and len(links) < _CHAIN:
        frames = "".join(traceback.format_tb(link.__traceback__, limit=-_FRAMES))
        links.append(f"Traceback (most recent call last):\n{frames}{type_name(link)}: {_message(link)}\n")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nThe above exception led to:\n\n".join(reversed(links))[-_STACK_LENGTH:]
