"""Windows of the last while, cut from snapshots that only grow."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from _drift_samples import matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from bento_observe.features import FeatureStatistics, Snapshot
from bento_observe.features.drift import Windows, drift

REFERENCE = matrix(np.random.default_rng(40).normal(size=(2000, 2)))


class Serving:
    """One row a second, the value being the second; a snapshot whenever asked."""

    def __init__(self) -> None:
        self.statistics = FeatureStatistics(REFERENCE)
        self.now = 0

    def until(self, now: int) -> Snapshot:
        self.statistics.update(np.repeat(np.arange(self.now, now, dtype=float)[:, None], 2, axis=1))
        self.now = now
        return self.statistics.snapshot()


@given(
    span=st.integers(10, 500), panes=st.integers(1, 12),
    steps=st.lists(st.one_of(st.integers(1, 20), st.integers(1, 700)), min_size=1, max_size=60),
)  # fmt: skip
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_window_is_its_span_and_at_most_a_pane_and_a_step_more(span: int, panes: int, steps: list[int]) -> None:
    """Whatever the times of the calls; all there is as long as that is less."""
    windows, serving = Windows((float(span),), panes), Serving()
    longest = max(steps)
    for step in steps:
        now = serving.now + step
        windows.add(serving.until(now), float(now))
        feature = windows.window(float(span), float(now)).features["0"]
        if now <= span:
            assert feature.count == now
            continue
        assert min(now, span) <= feature.count <= span + span / panes + longest
        seconds = np.arange(now - feature.count, now)
        assert feature.mean == pytest.approx(seconds.mean())
        assert feature.variance == pytest.approx(seconds.var(), rel=1e-6, abs=1e-6)


def test_two_spans_are_kept_apart() -> None:
    windows, serving = Windows((60.0, 600.0), 6), Serving()
    for now in range(10, 1210, 10):
        windows.add(serving.until(now), now)
    assert windows.spans == (60.0, 600.0)
    assert windows.window(60.0, 1200).features["0"].count == 60
    assert 600 <= windows.window(600.0, 1200).features["0"].count <= 700


def test_drift_ends_when_the_window_has_passed_it() -> None:
    """The whole process has drifted, the last minute has not."""
    rng = np.random.default_rng(41)
    windows, statistics = Windows((60.0,), 6), FeatureStatistics(REFERENCE)
    for now in range(0, 200, 10):
        statistics.update(rng.normal(5.0 if now < 100 else 0.0, 1.0, size=(200, 2)))
        windows.add(statistics.snapshot(), now)
    assert drift(REFERENCE, statistics.snapshot())["drifted"].all()
    assert not drift(REFERENCE, windows.window(60.0, 190))["drifted"].any()


def test_nothing_served_is_an_empty_window() -> None:
    windows, serving = Windows((60.0,), 6), Serving()
    assert not windows.window(60.0, 0.0).features
    windows.add(serving.until(500), 500.0)
    assert windows.window(60.0, 500.0).features["0"].count == 500
    later = serving.until(500)
    windows.add(later, 900.0)
    assert windows.window(60.0, 900.0).features["0"].count == 0
    assert drift(REFERENCE, windows.window(60.0, 900.0))["state"].tolist() == ["not enough data"] * 2


def test_snapshots_kept_are_bounded() -> None:
    """However often and however long they come."""
    alive: weakref.WeakSet[object] = weakref.WeakSet()

    class Marked(Snapshot):
        """One that can be referred to weakly."""

    windows = Windows((60.0, 3600.0), 12)
    for now in range(20_000):
        snapshot = Marked()
        alive.add(snapshot)
        windows.add(snapshot, float(now))
    del snapshot
    gc.collect()
    assert len(alive) <= 2 * 14 + 1


def test_windows_that_make_no_sense_are_refused() -> None:
    for spans, panes in (((0.0,), 12), ((60.0, 60.0), 12), ((60.0,), 0)):
        with pytest.raises(ValueError, match="windows need"):
            Windows(spans, panes)
    with pytest.raises(ValueError, match=r"no window of 5\.0 seconds"):
        Windows((60.0,)).window(5.0, 0.0)
