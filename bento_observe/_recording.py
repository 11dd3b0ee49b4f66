"""Where the feature statistics of a worker are kept, counted, compared with the training data, and sent from."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    ScopeMetrics,
)

from bento_observe import semconv
from bento_observe._recorder import ApiRecorder, ApiStatistics
from bento_observe._references import References
from bento_observe._slices import Slices
from bento_observe._version import __version__
from bento_observe._watched import ITEM, Drift, Judging, Watched
from bento_observe.features import FeatureStatistics, encode
from bento_observe.features.reference import SignalReference
from bento_observe.telemetry import Health

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bento_observe.features.concept import Judged

__all__ = ["Drift", "FeatureRecording"]

_FLUSH_SECONDS = 1.0
_LAST_WAIT_S = 0.3  # for all GPUs, when a worker ends
_ON_REQUEST = (semconv.SIGNAL_FEATURE, semconv.SIGNAL_LABEL)
_ANSWERS = (semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)
_SLICE_PENDING = 400_000


class FeatureRecording:
    """The feature statistics of all APIs of a worker: one aggregator for each API, signal and slice.

    Args:
        references: what they are compared with.
        model: the model's attributes.
        drift: the windows of drift that are sent, name and seconds of each, and by which methods.
        slices: columns whose values are counted apart.
        slice_values: how many of them are told apart, of each column.
        describe: whether the references themselves are sent; one worker is enough.
        exemplars: whether extreme values are sent with the spans that they came with.
    """

    def __init__(
        self,
        references: References,
        model: Mapping[str, str],
        health: Health,
        drift: Drift,
        slices: Sequence[str] = (),
        slice_values: int = 20,
        describe: bool = True,
        exemplars: bool = True,
    ) -> None:
        self._references = references
        self._model = {name: value for name, value in model.items() if name == semconv.ML_MODEL_NAME}
        self._health = health
        self._drift = drift
        self._slices = slices
        self._slice_values = slice_values
        self._describe = describe
        self._apis: dict[str, ApiStatistics] = {}
        self._exemplars = exemplars
        self._watched: list[Watched] = []
        self._judged: dict[str, Judging] = {}
        self._sliced: list[Slices] = []
        self._recorders: list[ApiRecorder] = []
        self._sampled = 0
        self._began_ns = self._start_ns = time.time_ns()
        self._flushed = 0.0

    def recorder(self, method: Any, label: str, parameters: list[str] | None = None) -> ApiRecorder:
        """The recorder of one BentoML `APIMethod`, whose API is called `label` in telemetry.

        Of another function `method` tells the context's name and the input specification only; it takes `parameters`.
        """
        parameters = _parameters(method) if parameters is None else parameters
        reference = self._references.of(semconv.SIGNAL_INPUT, label, method)
        # An API that takes something else is another one than the model's; labels may come to it all the same.
        like = reference is not None or self._references.of(semconv.SIGNAL_INPUT) is None

        def reference_of(signal: str) -> Any:
            if signal == semconv.SIGNAL_INPUT:
                return reference
            return self._references.of(signal) if like or signal == semconv.SIGNAL_LABEL else None

        def make(signal: str, names: Sequence[str] | None) -> FeatureStatistics:
            return self._watch(label, signal, reference_of(signal), names)

        def make_slice(column: str, value: str) -> Mapping[str, FeatureStatistics]:
            attributes = {semconv.ML_SLICE_NAME: column, semconv.ML_SLICE_VALUE: value}
            made = {}
            for signal in semconv.SIGNALS:
                whole = reference_of(signal)
                # Inputs and features of a slice are only worth their series where they can be compared.
                if signal in _ANSWERS or whole is not None:
                    found = None if whole is None else self._references.slice_of(column, value, signal)
                    made[signal] = self._watch(label, signal, found, None, attributes)
            return made

        statistics = self._apis[label] = ApiStatistics(make)
        statistics.of(semconv.SIGNAL_PREDICTION)
        for signal in _ON_REQUEST:  # known beforehand, so that its counters start at zero
            if reference_of(signal) is not None:
                statistics.of(signal)
        slices = [
            Slices(column, self._references.slice_values(column), self._slice_values, make_slice)
            for column in self._slices
        ]
        self._sliced += slices
        names = statistics.of(semconv.SIGNAL_INPUT).names or ()
        recorder = ApiRecorder(
            parameters, method.ctx_param, statistics, slices, names, self._health, self.judged(label)
        )
        self._recorders.append(recorder)
        return recorder

    def labelled(self, api: str, labels: list[Any]) -> None:
        """Count labels that were matched with predictions of an API, if it is one of this worker's."""
        statistics = self._apis.get(api)
        if statistics is not None:
            statistics.of(semconv.SIGNAL_LABEL).update(labels)

    def judge(
        self,
        api: str,
        names: Sequence[str],
        predicted: npt.NDArray[np.int64],
        confidence: npt.NDArray[np.float64],
        correct: npt.NDArray[np.bool_],
    ) -> None:
        """Judge predictions of an API whose labels were matched, if it is one of this worker's and can be judged.

        `names` are classes, `predicted` the position of each prediction among them, `confidence` its probability.
        """
        judging = self._judged.get(api)
        if judging is not None:
            full = judging.judged.add_named(names, predicted, confidence, correct)
            self._health.dropped(ITEM, "outcomes_full", full)

    def judged(self, api: str) -> Judged | None:
        """Where predictions of an API go whose labels came; None where the reference has no calibration."""
        reference = self._references.of(semconv.SIGNAL_PREDICTION)
        if not isinstance(reference, SignalReference) or reference.calibration is None:
            return None
        if api not in self._judged:
            from bento_observe.features.concept import Judged

            attributes = {**self._model, semconv.API_NAME: api, semconv.ML_REFERENCE_ID: reference.id}
            self._judged[api] = Judging(attributes, Judged(reference))
        return self._judged[api].judged

    def monitor(self, name: str) -> ApiStatistics:
        """The aggregators of what `bentoml.monitor(name)` logs."""

        def make(signal: str, names: Sequence[str] | None) -> FeatureStatistics:
            found = self._references.logged(signal)
            # A reference of other columns would only have series without values.
            fits = any(self.is_known(signal, column) for column in names or ())
            return self._watch(semconv.API_OF_MONITOR.format(name), signal, found if fits else None, None)

        return ApiStatistics(make)

    def is_known(self, signal: str, feature: str) -> bool:
        """Whether the reference has such a feature among what monitors log as `signal`."""
        found = self._references.logged(signal)
        return feature in (found.features if isinstance(found, SignalReference) else getattr(found, "edges", ()))

    def _watch(
        self,
        api: str,
        signal: str,
        reference: Any,
        names: Sequence[str] | None,
        attributes: Mapping[str, str] | None = None,
    ) -> FeatureStatistics:
        probabilities = signal in _ANSWERS
        if attributes is None:
            statistics = FeatureStatistics(reference, names, probabilities=probabilities)
        else:
            statistics = FeatureStatistics(reference, names, probabilities=probabilities, max_pending=_SLICE_PENDING)
        detail = attributes is None or signal in _ANSWERS
        everything = {semconv.ML_SIGNAL: signal, semconv.API_NAME: api, **self._model, **(attributes or {})}
        self._watched.append(Watched(everything, statistics, reference, self._drift, detail))
        return statistics

    def step(self) -> bool:
        """Count what was appended, about once a second; runs in the encoder thread."""
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            for watched in self._watched[:]:
                watched.statistics.flush()
            for judging in list(self._judged.values()):
                judging.judged.step()
            self._flushed = time.monotonic()
        return False

    def end(self) -> None:
        """Count what GPUs have computed by now, or in a moment; what they have not is dropped."""
        deadline = time.monotonic() + _LAST_WAIT_S
        for watched in self._watched[:]:
            try:
                watched.statistics.finish(max(0.0, deadline - time.monotonic()))
                watched.tell_losses(self._health)
            except Exception:  # noqa: BLE001 - the last metrics are still to be sent
                self._health.error("features")

    def give_up(self) -> None:
        """Count what waits as dropped."""
        waiting = sum(watched.statistics.pending for watched in self._watched[:])
        waiting += sum(judging.judged.pending for judging in list(self._judged.values()))
        self._health.dropped(ITEM, "shutdown", waiting)

    def close(self) -> None:
        """Count nothing more of what APIs take and answer; `_monitoring` keeps away by itself what monitors log."""
        for recorder in self._recorders:
            recorder.close()

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """All groups as OTLP metrics."""
        temporality = AGGREGATION_TEMPORALITY_DELTA if delta else AGGREGATION_TEMPORALITY_CUMULATIVE
        watched = self._watched[:]
        groups = [one.group(delta, self._describe, self._exemplars) for one in watched]
        for one in watched:
            one.tell_losses(self._health)
        sampled = sum(slices.sampled for slices in self._sliced)
        self._health.dropped(ITEM, "slices_sampled", sampled - self._sampled)
        self._sampled = sampled
        metrics = encode(groups, self._start_ns, now_ns, temporality, self._began_ns)
        if self._judged:
            from bento_observe.features.concept import encode as encode_judgements

            judgements = [one.judgement(delta) for one in list(self._judged.values())]
            metrics += encode_judgements(judgements, self._start_ns, now_ns, temporality)
        if delta:  # each interval begins where the last one ended
            self._start_ns = now_ns
        scope = InstrumentationScope(name=semconv.SCOPE_FEATURES, version=__version__)
        return [ScopeMetrics(scope=scope, metrics=metrics)]


def _parameters(method: Any) -> list[str]:
    """Names of an API's parameters, without the service and the context; `**parameters` have none of their own."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    declared = list(inspect.signature(method.func).parameters.items())[1:]
    return [name for name, one in declared if name != method.ctx_param and one.kind not in several]
