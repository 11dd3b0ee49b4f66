"""What predictions are expected to come to, as OTLP metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bento_observe import semconv
from bento_observe.features._points import MetricPoints, Times, labels
from bento_observe.features._types import FloatArray
from bento_observe.features.estimate import Estimate, Expected, ExpectedLoss, loss_performance
from bento_observe.features.reference import Calibration, LossTree

if TYPE_CHECKING:
    from bento_observe.features._export import Group

__all__ = ["EstimateWriter"]

_Pairs = tuple[tuple[str, str], ...]
_CUMULATIVE = 2


class EstimateWriter:
    """The sums that estimates are made of, those of one worker, and what the reference has beside them.

    Sums have `temporality`; a delta leaves out those that did not change, and what is sent of the reference and of
    windows are gauges in any case.
    """

    def __init__(self, times: Times, temporality: int) -> None:
        self._delta = temporality != _CUMULATIVE

        def points(metric: semconv.Metric) -> MetricPoints:
            return MetricPoints(metric, times, temporality)

        self._predictions = points(semconv.ESTIMATE_PREDICTIONS)
        self._outcomes = points(semconv.ESTIMATE_OUTCOMES)
        self._variance = points(semconv.ESTIMATE_VARIANCE)
        self._scores = points(semconv.ESTIMATE_SCORES)
        self._rows = points(semconv.ESTIMATE_REFERENCE_ROWS)
        self._estimate = points(semconv.PERFORMANCE_ESTIMATE)
        self._measured = points(semconv.PERFORMANCE_REFERENCE)
        self._loss_rows, self._loss = points(semconv.ESTIMATE_LOSS_ROWS), points(semconv.ESTIMATE_LOSS)
        self._loss_estimate = points(semconv.PERFORMANCE_LOSS_ESTIMATE)
        self._loss_measured = points(semconv.PERFORMANCE_LOSS_REFERENCE)
        self.points = (
            self._predictions, self._outcomes, self._variance, self._scores, self._rows, self._estimate, self._measured,
            self._loss_rows, self._loss, self._loss_estimate, self._loss_measured,
        )  # fmt: skip

    def add(self, group: Group, constant: _Pairs) -> None:
        """All points of one aggregator."""
        reference, snapshot = group.reference, group.snapshot
        if reference is None:
            return
        if snapshot.expected is not None and reference.calibration is not None:
            whole = semconv.ML_SLICE_NAME not in group.attributes
            self.sums(snapshot.expected, reference.calibration.labels, constant, whole)
        if snapshot.loss is not None:
            self.losses(snapshot.loss, constant)
        for window, found in group.estimates.items():
            self.estimates(found, constant, window)
        if group.describe and reference.calibration is not None:
            self.describe(reference.calibration, constant)
        if group.describe and reference.losses is not None:
            self.describe_losses(reference.losses, constant)

    def sums(self, expected: Expected, classes: Sequence[str], constant: _Pairs, detail: bool) -> None:
        """All sums of one aggregator; without `detail` none of bins, so that there is no area under a ROC curve."""
        if self._delta and not expected.rows:
            return
        below = np.cumsum(expected.negatives, axis=1)
        for k, name in enumerate(classes):
            base = labels((*constant, (semconv.ML_CLASS, name)))
            if expected.predicted[k] or not self._delta:
                self._predictions.integer(base, int(expected.predicted[k]))
            for outcome, counts, variances in (
                (semconv.OUTCOME_HIT, expected.hits, expected.hits_variance),
                (semconv.OUTCOME_MISS, expected.misses, expected.misses_variance),
            ):
                for metric, values in ((self._outcomes, counts), (self._variance, variances)):
                    if values[k] or not self._delta:
                        metric.real(base, float(values[k]), semconv.ML_OUTCOME, outcome)
            if detail:
                self._add_scores((*constant, (semconv.ML_CLASS, name)), expected, below, k)

    def _add_scores(self, pairs: _Pairs, expected: Expected, below: FloatArray, k: int) -> None:
        positives, negatives = expected.positives[k].tolist(), expected.negatives[k].tolist()
        # What lies below a bin is sent as well, since PromQL cannot add up over the bins before one.
        for number, found in enumerate(zip(positives, negatives, [0.0, *below[k].tolist()[:-1]], strict=True)):
            base = labels((*pairs, (semconv.ML_SCORE_BIN, f"{number:02d}")))
            for outcome, value in zip(_OF_SCORES, found, strict=True):
                if value or not self._delta:
                    self._scores.real(base, value, semconv.ML_OUTCOME, outcome)

    def losses(self, expected: ExpectedLoss, constant: _Pairs) -> None:
        """All sums of the inputs of a regression."""
        if self._delta and not expected.rows:
            return
        base = labels(constant)
        self._loss_rows.integer(base, expected.rows)
        for outcome, value in (
            (semconv.OUTCOME_ABSOLUTE, expected.absolute),
            (semconv.OUTCOME_SQUARED, expected.squared),
            (semconv.OUTCOME_ABSOLUTE_VARIANCE, expected.absolute_variance),
            (semconv.OUTCOME_SQUARED_VARIANCE, expected.squared_variance),
        ):
            self._loss.real(base, value, semconv.ML_OUTCOME, outcome)

    def describe_losses(self, tree: LossTree, constant: _Pairs) -> None:
        """What the reference's own predictions were off by, and how many there are."""
        base = labels(constant)
        self._rows.integer(base, tree.total)
        measured = loss_performance(ExpectedLoss(tree.total, *tree.sums(tree.rows)), tree.total)
        for metric, estimate in measured.items():
            self._loss_measured.real(base, estimate.value, semconv.ML_PERFORMANCE_METRIC, metric)

    def describe(self, calibration: Calibration, constant: _Pairs) -> None:
        """What the reference's own predictions came to, and how many there are."""
        base = labels(constant)
        self._rows.integer(base, calibration.rows)
        for metric, value in calibration.measured.items():
            self._measured.real(base, value, semconv.ML_PERFORMANCE_METRIC, metric)

    def estimates(self, found: Mapping[str, Estimate], constant: _Pairs, window: str) -> None:
        """Those of one worker and window; what cannot be told is no point."""
        for metric, estimate in found.items():
            base = labels((*constant, (semconv.ML_DRIFT_WINDOW, window), (semconv.ML_PERFORMANCE_METRIC, metric)))
            for bound, value in (
                (semconv.BOUND_VALUE, estimate.value),
                (semconv.BOUND_LOW, estimate.low),
                (semconv.BOUND_HIGH, estimate.high),
            ):
                points = self._estimate if metric in semconv.PERFORMANCE_METRICS else self._loss_estimate
                points.real(base, value, semconv.ML_PERFORMANCE_BOUND, bound)


_OF_SCORES = (semconv.OUTCOME_POSITIVE, semconv.OUTCOME_NEGATIVE, semconv.OUTCOME_NEGATIVE_BELOW)
