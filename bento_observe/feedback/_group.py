"""How good the predictions of one model, API and slice were, as sums: any number of them can be added up."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

import numpy as np
import numpy.typing as npt

from bento_observe import semconv

__all__ = ["BINS", "Group", "Histogram"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BINS: Final = 10
_EDGES: Final = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
_EPSILON: Final = float(np.finfo(np.float64).eps)  # as scikit-learn clips probabilities for the log loss


class Histogram:
    """Counts by a metric's boundaries, with their sum and extremes."""

    def __init__(self, metric: semconv.Metric) -> None:
        self._bounds = np.array(metric.boundaries)
        self.counts = np.zeros(len(metric.boundaries) + 1, dtype=np.int64)
        self.total = 0.0
        self.least, self.most = np.inf, -np.inf

    def add(self, values: FloatArray) -> None:
        """Count some, at least one."""
        self.counts += np.bincount(np.searchsorted(self._bounds, values), minlength=self.counts.size)
        self.total += float(values.sum())
        self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))


class Scores:
    """The probabilities that were given to one event, by whether it came true."""

    def __init__(self) -> None:
        self.histograms = {outcome: Histogram(semconv.MODEL_SCORE) for outcome in (True, False)}
        self.bins = {outcome: np.zeros(BINS, dtype=np.int64) for outcome in (True, False)}
        self.sums = np.zeros(BINS)
        self.brier = 0.0
        self.log_loss = 0.0

    def add(self, scores: FloatArray, outcomes: BoolArray) -> None:
        """Count some: scores from 0 to 1."""
        bins = np.searchsorted(_EDGES, scores)
        self.sums += np.bincount(bins, scores, BINS)
        for outcome in (True, False):
            chosen = outcomes == outcome
            if chosen.any():
                self.histograms[outcome].add(scores[chosen])
                self.bins[outcome] += np.bincount(bins[chosen], minlength=BINS)
        self.brier += float(((scores - outcomes) ** 2).sum())
        given = np.where(outcomes, scores, 1 - scores)
        self.log_loss -= float(np.log(np.clip(given, _EPSILON, 1 - _EPSILON)).sum())


class Values:
    """Errors of predicted values: sums that begin at 0 and only grow, so that they are counters."""

    def __init__(self, centre: float) -> None:
        self._centre = centre
        self.above = self.below = self.squares = 0.0
        self.label_above = self.label_below = self.label_squares = 0.0
        self.histogram = Histogram(semconv.MODEL_ERROR_VALUE)

    def add(self, predicted: FloatArray, true: FloatArray) -> None:
        """Count some pairs."""
        error, deviation = predicted - true, true - self._centre
        self.above += float(error[error > 0].sum())
        self.below -= float(error[error < 0].sum())
        self.squares += float((error**2).sum())
        self.label_above += float(deviation[deviation > 0].sum())
        self.label_below -= float(deviation[deviation < 0].sum())
        self.label_squares += float((deviation**2).sum())
        self.histogram.add(error)


class Group:
    """All sums of one model, API and slice. `centre` is what deviations of true values are taken from."""

    def __init__(self, centre: float) -> None:
        self._centre = centre
        self.labels = 0
        self.confusion: Counter[tuple[str, str, bool]] = Counter()
        self.scores: defaultdict[str, Scores] = defaultdict(Scores)
        self.values: Values | None = None

    def add_values(self, predicted: FloatArray, true: FloatArray) -> None:
        """Pairs of values."""
        self.labels += len(predicted)
        if self.values is None:
            self.values = Values(self._centre)
        self.values.add(predicted, true)
