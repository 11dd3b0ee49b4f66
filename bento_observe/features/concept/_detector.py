"""A sequential test for errors that have become more frequent than they should be."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe.features._types import CHUNK_VALUES, FloatArray

__all__ = ["RUN_LENGTH", "ErrorDetector", "tolerated"]

RUN_LENGTH: Final = 1_000_000
"""So many labels come, on average and at least, before there is a false alarm."""

_RATIOS: Final = (1.5, 2.5, 5.0)
"""The changes that are looked for, as ratios of odds; others are found too, somewhat later."""

_TOLERANCE: Final = 1.25
_CONFIDENCE: Final = 2.58  # in standard errors: one reference in 200 tells too low a rate by more than is tolerated
_LEAST: Final = 1e-4


def tolerated(rows: int, error_rate: float) -> float:
    """By how much the odds of an error may exceed those that are expected, as a ratio: no less than 1.25.

    What is expected rests on `rows` predictions with labels, `error_rate` of which were wrong; the fewer there are, the
    more is chance.
    """
    errors = rows * error_rate * (1.0 - error_rate)
    return max(_TOLERANCE, math.exp(_CONFIDENCE / math.sqrt(max(errors, 1.0))))


class ErrorDetector:
    """Tells when predictions have begun to be wrong more often than was expected of them.

    For each of some ratios it is E. S. Page's CUSUM ("Continuous inspection schemes", 1954) of the logarithm of a
    likelihood ratio: the odds of an error are that much above what is tolerated, or just what is tolerated. Each of
    these ratios is a supermartingale while the odds are at most what is tolerated, whatever the chances are and however
    they follow each other; so the mean of their CUSUMs is an e-detector (J. Shin, A. Ramdas, A. Rinaldo,
    "E-detectors: a nonparametric framework for sequential change detection", 2023), and an alarm where it exceeds a
    bound comes no sooner, on average, than after so many labels. The bound here is used for the largest of them.

    After an alarm it asks the same question the other way round, with the same bound, and begins anew once errors are
    again as frequent as is tolerated. It keeps a few numbers, whatever comes. Not thread-safe.

    Args:
        tolerance: see `tolerated`.
        run_length: how many labels there are at least, on average, before an alarm while nothing has changed.
    """

    def __init__(self, tolerance: float = _TOLERANCE, run_length: float = RUN_LENGTH) -> None:
        ratios = np.array(_RATIOS)
        self._tolerated = tolerance
        self._looked_for = tolerance * ratios[:, None]
        self._gain = np.log(ratios)[:, None]
        self._bound = math.log(run_length * ratios.size)
        self._sums = np.zeros(ratios.size)
        self._zero_at: list[float | None] = [None] * ratios.size
        self._found = -1  # the ratio that raised the alarm
        self._recovery = 0.0
        self.since: float | None = None
        """When the change probably was, while there is an alarm: when its CUSUM last was 0."""

    @property
    def drifted(self) -> bool:
        """Whether there is an alarm."""
        return self._found >= 0

    @property
    def evidence(self) -> float:
        """How near to an alarm it is, 0 to 1; 1 while there is one."""
        return 1.0 if self.drifted else float(self._sums.max()) / self._bound

    def update(self, wrong: npt.NDArray[np.bool_], chances: FloatArray, now: float) -> None:
        """Takes in predictions whose labels came, in their order.

        Args:
            wrong: whether each was wrong.
            chances: how likely each was to be wrong, 0 to 1.
            now: when the labels came, seconds of the epoch.
        """
        step = max(1, CHUNK_VALUES // len(_RATIOS))
        for start in range(0, wrong.size, step):
            gains = self._gains(wrong[start : start + step], chances[start : start + step])
            while gains.shape[1]:
                done = self._until_recovery(gains) if self.drifted else self._until_alarm(gains, now)
                gains = gains[:, done:]

    def _gains(self, wrong: npt.NDArray[np.bool_], chances: FloatArray) -> FloatArray:
        """The logarithms of the likelihood ratios, ratios x labels."""
        chances = np.clip(chances, _LEAST, 1.0 - _LEAST)
        odds = chances / (1.0 - chances)
        rest = np.log1p(self._looked_for * odds) - np.log1p(self._tolerated * odds)
        gains: FloatArray = self._gain * wrong - rest
        return gains

    def _until_alarm(self, gains: FloatArray, now: float) -> int:
        """Takes labels until there is an alarm or none is left; returns how many."""
        free = self._sums[:, None] + np.cumsum(gains, axis=1)
        lowest = np.minimum(np.minimum.accumulate(free, axis=1), 0.0)
        sums = free - lowest
        over = np.flatnonzero((sums >= self._bound).any(axis=0))
        taken = int(over[0]) + 1 if over.size else gains.shape[1]
        self._sums = sums[:, taken - 1]
        at_zero = (sums[:, :taken] == 0.0).any(axis=1)
        self._zero_at = [
            now if zero or before is None else before for zero, before in zip(at_zero, self._zero_at, strict=True)
        ]
        if over.size:
            self._found = int(self._sums.argmax())
            self.since = self._zero_at[self._found]
            self._recovery = 0.0
        return taken

    def _until_recovery(self, gains: FloatArray) -> int:
        """The same until errors are again as frequent as is tolerated."""
        free = self._recovery - np.cumsum(gains[self._found])
        sums: npt.NDArray[Any] = free - np.minimum(np.minimum.accumulate(free), 0.0)
        over = np.flatnonzero(sums >= self._bound)
        if not over.size:
            self._recovery = float(sums[-1])
            return sums.size
        self._sums = np.zeros_like(self._sums)
        self._zero_at = [None] * self._sums.size
        self._found, self.since = -1, None
        return int(over[0]) + 1
