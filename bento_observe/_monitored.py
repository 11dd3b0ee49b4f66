"""What `bentoml.monitor` logs, made into columns for the aggregators."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from bento_observe._monitoring import SIGNALS, Entry
from bento_observe.features import FeatureStatistics, category
from bento_observe.request import current_request
from bento_observe.telemetry import Health

__all__ = ["MonitorRecorder", "Recording", "Statistics"]

_ITEM: Final = "features"
_CATEGORICAL: Final = "categorical"
_SEQUENCE: Final = "numerical_sequence"
_MAX_MONITORS: Final = 32
_MAX_SEQUENCE_VALUES: Final = 1_000_000


class Statistics(Protocol):
    """The aggregators of one monitor."""

    def of(self, signal: str, names: Sequence[str] | None = None) -> FeatureStatistics:
        """That of a signal; `names` are those of the first record."""


class Recording(Protocol):
    """Keeps aggregators."""

    def monitor(self, name: str) -> Statistics:
        """Those of the monitor `name`."""

    def is_known(self, signal: str, feature: str) -> bool:
        """Whether the reference says what kind of feature it is."""


class MonitorRecorder:
    """Feeds what the monitors of one process log to a recording. May be called from any thread; never raises."""

    def __init__(self, recording: Recording, health: Health) -> None:
        self._recording = recording
        self._health = health
        self._monitors: dict[str, Statistics] = {}
        self._lock = threading.Lock()

    def refuse(self, reason: str, count: int, what: str) -> None:
        """So many values were left out because of `reason`; `what` says it in words."""
        self._health.dropped(_ITEM, reason, count)
        self._health.tell(f"monitor {reason}", "monitor %s", what)

    def feed(self, name: str, entries: Sequence[Entry]) -> None:
        """One record of the monitor `name`."""
        try:
            statistics = self._statistics(name)
            if statistics is None:
                self._health.dropped(_ITEM, "monitor_names", 1)
                return
            for signal, columns in self._columns(name, entries).items():
                statistics.of(signal, tuple(columns)).update(columns, current_request.get())
        except Exception:  # noqa: BLE001 - a handler must not fail because of what it logs
            self._health.error("monitor")

    def _statistics(self, name: str) -> Statistics | None:
        found = self._monitors.get(name)
        if found is None:
            with self._lock:
                found = self._monitors.get(name)
                if found is None and len(self._monitors) < _MAX_MONITORS:
                    found = self._monitors[name] = self._recording.monitor(str(name))
        return found

    def _columns(self, monitor: str, entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
        """By signal and name: a scalar where each column has just one, else columns of one length."""
        found: dict[str, dict[str, list[Entry]]] = {}
        for entry in entries:
            signal = SIGNALS.get(entry[2])
            if signal is None:
                self.refuse("monitor_role", len(entry[0]) if entry[4] else 1, f"{monitor!r}: no role is {entry[2]!r}")
            else:
                found.setdefault(signal, {}).setdefault(str(entry[1]), []).append(entry)
        if all(len(logged) == 1 and not logged[0][4] for columns in found.values() for logged in columns.values()):
            return {
                signal: {
                    key: cell
                    for name, (entry,) in columns.items()
                    for key, cell in self._cells(signal, name, entry[3], entry[0], single=True).items()
                }
                for signal, columns in found.items()
            }
        whole = {
            signal: {name: _joined(logged) for name, logged in columns.items()} for signal, columns in found.items()
        }
        rows = {len(column) for columns in whole.values() for column in columns.values()}
        result: dict[str, dict[str, Any]] = {}
        for signal, columns in whole.items():
            for name, column in columns.items():
                if len(column) < max(rows):
                    # BentoML would cut the others to the shortest. What a row does not have is missing in it.
                    column = [*column, *[None] * (max(rows) - len(column))]
                cells = self._cells(signal, name, found[signal][name][0][3], column, single=False)
                result.setdefault(signal, {}).update(cells)
        if len(rows) > 1:
            lengths = f"{min(rows)} to {max(rows)} values"
            self._health.tell(
                f"monitor {monitor}", "monitor %r: columns of %s; what is not there counts as missing", monitor, lengths
            )
        return result

    def _cells(self, signal: str, name: str, data_type: str, data: Any, single: bool) -> Mapping[str, Any]:
        """What is counted of one column, or of one scalar."""
        if data_type == _SEQUENCE or getattr(data, "ndim", 1) > 1:
            return self._sequences(name, [data] if single else data)
        if data_type == _CATEGORICAL and not self._recording.is_known(signal, name):
            return {name: _category(data) if single else list(map(_category, data))}
        return {name: data}

    def _sequences(self, name: str, rows: Any) -> Mapping[str, Any]:
        """The norm and the mean of each sequence."""
        count = 1
        try:
            rows = [row for row in rows if row is not None]
            if not rows:
                return {}
            count = len(rows)
            width = len(rows[0])
            kept = rows[:: -(-count * width // _MAX_SEQUENCE_VALUES) or 1]
            matrix = np.asarray(kept, dtype=np.float64)
            if matrix.ndim == 2 and width:
                self._health.dropped(_ITEM, "sampled", count - len(kept))
                return {f"{name}.norm": np.linalg.norm(matrix, axis=1), f"{name}.mean": matrix.mean(axis=1)}
        except Exception:  # noqa: BLE001, S110 - no sequences, or some that fail: the record's other columns are counted
            pass
        self.refuse("monitor_sequence", count, f"{name!r}: sequences that are not of one length, or no numbers")
        return {}


def _joined(logged: Sequence[Entry]) -> Any:
    """The values of one column, in their order."""
    if len(logged) == 1 and logged[0][4]:
        return logged[0][0]
    values: list[Any] = []
    for data, _, _, _, batch in logged:
        if batch:
            values += data.tolist() if hasattr(data, "tolist") else data
        else:
            values.append(data)
    return values


def _category(cell: Any) -> Any:
    return cell if isinstance(cell, str) else category(cell)
