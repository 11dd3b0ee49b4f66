"""Where the tables lie that tell which predictions have had their label: one for all workers of a service on a host.

A file's time of modification is when nothing needs it any more: so each has its service's own time, whoever clears up.
Who deletes one has its lock, as who uses it does: what is being used is not deleted.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from bento_observe._label_keys import GENERATED, Key, Keys

try:
    import fcntl
except ImportError:  # Windows, where no tables are shared
    fcntl = None  # type: ignore[assignment]

__all__ = ["directory", "forget_generated", "table_of"]

_NAME: Final = "labels-*"
_SEEN: Final = ".seen"
_DAY: Final = 86_400.0


def table_of(owner: str, keys: Keys, plain: bool) -> Path | None:
    """A service's table, without its size and ending.

    It is called after its service, whatever the keys are, so that it stays the same while they are replaced. Only that
    of a key which the supervisor made up is called after the key as well: it ends with it.

    Args:
        owner: whose it is.
        keys: what ids are signed with.
        plain: whether there are ids that need no key.

    Returns:
        None where no process shares the key, or there can be no file.
    """
    lone = keys.own and not plain
    below = None if lone else directory()
    if below is None:
        return None
    name = f"labels-{hashlib.blake2b(owner.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    if keys.generated and not plain:
        name = f"{name}.{keys.signing.name}"
    return below / name


def forget_generated() -> None:
    """At the end of the process that made up a key: delete the tables of its ids, which nobody accepts any more."""
    generated = os.environ.get(GENERATED, "")
    if generated.partition("-")[0] == str(os.getpid()):
        for table in _directory().glob(f"{_NAME}.{Key.of(generated.encode()).name}-*{_SEEN}"):
            with suppress(OSError):
                table.unlink()


def directory() -> Path | None:
    """Where tables lie: a directory of this user's own below the temporary one; None where there can be none.

    Tables that nothing needs any more are deleted.
    """
    path = _directory()
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    # Somebody else's, in a directory where all may write, could be made to lead anywhere.
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return None
    for old in path.glob(_NAME):
        with suppress(OSError):  # somebody else was faster, or has it in use
            _clear(old, spare=0.0 if old.suffix == _SEEN else _DAY)  # the latter for a file that is being made
    return path


def _clear(path: Path, spare: float) -> None:
    """Delete a file that nothing has needed for `spare` seconds, and that nobody holds.

    Raises:
        OSError: it is in use, gone, or no file of ours.
    """
    if fcntl is None or time.time() <= path.lstat().st_mtime + spare:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had it until now may have said that it is needed, and another one may lie there instead.
        found = os.fstat(descriptor)
        if time.time() > found.st_mtime + spare and os.path.samestat(found, path.lstat()):
            path.unlink()
    finally:
        os.close(descriptor)


def _directory() -> Path:
    return Path(tempfile.gettempdir()) / f"bento-observe-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
