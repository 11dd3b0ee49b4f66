"""Paths as a person would type them here."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

__all__ = ["program", "shown"]


def shown(path: Path) -> str:
    """`path` from the working directory on, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def program() -> str:
    """How to call `bento-observe` here: by name where it is on PATH, else the one beside this Python."""
    beside = Path(sys.executable).with_name("bento-observe")
    on_path = any(Path(folder) == beside.parent for folder in os.get_exec_path())
    return "bento-observe" if on_path or not beside.exists() else shlex.quote(shown(beside))
