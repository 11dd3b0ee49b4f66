"""What is looked at each time that feature statistics are sent: aggregators, and predictions that were judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bento_observe import semconv
from bento_observe.features import FeatureStatistics, Group, Snapshot
from bento_observe.features.reference import SignalReference
from bento_observe.telemetry import Health

if TYPE_CHECKING:
    from bento_observe.features.concept import Judged, Judgement
    from bento_observe.features.drift import Measures
    from bento_observe.features.estimate import Estimate

__all__ = ["ITEM", "Drift", "Judging", "Watched"]

ITEM = "features"
"""The `signal` of what is dropped."""

# Snapshots that are kept of each window; slices are many.
_PANES = 12
_SLICE_PANES = 4


@dataclass(frozen=True)
class Drift:
    """Which drift is sent: `windows` are names and seconds, `methods` of `semconv.DRIFT_METHODS`."""

    windows: Mapping[str, float] = field(default_factory=dict)
    methods: Sequence[str] = semconv.DRIFT_METHODS


class Judging:
    """Predictions that were judged, and what was made of them the last time."""

    def __init__(self, attributes: Mapping[str, str], judged: Judged) -> None:
        self.judged = judged
        self._attributes = attributes
        self._last = judged.judgement()

    def judgement(self, delta: bool) -> tuple[Mapping[str, str], Judgement]:
        """What is sent of it this time."""
        self.judged.step()
        now = self.judged.judgement()
        change = now - self._last if delta else now
        self._last = now
        return self._attributes, change


class Watched:
    """One aggregator, and what it was the last time that it was looked at."""

    def __init__(
        self,
        attributes: Mapping[str, str],
        statistics: FeatureStatistics,
        reference: Any,
        drift: Drift,
        detail: bool,
    ) -> None:
        self.statistics = statistics
        self._attributes = attributes
        self._reference = reference if isinstance(reference, SignalReference) else None
        self._detail = detail
        self._spans = drift.windows if self._reference is not None else {}
        self._methods = drift.methods
        self._windows: Any = None
        if self._spans:
            # Imported here: a worker without a reference does without.
            from bento_observe.features.drift import Windows

            panes = _SLICE_PANES if semconv.ML_SLICE_NAME in attributes else _PANES
            self._windows = Windows(tuple(self._spans.values()), panes)
        self._told: dict[str, int] = {}

    def group(self, delta: bool, describe: bool, exemplars: bool) -> Group:
        """What is sent of it this time."""
        snapshot, found = self.statistics.interval(delta=delta)
        total = self.statistics.snapshot(wait=0) if delta and self._spans else snapshot
        windows = self._looked_at(total)
        return Group(
            self._attributes, snapshot, self._reference, self._measures(windows), self._methods,
            self._estimates(windows), describe, self._detail, exemplars=found if exemplars else {},
        )  # fmt: skip

    def _looked_at(self, total: Snapshot) -> Mapping[str, Snapshot]:
        if not self._spans:
            return {}
        now = time.monotonic()
        self._windows.add(total, now)
        return {name: self._windows.window(span, now) for name, span in self._spans.items()}

    def _measures(self, windows: Mapping[str, Snapshot]) -> Mapping[str, Measures]:
        if self._reference is None or not windows:
            return {}
        from bento_observe.features.drift import measure

        return {name: measure(self._reference, window) for name, window in windows.items()}

    def _estimates(self, windows: Mapping[str, Snapshot]) -> Mapping[str, Mapping[str, Estimate]]:
        if self._reference is None or (self._reference.calibration is None and self._reference.losses is None):
            return {}
        from bento_observe.features.estimate import loss_performance, performance

        calibration, tree = self._reference.calibration, self._reference.losses
        found: dict[str, Mapping[str, Estimate]] = {}
        for name, window in windows.items():
            if calibration is not None and window.expected is not None:
                found[name] = performance(window.expected, calibration.rows)
            elif tree is not None and window.loss is not None:
                found[name] = loss_performance(window.loss, tree.total)
        return found

    def tell_losses(self, health: Health) -> None:
        """Adds what was left out since the last time to our own metrics."""
        for reason, count in self.statistics.dropped.items():
            health.dropped(ITEM, reason, count - self._told.get(reason, 0))
            self._told[reason] = count
