"""Which values of an API call are features, and where their statistics are kept."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    ScopeMetrics,
)

from bento_observe import semconv
from bento_observe._version import __version__
from bento_observe.features import FeatureStatistics, encode
from bento_observe.telemetry import Health

__all__ = ["FeatureRecording"]

_FLUSH_SECONDS = 1.0


class FeatureRecording:
    """The feature statistics of all APIs of a worker: one aggregator for each API and signal."""

    def __init__(self, reference: Any, model: Mapping[str, str], health: Health) -> None:
        self._reference = reference
        self._model = {name: value for name, value in model.items() if name == semconv.ML_MODEL_NAME}
        self._health = health
        self._groups: list[tuple[Mapping[str, str], FeatureStatistics]] = []
        self._start_ns = time.time_ns()
        self._flushed = 0.0
        self._told: list[dict[str, int]] = []

    def recorder(self, method: Any, label: str) -> _ApiRecorder:
        """The recorder of one BentoML `APIMethod`, whose API is called `label` in telemetry."""
        parameters = [name for name in list(inspect.signature(method.func).parameters)[1:] if name != method.ctx_param]
        inputs = self._statistics(label, semconv.SIGNAL_INPUT)
        predictions = self._statistics(label, semconv.SIGNAL_PREDICTION)
        return _ApiRecorder(parameters, method.ctx_param, inputs, predictions)

    def _statistics(self, api: str, signal: str) -> FeatureStatistics:
        reference = self._reference if signal == semconv.SIGNAL_INPUT else None
        statistics = FeatureStatistics(reference)
        attributes = {semconv.ML_SIGNAL: signal, semconv.API_NAME: api, **self._model}
        self._groups.append((attributes, statistics))
        self._told.append({})
        return statistics

    def step(self) -> bool:
        """Count what was appended, about once a second; runs in the encoder thread."""
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            for _, statistics in self._groups:
                statistics.flush()
            self._flushed = time.monotonic()
        return False

    def give_up(self) -> None:
        """Count what waits as dropped."""
        self._health.dropped("features", "shutdown", sum(statistics.pending for _, statistics in self._groups))

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """All groups as OTLP metrics."""
        temporality = AGGREGATION_TEMPORALITY_DELTA if delta else AGGREGATION_TEMPORALITY_CUMULATIVE
        groups = [
            (attributes, statistics.delta() if delta else statistics.snapshot())
            for attributes, statistics in self._groups
        ]
        self._tell_losses()
        metrics = encode(groups, self._start_ns, now_ns, temporality)
        if delta:  # each interval begins where the last one ended
            self._start_ns = now_ns
        scope = InstrumentationScope(name=semconv.SCOPE_FEATURES, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=metrics)]

    def _tell_losses(self) -> None:
        for told, (_, statistics) in zip(self._told, self._groups, strict=True):
            for reason, count in statistics.dropped.items():
                self._health.dropped("features", reason, count - told.get(reason, 0))
                told[reason] = count


class _ApiRecorder:
    """Feeds one API's arguments and results to its aggregators. Each append is one atomic list operation."""

    __slots__ = ("_context", "_first", "_inputs", "_parameters", "_predictions")

    def __init__(
        self, parameters: list[str], context: str | None, inputs: FeatureStatistics, predictions: FeatureStatistics
    ) -> None:
        self._parameters = parameters
        self._first = parameters[0] if len(parameters) == 1 else None
        self._context = context
        self._inputs = inputs
        self._predictions = predictions

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The arguments of one call: a lone one is the data itself, several are columns by their names."""
        if self._first is not None:
            if args or self._first in kwargs:
                value = args[0] if args else kwargs[self._first]
                self._inputs.update({self._first: value} if isinstance(value, (int, float)) else value)
            return
        named = {name: value for name, value in kwargs.items() if name != self._context}
        named.update(zip(self._parameters, args, strict=False))
        if named:
            self._inputs.update(named)

    def output(self, value: Any) -> None:
        """The result of one call."""
        self._predictions.update(value)
