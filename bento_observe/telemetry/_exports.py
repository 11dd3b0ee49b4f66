"""How long the endpoint takes to answer, and what it answers: the convention's histogram of an exporter."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from bento_observe import semconv
from bento_observe.settings import Settings
from bento_observe.telemetry._histogram import ExplicitHistogram
from bento_observe.telemetry._transport import Outcome

__all__ = ["ExportTimes"]

_KINDS: Final = {"traces": "span", "metrics": "metric", "logs": "log"}


class ExportTimes:
    """Counts attempts, those that fail among them. The senders record, the encoder thread collects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._start_ns = time.time_ns()
        self._durations = ExplicitHistogram(semconv.EXPORTER_DURATION, self._attributes)

    def record(self, signal: str, outcome: Outcome, seconds: float) -> None:
        """One attempt to send something of `signal`, which took so many seconds."""
        # The reason of a failure may go into detail behind a colon; its kind does not.
        error = "" if outcome.accepted else outcome.reason.partition(":")[0]
        with self._lock:
            self._durations.series((signal, error), self._start_ns).record(seconds, 0, None, b"")

    def collect(self, now_ns: int) -> list[Metric]:
        """The histogram, cumulative, as our other metrics of ourselves are; nothing before the first attempt."""
        with self._lock:
            found = self._durations.collect(now_ns, delta=False)
        return [] if found is None else [found]

    def enter_child(self) -> None:
        """In a forked child, where whoever held the lock is not there to release it."""
        self._lock = threading.Lock()

    def _attributes(self, key: tuple[str, str]) -> Mapping[str, Any]:
        signal, error = key
        return {semconv.OTEL_COMPONENT_TYPE: self._component(signal), semconv.ERROR_TYPE: error or None}

    def _component(self, signal: str) -> str:
        endpoint = self._settings.endpoint(signal)
        if endpoint.exporter == "console":
            return f"console_{_KINDS[signal]}_exporter"
        return f"otlp_{'grpc' if endpoint.protocol == 'grpc' else 'http'}_{_KINDS[signal]}_exporter"
