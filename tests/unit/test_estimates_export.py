"""What is sent of estimates: sums that make the very estimate again, and nothing that grows without bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _estimates import counted, estimated, predicted, prediction, reference
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from bento_observe import FeatureStatistics, semconv
from bento_observe.features import Group, Snapshot, encode

CUMULATIVE, DELTA = pb.AGGREGATION_TEMPORALITY_CUMULATIVE, pb.AGGREGATION_TEMPORALITY_DELTA
SIGNAL = prediction(reference(predicted(2000, 1, 3)))
ROWS = 2000
SERVED = predicted(700, 2, 3).scores

Table = dict[tuple[str, ...], float]


def sent(group: Group, temporality: int = CUMULATIVE) -> dict[str, Table]:
    """Points of estimates by metric, then by the values of their attributes but the reference's id."""
    message = pb.ScopeMetrics(metrics=encode([group], 5, 9, temporality)).SerializeToString()
    found: dict[str, Table] = {}
    for metric in pb.ScopeMetrics.FromString(message).metrics:
        if not metric.name.startswith(("ml.estimate.", "ml.performance.")):
            continue
        table = found.setdefault(metric.name, {})
        declared = next(one for one in semconv.METRICS if one.name == metric.name)
        data: Any = getattr(metric, metric.WhichOneof("data") or "")
        for point in data.data_points:
            pairs = {pair.key: pair.value.string_value for pair in point.attributes}
            assert pairs.keys() <= set(declared.attributes), metric.name
            assert point.time_unix_nano == 9
            key = tuple(value for name, value in pairs.items() if name != semconv.ML_REFERENCE_ID)
            assert key not in table
            table[key] = point.as_double or float(point.as_int)
    return found


def group(snapshot: Snapshot, **more: Any) -> Group:
    return Group({}, snapshot, SIGNAL, **more)


def test_the_sums_are_those_that_were_counted() -> None:
    """Of every class, and of every bin with what lies below it."""
    expected = counted(SIGNAL, SERVED).expected
    assert expected is not None
    found = sent(group(counted(SIGNAL, SERVED)))
    for k, name in enumerate(("0", "1", "2")):
        assert found["ml.estimate.predictions"][name,] == expected.predicted[k]
        for outcome, counts, variances in (
            ("hit", expected.hits, expected.hits_variance),
            ("miss", expected.misses, expected.misses_variance),
        ):
            assert found["ml.estimate.outcomes"][name, outcome] == counts[k]
            assert found["ml.estimate.variance"][name, outcome] == variances[k]
        for number in range(expected.positives.shape[1]):
            scores = [
                found["ml.estimate.scores"][name, f"{number:02d}", outcome]
                for outcome in ("positive", "negative", "negative_below")
            ]
            below = expected.negatives[k, :number].sum()
            assert scores == pytest.approx([expected.positives[k, number], expected.negatives[k, number], below])


def test_one_worker_tells_what_the_reference_came_to() -> None:
    """And how many rows that was."""
    assert SIGNAL.calibration is not None
    found = sent(group(counted(SIGNAL, SERVED), describe=True))
    assert found["ml.performance.reference"] == {(name,): one for name, one in SIGNAL.calibration.measured.items()}
    assert found["ml.estimate.reference.rows"] == {(): ROWS}
    assert "ml.performance.reference" not in sent(group(counted(SIGNAL, SERVED)))


def test_estimates_of_windows_have_a_band() -> None:
    """Within 0 and 1."""
    estimates = estimated(SIGNAL, SERVED)
    found = sent(group(counted(SIGNAL, SERVED), estimates={"1h": estimates}))["ml.performance.estimate"]
    assert len(found) == 3 * len(semconv.PERFORMANCE_METRICS)
    for metric, one in estimates.items():
        low, value, high = (found["1h", metric, bound] for bound in ("low", "value", "high"))
        assert (low, value, high) == (one.low, one.value, one.high)
        assert 0 <= low < value < high <= 1


def test_slices_have_no_bins() -> None:
    """Their series would be too many; all but the area under the ROC curve can be told without."""
    found = sent(
        Group({semconv.ML_SLICE_NAME: "country", semconv.ML_SLICE_VALUE: "de"}, counted(SIGNAL, SERVED), SIGNAL)
    )
    assert "ml.estimate.scores" not in found
    assert len(found["ml.estimate.outcomes"]) == 6


def test_deltas_add_up_and_leave_out_what_did_not_change() -> None:
    """As those of the other sums do."""
    statistics = FeatureStatistics(SIGNAL)
    total: dict[tuple[str, tuple[str, ...]], float] = {}
    for part in (SERVED[:100], SERVED[:0], SERVED[100:]):
        if len(part):
            statistics.update(part)
        found = sent(group(statistics.delta()), DELTA)
        assert bool(found) == bool(len(part))
        for name, table in found.items():
            for key, value in table.items():
                assert value > 0
                total[name, key] = total.get((name, key), 0.0) + value
    whole = sent(group(counted(SIGNAL, SERVED)))
    everything = {(name, key): value for name, table in whole.items() for key, value in table.items() if value}
    assert total == pytest.approx(everything)


def test_counters_never_fall() -> None:
    """Not by a rounding error either, which Prometheus would take for a restart."""
    statistics = FeatureStatistics(SIGNAL)
    before: dict[str, Table] = {}
    random = np.random.default_rng(5)
    for _ in range(300):
        sure = random.dirichlet(np.full(3, 0.01), 3)
        statistics.update(sure)
        found = sent(group(statistics.snapshot()))
        assert all(found[name][key] >= value for name, table in before.items() for key, value in table.items())
        before = found


def test_without_a_calibration_nothing_is_sent() -> None:
    """Nor counted."""
    statistics = FeatureStatistics(probabilities=True)
    statistics.update(SERVED)
    assert statistics.snapshot().expected is None
    assert sent(Group({}, statistics.snapshot())) == {}
