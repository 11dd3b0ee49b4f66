"""Where the tables lie that tell which predictions have had their label: one for all workers of a service on a host.

A file's time of modification is when nothing needs it any more: so each has its service's own time, whoever clears up.
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

__all__ = ["directory", "forget_generated", "table_of"]

_NAME: Final = "labels-*"
_SEEN: Final = ".seen"
_DAY: Final = 86_400.0


def table_of(owner: str, keys: Keys, keep: float, plain: bool) -> tuple[Path | None, float]:
    """A service's table, without its size and ending, and the seconds that it is kept after its last use.

    It is called after its service, whatever the keys are, so that it stays the same while they are replaced. Only that
    of a key which the supervisor made up is called after the key as well: it ends with it.

    Args:
        owner: whose it is.
        keys: what ids are signed with.
        keep: seconds for which an id is accepted.
        plain: whether there are ids that need no key.

    Returns:
        None where no process shares the key, or there can be no file.
    """
    lone = keys.own and not plain
    below = None if lone else directory()
    if below is None:
        return None, keep
    name = f"labels-{hashlib.blake2b(owner.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    if keys.generated and not plain:
        return below / f"{name}.{keys.signing.name}", min(keep, _DAY)
    return below / name, keep


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
        spare = 0.0 if old.suffix == _SEEN else _DAY  # of a file that is being made
        with suppress(OSError):
            if time.time() > old.stat().st_mtime + spare:
                old.unlink()
    return path


def _directory() -> Path:
    return Path(tempfile.gettempdir()) / f"bento-observe-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
