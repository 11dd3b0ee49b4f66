"""What the columns of a table are: inputs, predictions, labels, or only what slices are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bento_observe import semconv

__all__ = ["Roles", "as_names"]


def as_names(columns: Any) -> tuple[str, ...]:
    """What columns are called: `columns` is one name, several, or None; what is no string counts as what it prints."""
    if columns is None:
        return ()
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        return (str(columns),)
    return tuple(map(str, columns))


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns. Those of `prediction` and `label` are no inputs, nor are those to `drop`."""

    prediction: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def apart(
        self, columns: Iterable[object], column: Callable[[int], Any]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any], dict[str, tuple[str, ...]]]:
        """The columns of a table by signal and name, those that make slices, and what all of each signal are called.

        Of columns with one name the first one counts, but the names have all of them.

        `columns` are the names, `column` gives the one at a position.

        Raises:
            ValueError: a column is not there.
        """
        positions: dict[str, int] = {}
        called = list(map(str, columns))
        for position, name in enumerate(called):
            positions.setdefault(name, position)
        for name in (*self.prediction, *self.label, *self.slices, *self.drop):
            if name not in positions:
                raise ValueError(f"there is no column {name!r}; there are {_listed(positions)}")
        elsewhere = {*self.prediction, *self.label, *self.drop}
        names = {
            semconv.SIGNAL_INPUT: tuple(name for name in called if name not in elsewhere),
            semconv.SIGNAL_PREDICTION: tuple(dict.fromkeys(self.prediction)),
            semconv.SIGNAL_LABEL: tuple(dict.fromkeys(self.label)),
        }
        names = {signal: found for signal, found in names.items() if found}
        signals = {signal: {name: column(positions[name]) for name in found} for signal, found in names.items()}
        return signals, {name: column(positions[name]) for name in self.slices}, names


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
