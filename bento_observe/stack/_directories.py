"""Where builds and data are kept unless the user says otherwise (the XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path

from bento_observe.stack._errors import StackError

CACHE_VARIABLE = "BENTO_OBSERVE_CACHE"


def chosen_cache_dir() -> Path | None:
    """`$BENTO_OBSERVE_CACHE`; None where it is not set.

    Raises:
        StackError: if it begins with the home directory of nobody known.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(chosen).expanduser() if chosen else None
    except RuntimeError as error:
        raise StackError(f"{CACHE_VARIABLE}={chosen}: {error}") from error


def default_cache_dir() -> Path:
    """`$BENTO_OBSERVE_CACHE`, else `bento-observe` in the user's cache directory: one for all checkouts.

    Raises:
        StackError: if neither a variable nor a home directory tells.
    """
    return chosen_cache_dir() or _xdg(
        "XDG_CACHE_HOME", ".cache", f"set XDG_CACHE_HOME or {CACHE_VARIABLE}, or give --cache-dir"
    )


def default_data_dir() -> Path:
    """`bento-observe/stack` in the user's data directory.

    Raises:
        StackError: if neither a variable nor a home directory tells.
    """
    return _xdg("XDG_DATA_HOME", ".local/share", "set XDG_DATA_HOME or give --data-dir") / "stack"


def private_directory(directory: Path) -> None:
    """Make a directory, with its parents, that other users can't look into; one that is there stays as it is."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)


def _xdg(variable: str, default: str, remedy: str) -> Path:
    base = os.environ.get(variable)
    try:
        return (Path(base) if base else Path.home() / default) / "bento-observe"
    except RuntimeError as error:  # no HOME, and no entry in the user database
        raise StackError(f"no home directory is known; {remedy}") from error
