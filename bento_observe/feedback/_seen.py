"""Which predictions have had their label: one table for all workers of a host, in a mapped file.

Labels come to any worker, and so do their duplicates; what one worker remembers, the others have to know. The table
holds the 64-bit identities of the last labels, in buckets that are rings: it has a fixed size, survives the workers,
and needs no server. Two predictions are taken for one with probability `window` / 2**64.
"""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

try:
    import fcntl
except ImportError:  # Windows: each worker has a table of its own
    fcntl = None  # type: ignore[assignment]

__all__ = ["Seen", "directory"]

_WAYS: Final = 128
_SPARE: Final = 2  # so that no bucket is full before all of them have seen `window` labels, but once in 10**9 tables
_CHUNK: Final = 1024
_OLDEST_SECONDS: Final = 366 * 86400.0  # the most that `BENTO_OBSERVE_LABEL_MAX_AGE` may be
_SPREAD: Final = np.uint64(0xD6E8FEB86659FD93)


class Seen:
    """Remembers the last `window` identities and more.

    Args:
        path: the file; None keeps the table in this process.
        window: how many.
        tell: takes a line if the file cannot be used, and the table is this process's own.
    """

    def __init__(self, path: Path | None, window: int, tell: Callable[[str], None]) -> None:
        self._buckets = 1 << max(1, (_SPARE * window // _WAYS - 1).bit_length())
        self._shift = np.uint64(64 - self._buckets.bit_length() + 1)
        size = self._buckets * (_WAYS * 8 + 1)
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        if path is not None and fcntl is not None:
            try:
                self._file = _opened(path, size)
            except OSError as error:
                tell(
                    f"{path}: {error.strerror or error}; a label that comes twice, to different workers, counts twice: "
                    "let TMPDIR name a directory that can be written to"
                )
        self._memory = mmap.mmap(-1 if self._file is None else self._file.fileno(), size)
        table = np.frombuffer(self._memory, dtype=np.uint64, count=self._buckets * _WAYS)
        self._table = table.reshape(self._buckets, _WAYS)
        self._next = np.frombuffer(self._memory, dtype=np.uint8, offset=table.nbytes)

    @property
    def shared(self) -> bool:
        """Whether the workers of this host have one table."""
        return self._file is not None

    def add(self, identities: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Remember them; which of them had not been there."""
        identities = np.maximum(identities, np.uint64(1))  # 0 is an empty place
        fresh = np.zeros(identities.size, dtype=bool)
        _, first = np.unique(identities, return_index=True)
        with self._held():
            for start in range(0, first.size, _CHUNK):
                some = first[start : start + _CHUNK]
                fresh[some] = self._add(identities[some])
        return fresh

    def _add(self, identities: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            buckets = (identities * _SPREAD) >> self._shift
        fresh: npt.NDArray[np.bool_] = ~(self._table[buckets] == identities[:, None]).any(axis=1)
        order = np.argsort(buckets[fresh], kind="stable")
        wanted, new = buckets[fresh][order], identities[fresh][order]
        # How many of the same bucket come before each.
        found, starts, counts = np.unique(wanted, return_index=True, return_counts=True)
        rank = np.arange(wanted.size) - np.repeat(starts, counts)
        self._table[wanted, (self._next[wanted] + rank) % _WAYS] = new
        self._next[found] = (self._next[found] + counts) % _WAYS
        return fresh

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self._file is None:
                yield
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
                os.utime(self._file.fileno())
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


def _opened(path: Path, size: int) -> IO[bytes]:
    """The file, `size` bytes long; made, with zeros, where it is not there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, 0)
            os.ftruncate(descriptor, size)
            # A hole that there is no room for, once it is written to, would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
        os.utime(descriptor)
        fcntl.flock(file, fcntl.LOCK_UN)
    except BaseException:
        file.close()
        raise
    return file


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
    for old in path.glob("labels-*.seen"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLDEST_SECONDS:
                old.unlink()
    return path
