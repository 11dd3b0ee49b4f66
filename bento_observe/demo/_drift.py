"""How far the features are from the training data, before and after the wines drift: from counts that have arrived.

All of it was sent by the workers, the training data's part too, so that whoever holds the metrics can do the same, as
the recording rules in `collector/prometheus/` do. Counts add up, so it is one answer for all workers and APIs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bento_observe import semconv
from bento_observe.demo._backend import Backend
from bento_observe.features.drift import FLOORS, MINIMUM_PER_BIN, SMOOTHING

__all__ = ["DriftLine", "Side", "drift_lines"]

_FEATURE: Final = (semconv.ML_SIGNAL, semconv.ML_FEATURE_NAME)
_BIN: Final = (*_FEATURE, semconv.ML_FEATURE_BIN)
_METHOD: Final = (*_FEATURE, semconv.ML_DRIFT_METHOD)


@dataclass(frozen=True)
class Side:
    """`n` values, their PSI and what it has to exceed to be drift; both NaN where `n` is not enough."""

    n: int
    psi: float
    critical: float

    @property
    def enough(self) -> bool:
        """Whether anything can be told."""
        return not math.isnan(self.psi)

    @property
    def drifted(self) -> bool:
        """Whether it is too much to be chance."""
        return self.psi > self.critical


@dataclass(frozen=True)
class DriftLine:
    """A feature before and after; `trained` is how many values the training data has of it."""

    signal: str
    feature: str
    trained: int
    before: Side
    after: Side


def drift_lines(backend: Backend, split_ns: int) -> list[DriftLine]:
    """The features that were compared with the training data, signal by signal, those that moved most first.

    `split_ns` (Unix) is when the drift began.
    """
    trained = backend.values(semconv.FEATURE_REFERENCE_COUNT, _FEATURE)
    quantiles = backend.values(semconv.FEATURE_DRIFT_QUANTILE, _METHOD)
    shares = _by_feature(backend.values(semconv.FEATURE_REFERENCE, _BIN))
    total = _by_feature(backend.values(semconv.FEATURE_BIN, _BIN))
    early = _by_feature(backend.values(semconv.FEATURE_BIN, _BIN, split_ns))
    lines = []
    for (signal, feature), expected in shares.items():
        numbers = sorted(expected)
        counts = np.array([total[signal, feature].get(number, 0.0) for number in numbers])
        before = np.array([early[signal, feature].get(number, 0.0) for number in numbers])
        if not counts.sum():
            continue
        share = np.array([expected[number] for number in numbers])
        m, quantile = trained[signal, feature], quantiles[signal, feature, semconv.DRIFT_PSI]
        sides = (_side(some, share, m, quantile) for some in (before, counts - before))
        lines.append(DriftLine(signal, feature, round(m), *sides))
    return sorted(lines, key=lambda line: (semconv.SIGNALS.index(line.signal), -np.nan_to_num(line.after.psi)))


def _by_feature(values: Mapping[tuple[str, ...], float]) -> Mapping[tuple[str, str], Mapping[str, float]]:
    found: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for (signal, feature, number), value in values.items():
        found[signal, feature][number] = value
    return found


def _side(counts: np.ndarray, expected: np.ndarray, m: float, quantile: float) -> Side:
    """See `features.drift`: `divergences` for PSI, `null_quantiles` for what is critical."""
    n = float(counts.sum())
    if not m or n < MINIMUM_PER_BIN * counts.size:
        return Side(round(n), math.nan, math.nan)
    shares = (counts + SMOOTHING) / (n + SMOOTHING * counts.size)
    psi = float(((shares - expected) * np.log(shares / expected)).sum())
    return Side(round(n), psi, max(FLOORS[semconv.DRIFT_PSI], quantile * (1 / n + 1 / m)))
