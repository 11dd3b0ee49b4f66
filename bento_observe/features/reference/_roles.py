"""What the columns of a table are: inputs, predictions, labels, or only what slices are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bento_observe import semconv

__all__ = ["Roles"]


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns. Those of `prediction` and `label` are no inputs, nor are those to `drop`."""

    prediction: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def apart(
        self, columns: Iterable[object], column: Callable[[int], Any]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """The columns of a table by signal and name, and those that make slices; of one name the first one counts.

        `columns` are the names, `column` gives the one at a position.

        Raises:
            ValueError: a column is not there.
        """
        positions: dict[str, int] = {}
        for position, name in enumerate(map(str, columns)):
            positions.setdefault(name, position)
        for name in (*self.prediction, *self.label, *self.slices, *self.drop):
            if name not in positions:
                raise ValueError(f"there is no column {name!r}; there are {_listed(positions)}")
        elsewhere = {*self.prediction, *self.label, *self.drop}
        names: Mapping[str, Iterable[str]] = {
            semconv.SIGNAL_INPUT: [name for name in positions if name not in elsewhere],
            semconv.SIGNAL_PREDICTION: self.prediction,
            semconv.SIGNAL_LABEL: self.label,
        }
        signals = {signal: {name: column(positions[name]) for name in found} for signal, found in names.items()}
        signals = {signal: found for signal, found in signals.items() if found}
        return signals, {name: column(positions[name]) for name in self.slices}


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
