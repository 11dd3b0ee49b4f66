"""Concept drift: found soon where it is, seldom told where it is not, and no other name for harder inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt
import pytest
from _estimates import Predicted, predicted, prediction, reference
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bento_observe import Reference, record_outcomes, semconv
from bento_observe._recorder import current_call
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.features.concept import ErrorDetector, Judged, encode, tolerated
from bento_observe.telemetry import Health

CHANCE, TOLERANCE = 0.1, 1.25
TOLERATED = TOLERANCE * CHANCE / (1 - CHANCE) / (1 + TOLERANCE * CHANCE / (1 - CHANCE))
"""The most frequent that errors may be without being told."""

REFERENCE = reference(predicted(5000, 1))
Flags = npt.NDArray[np.bool_]


def errors(rate: float, count: int, seed: int) -> Flags:
    return np.random.default_rng(seed).random(count) < rate


def alarm(wrong: Flags, run_length: float = 1e6, block: int = 25) -> int | None:
    """After how many labels, to the end of a block, there is an alarm."""
    detector = ErrorDetector(TOLERANCE, run_length)
    for start in range(0, wrong.size, block):
        part = wrong[start : start + block]
        detector.update(part, np.full(part.size, CHANCE), start)
        if detector.drifted:
            return start + part.size
    return None


@pytest.mark.parametrize("run_length", [50, 500])
def test_false_alarms_come_no_sooner_than_is_promised(run_length: int) -> None:
    """On average, where errors are just as frequent as is tolerated: the worst case of what is no drift."""
    most = 40 * run_length
    came = [alarm(errors(TOLERATED, most, seed), run_length) for seed in range(200)]
    assert sum(one is not None for one in came) > 40, "of a bound that is never reached nothing is shown"
    # What has not come yet is counted as if it came now, so the mean is too small if anything.
    assert np.mean([one or most for one in came]) >= run_length


def test_a_million_labels_without_drift_are_no_alarm() -> None:
    """As it is set, and where errors are what was expected."""
    assert alarm(errors(CHANCE, 1_000_000, 7), block=10_000) is None


@pytest.mark.parametrize(("rate", "labels"), [(0.2, 1000), (0.3, 220), (0.5, 70), (1.0, 30)])
def test_drift_is_found_after_so_many_labels(rate: float, labels: int) -> None:
    """On average, with the bound of one false alarm in a million labels, where one in ten errors was expected."""
    came = [alarm(errors(rate, 20 * labels, seed), block=5) for seed in range(40)]
    assert all(one is not None for one in came)
    assert np.mean([one or 0 for one in came]) <= labels


def test_an_alarm_ends_when_errors_do() -> None:
    """With the same certainty; and it can come again. The time of the change is about when it was."""
    detector = ErrorDetector(TOLERANCE)
    found: list[tuple[int, bool, float | None]] = []
    for hour, rate in enumerate([CHANCE] * 10 + [0.4] * 10 + [CHANCE] * 10 + [0.4] * 3):
        detector.update(errors(rate, 200, hour), np.full(200, CHANCE), float(hour))
        found.append((hour, detector.drifted, detector.since))
    states = [drifted for _, drifted, _ in found]
    assert not any(states[:10])
    assert all(states[11:20])
    assert not any(states[23:30])
    assert states[32]
    assert found[15][2] == pytest.approx(10, abs=1)
    assert found[32][2] == pytest.approx(30, abs=1)
    assert found[28][2] is None


@pytest.mark.parametrize("sizes", [[1] * 400, [400], [37] * 11])
def test_it_does_not_matter_how_labels_are_cut_into_batches(sizes: list[int]) -> None:
    """An alarm and its end are within one of them."""
    wrong = np.concatenate([errors(CHANCE, 100, 1), errors(0.9, 50, 2), errors(0.0, 250, 3)])
    chances = np.random.default_rng(4).uniform(0.01, 0.2, wrong.size)
    whole, parts = ErrorDetector(TOLERANCE, 1000), ErrorDetector(TOLERANCE, 1000)
    whole.update(wrong, chances, 0.0)
    seen, start = False, 0
    for size in sizes:
        parts.update(wrong[start : start + size], chances[start : start + size], 0.0)
        seen |= parts.drifted
        start += size
    assert parts.evidence == pytest.approx(whole.evidence)
    assert parts.drifted == whole.drifted
    assert seen or len(sizes) == 1
    assert wrong.size == 400


def test_harder_inputs_are_no_concept_drift() -> None:
    """They make more errors, which their confidence said. With a concept that changed as many errors are."""

    def judged(of: Predicted, labels: npt.NDArray[np.int64]) -> tuple[float, bool]:
        found = Judged(prediction(REFERENCE))
        assert found.add_outcomes(of.scores, labels.tolist()) == 0
        found.step()
        judgement = found.judgement()
        return judgement.errors / judgement.labels, judgement.drifted

    usual = predicted(5000, 3)
    sure = np.abs(usual.scores[:, 0] - 0.5)
    harder = Predicted(usual.scores[sure < 0.2], usual.labels[sure < 0.2])
    rate, drifted = judged(harder, harder.labels)
    assert rate > 0.3
    assert not drifted
    turned = np.where(np.random.default_rng(3).random(5000) < 0.2, 1 - usual.labels, usual.labels)
    rate, drifted = judged(usual, turned)
    assert 0.2 < rate < 0.4
    assert drifted


def test_more_is_tolerated_where_less_is_known() -> None:
    """The less, the more predictions the expectation rests on; never less than a quarter."""
    assert tolerated(200, 0.05) > tolerated(1000, 0.05) > tolerated(100_000, 0.05) == TOLERANCE
    assert tolerated(100, 0.0) < 20


def test_what_waits_is_bounded() -> None:
    """What there is no room for is told, and judging makes room."""
    found = Judged(prediction(REFERENCE))
    given = np.ones(150_000, np.intp), np.full(150_000, 0.9), np.ones(150_000, bool)
    assert found.add(*given) == 0
    assert found.add(*given) == 100_000
    assert found.add(*given) == 150_000
    found.step()
    assert found.judgement().labels == 200_000
    assert found.add(*given) == 0


def test_a_confidence_that_is_none_is_left_out() -> None:
    """As a label that is missing is, and a row with an element that is none."""
    found = Judged(prediction(REFERENCE))
    found.add(np.array([0, 1, -1]), np.array([np.nan, 0.9, 0.9]), np.array([True, False, False]))
    found.add_outcomes(np.array([[0.2, 0.8], [0.2, 0.8], [np.nan, 0.8]]), [None, 0, 1])
    found.step()
    assert (found.judgement().labels, found.judgement().errors) == (2, 2)


def test_judgements_are_sent_as_sums_and_as_a_state() -> None:
    """The time since the change only while there is an alarm."""
    found = Judged(prediction(REFERENCE))
    usual = predicted(300, 3)
    found.add_outcomes(usual.scores, (1 - usual.labels).tolist())
    before = found.judgement()
    found.step()
    now = found.judgement()
    metrics = encode([({"bentoml.api.name": "a"}, now - before)], 1, int(1e9 * ((now.since or 0) + 60)), 2)
    sent: dict[str, Any] = {}
    for metric in pb.ScopeMetrics.FromString(pb.ScopeMetrics(metrics=metrics).SerializeToString()).metrics:
        declared = next(one for one in semconv.METRICS if one.name == metric.name)
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
            pairs = {pair.key: pair.value.string_value for pair in point.attributes}
            assert pairs.keys() <= set(declared.attributes)
            sent[metric.name, pairs.get(semconv.ML_OUTCOME, "")] = point.as_double or point.as_int
    assert sent["ml.estimate.judged", ""] == 300
    assert sent["ml.estimate.errors", "observed"] == now.errors > sent["ml.estimate.errors", "expected"] > 0
    assert sent["ml.estimate.errors", "variance"] == pytest.approx(now.variance)
    assert (sent["ml.concept.drift", ""], sent["ml.concept.evidence", ""]) == (1, 1.0)
    assert sent["ml.concept.age", ""] == pytest.approx(60)
    quiet = encode([({}, before)], 1, 2, 2)
    assert {metric.name for metric in quiet} == {
        "ml.estimate.judged", "ml.estimate.errors", "ml.concept.drift", "ml.concept.evidence",
    }  # fmt: skip


class Feedback:
    @bentoml.api
    def judge(self, probabilities: np.ndarray, labels: list) -> None:
        """Not called: only what it takes is looked at."""


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def in_a_call(health: Health) -> Iterator[Callable[[Reference], FeatureRecording]]:
    """Begins a call of an API that gets predictions and their labels."""
    tokens = []

    def begin(compared: Reference) -> FeatureRecording:
        recording = FeatureRecording(References(compared, pytest.fail), {}, health, Drift())
        recorder = recording.recorder(Feedback.judge, "judge")
        tokens.append(current_call.set(recorder.inputs((), {})))
        return recording

    yield begin
    current_call.reset(tokens[0])


def judged_labels(recording: FeatureRecording, delta: bool = False) -> int:
    (scope,) = recording.collect(9, delta)
    (metric,) = (metric for metric in scope.metrics if metric.name == "ml.estimate.judged")
    (point,) = metric.sum.data_points
    assert {pair.key for pair in point.attributes} == {"bentoml.api.name", "ml.reference.id"}
    return int(point.as_int)


@pytest.mark.parametrize("delta", [False, True])
def test_handlers_record_outcomes(in_a_call: Callable[[Reference], FeatureRecording], delta: bool) -> None:
    """Arrays and lists; the counter is there before the first label."""
    recording = in_a_call(REFERENCE)
    served = predicted(40, 5)
    assert judged_labels(recording, delta) == 0
    record_outcomes(served.scores, served.labels)
    record_outcomes(served.scores.tolist(), served.labels.tolist())
    assert judged_labels(recording, delta) == 80
    assert judged_labels(recording, delta) == (0 if delta else 80)


def test_outcomes_that_wait_at_the_end_are_counted_as_dropped(
    in_a_call: Callable[[Reference], FeatureRecording], health: Health
) -> None:
    """As all else that no time was left for; what is judged is not."""
    recording = in_a_call(REFERENCE)
    served = predicted(40, 5)
    record_outcomes(served.scores, served.labels)
    assert judged_labels(recording) == 40
    record_outcomes(served.scores, served.labels)
    recording.give_up()
    assert health.counts()[semconv.DROPPED] == {("features", "shutdown"): 40}


@pytest.mark.parametrize(
    ("probabilities", "labels", "why"),
    [
        ([[0.1, 0.9]], [0, 1], "there are 2 labels for 1 rows"),
        ([[0.1, 0.2, 0.7]], [0], "probabilities of shape (1, 3), the reference has 2 classes"),
        ([0.1, 0.9], [0], "probabilities of shape (2,)"),
        ([[0.1, 0.9]], ["other"], "the label 'other' is none of the reference's classes"),
        ([["a", "b"]], [0], "could not convert string to float"),
        ([[0.1, 0.9]], 5, "'int' object is not iterable"),
    ],
)
def test_outcomes_that_cannot_be_used_are_told_in_one_line(
    in_a_call: Callable[[Reference], FeatureRecording],
    health: Health,
    caplog: pytest.LogCaptureFixture,
    probabilities: Any,
    labels: Any,
    why: str,
) -> None:
    """And counted; nothing is raised, and what is good before and after is counted."""
    recording = in_a_call(REFERENCE)
    with caplog.at_level(logging.WARNING, "bento_observe"):
        record_outcomes([[0.1, 0.9]], [1])
        record_outcomes(probabilities, labels)
        record_outcomes([[0.1, 0.9]], [0])
    assert judged_labels(recording) == 2
    assert health.counts()[semconv.DROPPED] == {("features", "outcomes_refused"): 1}
    assert sum(why in record.getMessage() for record in caplog.records) == 1
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_without_a_calibration_outcomes_are_counted_as_dropped(
    in_a_call: Callable[[Reference], FeatureRecording], health: Health
) -> None:
    """Nothing says what was to be expected."""
    recording = in_a_call(Reference.from_frame(np.zeros((10, 1))))
    record_outcomes([[0.1, 0.9]], [1])
    (scope,) = recording.collect(9, False)
    assert not any(metric.name.startswith("ml.concept") for metric in scope.metrics)
    assert health.counts()[semconv.DROPPED] == {("features", "outcomes_without_calibration"): 1}


def test_outside_of_a_call_nothing_happens() -> None:
    """Not even to what cannot be used."""
    record_outcomes("nothing", None)
