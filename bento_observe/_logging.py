"""Hooks the OTLP log handler into Python's logging, without changing what the console shows."""

from __future__ import annotations

import logging

__all__ = ["attach"]

# Uvicorn writes an access log of its own as soon as somebody listens at this level; BentoML's is enough.
_KEPT_QUIET = ("uvicorn.access",)


class _LoweredLevel(int):
    """A level of the root logger that is ours: `is` tells it from one that the application has set since."""


class _AsBefore(logging.Filter):
    """On the other handlers of the root logger: lets through what reached them before its level was lowered.

    That is what the root logger's former level allows, and what a logger with a level of its own had allowed already.
    """

    def __init__(self, before: int, lowered: _LoweredLevel) -> None:
        super().__init__()
        self._before = before
        self._lowered = lowered

    def filter(self, record: logging.LogRecord) -> bool:
        root = logging.getLogger()
        if record.levelno >= self._before or root.level is not self._lowered:
            return True
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger is not root:
            if logger.level:
                return True
            logger = logger.parent
        return False


def attach(handler: logging.Handler | None) -> None:
    """Give `handler` what reaches the root logger and BentoML's, from its own level on.

    May be called again: logging that was configured anew in the meantime is hooked into anew.
    """
    if handler is None:
        return
    root = logging.getLogger()
    if handler not in root.handlers:
        if handler.level < root.level:
            _lower(root, handler.level)
        root.addHandler(handler)
    # BentoML's logger does not propagate to the root.
    bentoml = logging.getLogger("bentoml")
    if not bentoml.propagate and handler not in bentoml.handlers:
        bentoml.addHandler(handler)


def _lower(root: logging.Logger, level: int) -> None:
    before, lowered = root.level, _LoweredLevel(level)
    for name in _KEPT_QUIET:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(before)
    root.setLevel(lowered)
    for other in root.handlers:
        other.addFilter(_AsBefore(before, lowered))
