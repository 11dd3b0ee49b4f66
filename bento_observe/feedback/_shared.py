"""A file of one size that all workers of a host map, and hold one after the other.

Its size is part of its name and never changes: a file that became shorter would end every process that has mapped it.
"""

from __future__ import annotations

import errno
import os
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

__all__ = ["CAN_SHARE", "BusyError", "SharedFile"]

CAN_SHARE: Final = fcntl is not None

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.01


class BusyError(Exception):
    """Another process has held the file for longer than was waited for."""


class SharedFile:
    """The file at `path` with `-SIZE.seen` behind its name, of `size` bytes; made, with zeros, where it is not there.

    It is needed for `keep` seconds after its last use, see `bento_observe._label_tables`.

    Raises:
        OSError: it cannot be made or opened, or has another size.
    """

    def __init__(self, path: Path, size: int, keep: float) -> None:
        self._keep = keep
        self.path: Final = path.with_name(f"{path.name}-{size}.seen")
        try:
            self._descriptor = _opened(self.path)
        except FileNotFoundError:
            _make(self.path, size, keep)
            self._descriptor = _opened(self.path)
        # Not at exit: a thread may be using it then.
        weakref.finalize(self, os.close, self._descriptor).atexit = False
        self._opened = os.fstat(self._descriptor)
        self._name = str(self.path)
        if self._opened.st_size != size:
            raise OSError(errno.EINVAL, f"has {self._opened.st_size} bytes, not {size}", self._name)
        self.touch()

    def touch(self) -> None:
        """Have it kept from now on, as each use does. Never raises."""
        _use(self._descriptor, self._keep)

    def gone(self) -> bool:
        """Whether it was deleted, so that nobody else finds it any more."""
        try:
            return not os.path.samestat(os.lstat(self._name), self._opened)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # nobody can tell now
            return False

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
            self.touch()
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


def _make(path: Path, size: int, keep: float) -> None:
    """The file, whole from its first moment: it is made under another name; who comes second takes the first one's."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix="labels-", suffix=".new") as made:
        os.ftruncate(made.fileno(), size)
        # A hole that there is no room for, once it is written to, would end the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, size)
        _use(made.fileno(), keep)
        with suppress(FileExistsError):
            os.link(made.name, path)


def _use(descriptor: int, keep: float) -> None:
    with suppress(OSError):
        now = time.time()
        os.utime(descriptor, (now, now + keep))
