"""Judgements as OTLP metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bento_observe import semconv
from bento_observe.features._points import MetricPoints, Times, labels
from bento_observe.features.concept._judged import Judgement

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2

__all__ = ["encode"]


def encode(
    judgements: Iterable[tuple[Mapping[str, str], Judgement]],
    start_time_unix_nano: int,
    time_unix_nano: int,
    temporality: int,
) -> list[metrics_pb2.Metric]:
    """The `ml.estimate.judged`, `ml.estimate.errors` and `ml.concept.*` metrics, by attributes.

    With a delta `temporality` the sums are those since the last time.
    """
    times = Times(start_time_unix_nano, time_unix_nano)

    def points(metric: semconv.Metric) -> MetricPoints:
        return MetricPoints(metric, times, temporality)

    judged, errors = points(semconv.ESTIMATE_JUDGED), points(semconv.ESTIMATE_ERRORS)
    drift, evidence = points(semconv.CONCEPT_DRIFT), points(semconv.CONCEPT_EVIDENCE)
    age = points(semconv.CONCEPT_AGE)
    for attributes, one in judgements:
        base = labels(tuple(attributes.items()))
        judged.integer(base, one.labels)
        for outcome, value in (
            (semconv.OUTCOME_OBSERVED, float(one.errors)),
            (semconv.OUTCOME_EXPECTED, one.expected),
            (semconv.OUTCOME_VARIANCE, one.variance),
        ):
            errors.real(base, value, semconv.ML_OUTCOME, outcome)
        drift.integer(base, int(one.drifted))
        evidence.real(base, one.evidence)
        if one.since is not None:
            age.real(base, max(0.0, time_unix_nano / 1e9 - one.since))
    return [metric for part in (judged, errors, drift, evidence, age) for metric in part.metrics()]
