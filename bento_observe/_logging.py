"""Hooks the OTLP log handler into Python's logging, without changing what the console shows."""

from __future__ import annotations

import logging

__all__ = ["attach"]

# Uvicorn writes an access log of its own as soon as somebody listens at this level; BentoML's is enough.
_KEPT_QUIET = ("uvicorn.access",)


class _Unchanged(logging.Handler):
    """Stands for a handler of the root logger and gives it what it got before the root logger's level was lowered.

    The handler itself is left alone, because BentoML shares it with its own logger, whose level is another.
    """

    def __init__(self, handler: logging.Handler, level: int) -> None:
        super().__init__(level)
        self._handler = handler

    def handle(self, record: logging.LogRecord) -> bool:
        return self._handler.handle(record) if record.levelno >= self._handler.level else False


def attach(handler: logging.Handler | None) -> None:
    """Give `handler` what reaches the root logger and BentoML's, from its own level on.

    May be called again: logging that was configured anew in the meantime is hooked into anew.
    """
    if handler is None:
        return
    root = logging.getLogger()
    if handler not in root.handlers:
        before = root.level
        if handler.level < before:
            for name in _KEPT_QUIET:
                logger = logging.getLogger(name)
                if logger.level == logging.NOTSET:
                    logger.setLevel(before)
            root.handlers[:] = [_Unchanged(other, before) for other in root.handlers]
            root.setLevel(handler.level)
        root.addHandler(handler)
    # BentoML's logger does not propagate to the root.
    bentoml = logging.getLogger("bentoml")
    if not bentoml.propagate and handler not in bentoml.handlers:
        bentoml.addHandler(handler)
