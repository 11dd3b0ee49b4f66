"""What of a call is counted: its arguments, its result, and what its handler records."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from bento_observe import semconv
from bento_observe._at_hand import NOT_AT_HAND, is_at_hand
from bento_observe._slices import Keys, Slices, keys_in
from bento_observe.features import FeatureStatistics
from bento_observe.request import LiveSpan
from bento_observe.telemetry import Health

if TYPE_CHECKING:
    from bento_observe.features.concept import Judged
    from bento_observe.feedback._identifier import Identifier

__all__ = ["ApiRecorder", "ApiStatistics", "Call", "current_call"]

_HEALTH = "features"
_STREAMS = (types.GeneratorType, types.AsyncGeneratorType)


class Call:
    """One call of an API, for what is recorded until it ends."""

    __slots__ = ("_keys", "_recorder")

    def __init__(self, recorder: ApiRecorder, keys: Sequence[tuple[Slices, Keys]] = ()) -> None:
        self._recorder = recorder
        self._keys = keys

    def output(self, value: Any, origin: LiveSpan | None = None) -> None:
        """The result, and the span it came with; None is none, and what a stream is yet to yield is not counted."""
        if value is not None and type(value) not in _STREAMS:
            self._recorder.record(semconv.SIGNAL_PREDICTION, value, self._keys, None, origin)
            self.identify(value)

    def identify(self, value: Any) -> None:
        """Give the request at hand an id of what it is answered with, if that is a prediction."""
        if self._recorder.identifier is not None:
            self._recorder.identifier.identify(value, self._keys)

    def prediction_ids(self, predictions: Any, confidence: Any = None) -> list[str]:
        """An id of each prediction; empty where there are none to be had."""
        identifier = self._recorder.identifier
        try:
            return [] if identifier is None else identifier.ids(predictions, confidence, self._keys)
        except Exception:  # noqa: BLE001 - a handler must not fail because its predictions are odd
            self._recorder.failed("prediction_ids")
            return []

    def record(
        self, signal: str, data: Any, names: Sequence[str] | None = None, origin: LiveSpan | None = None
    ) -> None:
        """Data of one of the four signals, and the span it came with. Never raises."""
        self._recorder.record(signal, data, self._keys, names, origin)

    def outcomes(self, probabilities: Any, labels: Any) -> None:
        """Probabilities that were predicted, and the labels that came. Never raises."""
        self._recorder.outcomes(probabilities, labels)


current_call: ContextVar[Call | None] = ContextVar("bento_observe_call", default=None)
"""The call that is running, for what its handler records."""


class ApiStatistics:
    """The aggregators of one API by signal, made when they are first asked for.

    Args:
        make: makes that of a signal; takes the names of an array's columns, or None.
    """

    def __init__(self, make: Callable[[str, Sequence[str] | None], FeatureStatistics]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, FeatureStatistics] = {}

    def of(self, signal: str, names: Sequence[str] | None = None) -> FeatureStatistics:
        """That of a signal; `names` count the first time only."""
        found = self._made.get(signal)
        if found is None:
            with self._lock:
                found = self._made.get(signal)
                if found is None:
                    found = self._made[signal] = self._make(signal, names)
        return found


class ApiRecorder:
    """Feeds one API's data to its aggregators. Each append is one atomic list operation.

    Args:
        parameters: names of the API's parameters, without the context.
        context: name of the parameter that takes BentoML's context, if any.
        statistics: the aggregators.
        slices: the declared columns.
        names: of the columns of arrays.
        judged: takes predictions with their labels; None where they cannot be judged.
    """

    def __init__(
        self,
        parameters: list[str],
        context: str | None,
        statistics: ApiStatistics,
        slices: Sequence[Slices],
        names: Sequence[str],
        health: Health,
        judged: Judged | None = None,
    ) -> None:
        self._parameters = parameters
        self._first = parameters[0] if len(parameters) == 1 else None
        self._context = context
        self._statistics = statistics
        self._inputs = statistics.of(semconv.SIGNAL_INPUT)
        self._slices = slices
        self._names = names
        self._health = health
        self._judged = judged
        self._plain = Call(self)
        self.identifier: Identifier | None = None
        """What gives predictions their ids."""
        self._closed = False

    def close(self) -> None:
        """Count nothing more."""
        self._closed = True

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any], origin: LiveSpan | None = None) -> Call:
        """The arguments of one call, and the span they came with.

        A lone one is the data itself, several are columns by their names.
        """
        if self._closed:
            return self._plain
        try:
            if self._first is not None and not self._slices:
                if args or self._first in kwargs:
                    value = args[0] if args else kwargs[self._first]
                    data = {self._first: value} if isinstance(value, (int, float, str)) else value
                    self._inputs.update(data, origin)
                return self._plain
            named = {name: value for name, value in kwargs.items() if name != self._context}
            named.update(zip(self._parameters, args, strict=False))
            if not named:
                return self._plain
            value = named
            if self._first is not None and not isinstance(named[self._first], (int, float, str)):
                value = named[self._first]
            self._inputs.update(value, origin)
            return self._sliced(named, value) if self._slices else self._plain
        except Exception:  # noqa: BLE001 - a call must not fail because its data is odd
            self._health.error("inputs")
            return self._plain

    def failed(self, where: str) -> None:
        """An exception of ours was caught; from the except block."""
        self._health.error(where)

    def call_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """A call of these arguments, for which nothing is counted."""
        if not self._slices:
            return self._plain
        try:
            named = {name: value for name, value in kwargs.items() if name != self._context}
            named.update(zip(self._parameters, args, strict=False))
            return Call(self, self._keys_of(named))
        except Exception:  # noqa: BLE001 - as above
            self._health.error("inputs")
            return self._plain

    def _keys_of(self, named: Mapping[str, Any]) -> list[tuple[Slices, Keys]]:
        found = ((one, keys_in(named, one.column, self._names)) for one in self._slices)
        return [(one, keys) for one, keys in found if keys is not None]

    def _sliced(self, named: Mapping[str, Any], value: Any) -> Call:
        keys = self._keys_of(named)
        self._count_slices(semconv.SIGNAL_INPUT, value, keys)
        return Call(self, keys)

    def record(
        self,
        signal: str,
        data: Any,
        keys: Sequence[tuple[Slices, Keys]],
        names: Sequence[str] | None = None,
        origin: LiveSpan | None = None,
    ) -> None:
        """Data of one signal; `names` are those of an array's columns. Never raises."""
        if self._closed:
            return
        try:
            wanted = None if names is None else tuple(map(str, names))
            statistics = self._statistics.of(signal, wanted)
            # Slices know the reference's names only.
            if wanted is not None and (keys or wanted != statistics.names):
                data = _named(data, wanted)
            statistics.update(data, origin)
            if keys:
                self._count_slices(signal, data, keys)
        except _WrongNamesError:
            self._health.dropped(_HEALTH, "columns", 1)
        except Exception:  # noqa: BLE001 - as above
            self._health.error(signal)

    def outcomes(self, probabilities: Any, labels: Any) -> None:
        """Probabilities, rows x classes, and the label of each row. Never raises."""
        if self._closed:
            return
        try:
            if self._judged is None:
                self._health.dropped(_HEALTH, "outcomes_without_calibration", 1)
                return
            if not (is_at_hand(probabilities) and is_at_hand(labels)):
                self._health.tell("record_outcomes", NOT_AT_HAND, "record_outcomes")
                self._health.dropped(_HEALTH, semconv.DROPPED_NOT_AT_HAND, 1)
                return
            matrix = np.array(probabilities, dtype=np.float64)
            cells = labels.tolist() if hasattr(labels, "tolist") else list(labels)
            self._health.dropped(_HEALTH, "outcomes_full", self._judged.add_outcomes(matrix, cells))
        except (TypeError, ValueError) as error:
            self._health.dropped(_HEALTH, "outcomes_refused", 1)
            self._health.tell("outcomes", "record_outcomes: %s", error)
        except Exception:  # noqa: BLE001 - as above
            self._health.error("outcomes")

    def _count_slices(self, signal: str, data: Any, keys: Sequence[tuple[Slices, Keys]]) -> None:
        for one, values in keys:
            if not one.update(signal, data, values):
                self._health.dropped(_HEALTH, "not_sliced", 1)


class _WrongNamesError(ValueError):
    """There are not as many names as columns."""


def _named(data: Any, names: tuple[str, ...]) -> Any:
    """An array or rows as columns with names; anything else as it is.

    Raises:
        _WrongNamesError: there are not as many names as columns.
    """
    if not isinstance(data, (np.ndarray, list, tuple)) or not len(data):
        return data
    if not isinstance(data, np.ndarray):
        if isinstance(data[0], Mapping) or hasattr(data[0], "__dict__"):
            return data
        data = np.array(data, dtype=object)
    if data.ndim == 1 and len(names) == 1:
        return {names[0]: data}
    if data.ndim not in (1, 2) or data.shape[-1] != len(names):
        raise _WrongNamesError
    return dict(zip(names, data.tolist() if data.ndim == 1 else data.T, strict=True))
