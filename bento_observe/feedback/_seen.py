"""Which predictions have had their label: one table for all workers of a host, in a mapped file.

Labels come to any worker, and so do their duplicates; what one worker remembers, the others have to know. The table
holds the 64-bit identities of the last labels, in buckets that are rings: it has a fixed size, survives the workers,
and needs no server. One that somebody deletes is made again, with what the first worker to notice knows. Two
predictions are taken for one with probability `window` / 2**64.
"""

from __future__ import annotations

import errno
import mmap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.feedback._shared import CAN_SHARE, BusyError, SharedFile

__all__ = ["Seen"]

_WAYS: Final = 128
_SPARE: Final = 2  # so that no bucket is full before all of them have seen `window` labels, but once in 10**9 tables
_CHUNK: Final = 1024
_KEEP: Final = 30 * 86_400.0
_PATIENCE: Final = 1.0
"""Seconds that are waited for another worker, which has the table for milliseconds."""
_LESS: Final = 0.05
"""Where the last wait was in vain."""

_RETRY: Final = 60.0
"""Seconds after which a file is made again that could not be."""

_SPREAD: Final = np.uint64(0xD6E8FEB86659FD93)


class Seen:
    """Remembers the last `window` identities and more.

    Args:
        path: the file, less what `SharedFile` adds to its name; None keeps the table in this process.
        window: how many.
        keep: seconds for which the file is needed after its last use.
        tell: takes a line if the file cannot be used, and the table is this process's own.
        ready: whether the file's directory is there, or is again, and can be trusted; asked when the file is gone.
    """

    def __init__(
        self,
        path: Path | None,
        window: int,
        tell: Callable[[str], None],
        keep: float = _KEEP,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._buckets = 1 << max(1, (_SPARE * window // _WAYS - 1).bit_length())
        self._shift = np.uint64(64 - self._buckets.bit_length() + 1)
        self._size = self._buckets * (_WAYS * 8 + 1)
        self._path, self._keep, self._tell, self._ready = path, keep, tell, ready
        self._lock = threading.Lock()
        self._file: SharedFile | None = None
        self._late = False
        self._retry_at = 0.0
        if path is not None and CAN_SHARE:
            try:
                self._file = SharedFile(path, self._size, keep)
            except OSError as error:
                self._complain(path, error)
        self._table, self._next = self._mapped(self._file)

    @property
    def shared(self) -> bool:
        """Whether the workers of this host have one table."""
        return self._file is not None

    def touch(self) -> None:
        """Have the file kept from now on: somebody needs it, even if no labels come."""
        file = self._file
        if file is not None:
            file.touch()

    def add(self, identities: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Remember them; which of them had not been there.

        Raises:
            BusyError: another process has the table, and does not let go of it. None is remembered.
        """
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
            patience = _LESS if self._late else _PATIENCE
            try:
                with self._file.held(patience):
                    if not (self._file.gone() and self._reopen()):
                        self._late = False
                        yield
                        return
                with self._file.held(patience):
                    self._late = False
                    yield
            except BusyError:
                self._late = True
                raise

    def _reopen(self) -> bool:
        """Open or make the file anew, instead of the present one, which is gone and held; whether that worked.

        One that nobody has used yet gets what is known here. Where it did not work, the present one goes on being used.

        Raises:
            BusyError: as `add` does.
        """
        path = self._path
        if path is None or time.monotonic() < self._retry_at:
            return False
        try:
            if not self._ready():
                raise OSError(errno.ENOENT, "is no directory of this user's own", str(path.parent))
            file = SharedFile(path, self._size, self._keep)
            table, after = self._mapped(file)
        except OSError as error:
            self._retry_at = time.monotonic() + _RETRY
            self._complain(path, error)
            return False
        with file.held(_PATIENCE):
            if not after.any():
                table[:] = self._table
                after[:] = self._next
        self._file, self._table, self._next = file, table, after
        return True

    def _mapped(self, file: SharedFile | None) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
        """The buckets, and the place in each that is written to next; they keep the memory that they lie in."""
        memory = mmap.mmap(-1 if file is None else file.fileno(), self._size)
        table = np.frombuffer(memory, dtype=np.uint64, count=self._buckets * _WAYS)
        after = np.frombuffer(memory, dtype=np.uint8, offset=table.nbytes)
        return table.reshape(self._buckets, _WAYS), after

    def _complain(self, path: Path, error: OSError) -> None:
        self._tell(
            f"{error.filename or path}: {error.strerror or error}; a label that comes twice, to different "
            "workers, counts twice: remove that file, or let TMPDIR name a directory that can be written to"
        )
