"""The memory that one chunk of values is counted in."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import CHUNK_VALUES, FloatArray

__all__ = ["WORKSPACE", "Workspace"]

_REST_SECONDS: Final = 0.02
_FIRST_CHUNK: Final = 2048


class Workspace(threading.local):
    """Arrays for `CHUNK_VALUES` values, less than half a megabyte in all, shared by all aggregators a thread flushes.

    They stay in the processor's cache from one chunk to the next; fresh arrays of this size come from the system every
    time, and are dearer than what is calculated in them.
    """

    def __init__(self) -> None:
        self._chunk = 0
        self._used = -math.inf
        self._columns: FloatArray = np.empty(CHUNK_VALUES)
        self._scratch: FloatArray = np.empty(CHUNK_VALUES)
        self._nodes: npt.NDArray[np.intp] = np.empty(CHUNK_VALUES, np.intp)
        self._bits: npt.NDArray[np.bool_] = np.empty(CHUNK_VALUES, np.bool_)
        self._small: npt.NDArray[np.uint8] = np.empty(CHUNK_VALUES, np.uint8)

    def chunk(self) -> int:
        """How many values to count next.

        Few after a rest: until then the processor's caches have been others', and what is not in them takes as long as
        thousands of values. Four times as many each time, then, up to `CHUNK_VALUES`.
        """
        now = time.monotonic()
        rested = now - self._used > _REST_SECONDS
        self._used = now
        self._chunk = _FIRST_CHUNK if rested else min(4 * self._chunk, CHUNK_VALUES)
        return self._chunk

    def columns(self, data: FloatArray) -> FloatArray:
        """A C-contiguous copy of `data`, until the next one is made."""
        copy = self._columns[: data.size].reshape(data.shape)
        np.copyto(copy, data)
        return copy

    def scratch(self, shape: tuple[int, ...]) -> FloatArray:
        """Floats of that shape, holding anything."""
        return self._scratch[: shape[0] * shape[1]].reshape(shape)

    def nodes(self, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
        """Indices of that shape, holding anything."""
        return self._nodes[: shape[0] * shape[1]].reshape(shape)

    def bits(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Booleans of that shape, holding anything."""
        return self._bits[: shape[0] * shape[1]].reshape(shape)

    def small(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Small numbers of that shape, holding anything."""
        return self._small[: shape[0] * shape[1]].reshape(shape)


WORKSPACE: Final = Workspace()
