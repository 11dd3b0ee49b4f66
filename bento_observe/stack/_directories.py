"""Where builds and data are kept unless the user says otherwise (the XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path

_CACHE_VARIABLE = "BENTO_OBSERVE_CACHE"


def default_cache_dir() -> Path:
    """`$BENTO_OBSERVE_CACHE`, else `bento-observe` in the user's cache directory."""
    chosen = os.environ.get(_CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else _xdg("XDG_CACHE_HOME", ".cache")


def default_data_dir() -> Path:
    """`bento-observe/stack` in the user's data directory."""
    return _xdg("XDG_DATA_HOME", ".local/share") / "stack"


def _xdg(variable: str, default: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "bento-observe"
