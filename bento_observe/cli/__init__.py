"""The command line, `bento-observe`: one module a command, imported only when it is called."""

from __future__ import annotations

from bento_observe.cli._main import main

__all__ = ["main"]
