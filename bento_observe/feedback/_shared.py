"""A file of one size that all workers of a host map, and hold one after the other.

Its size is part of its name and never changes: a file that became shorter would end every process that has mapped it.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["CAN_SHARE", "BusyError", "SharedFile", "directory"]

CAN_SHARE: Final = fcntl is not None

_OLDEST_SECONDS: Final = 366 * 86400.0  # the most that `BENTO_OBSERVE_LABEL_MAX_AGE` may be
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.01
_NAME: Final = "labels-*"


class BusyError(Exception):
    """Another process has held the file for longer than was waited for."""


class SharedFile:
    """The file at `path` with `-SIZE.seen` behind its name, of `size` bytes; made, with zeros, where it is not there.

    Raises:
        OSError: it cannot be made or opened, or has another size.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path: Final = path.with_name(f"{path.name}-{size}.seen")
        try:
            self._descriptor = _opened(self.path)
        except FileNotFoundError:
            _make(self.path, size)
            self._descriptor = _opened(self.path)
        # Not at exit: a thread may be using it then.
        weakref.finalize(self, os.close, self._descriptor).atexit = False
        there = os.fstat(self._descriptor).st_size
        if there != size:
            raise OSError(errno.EINVAL, f"has {there} bytes, not {size}", str(self.path))
        with suppress(OSError):
            os.utime(self._descriptor)

    def fileno(self) -> int:
        """Its descriptor."""
        return self._descriptor

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """Have it to oneself.

        Raises:
            BusyError: another process does not let go of it, for so many seconds, or it cannot be locked now.
        """
        self._lock(time.monotonic() + patience)
        try:
            yield
        finally:
            # What was done is done: neither may undo the counts that rest on it. Closed, a file is let go of as well.
            with suppress(OSError):
                os.utime(self._descriptor)
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _lock(self, deadline: float) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                fault: OSError = error
            except OSError as error:  # no locks left, or a server of files that is gone: it may come back
                fault = error
            if time.monotonic() >= deadline:
                raise BusyError(f"{self.path}: {fault.strerror or fault}") from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))


def _make(path: Path, size: int) -> None:
    """The file, whole from its first moment: it is made under another name; who comes second takes the first one's."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_NAME[:-1], suffix=".new") as made:
        os.ftruncate(made.fileno(), size)
        # A hole that there is no room for, once it is written to, would end the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, size)
        with suppress(FileExistsError):
            os.link(made.name, path)


def directory() -> Path | None:
    """Where tables lie: a directory of this user's own below the temporary one; None where there can be none.

    What nobody has used for a year is deleted: no service accepts an id that it knows any more.
    """
    path = Path(tempfile.gettempdir()) / f"bento-observe-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    # Somebody else's, in a directory where all may write, could be made to lead anywhere.
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return None
    for old in path.glob(_NAME):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLDEST_SECONDS:
                old.unlink()
    return path
