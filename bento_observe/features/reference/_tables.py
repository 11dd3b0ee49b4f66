"""Training data in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bento_observe import semconv
from bento_observe.features import _probabilities, _vectors
from bento_observe.features._decode import SINGLE_FEATURE
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._profile import NOTHING_LEFT
from bento_observe.features.reference._roles import Roles, as_names
from bento_observe.features.reference._source import Chunk
from bento_observe.features.reference._types import BLOCK_ROWS

__all__ = ["Tables", "tables"]

_VECTOR_BLOCK = 4096  # rows: with a thousand dimensions, 32 MiB


class Tables:
    """Columns, each a pandas Series or a one-dimensional array; and wide vectors by signal, rows x dimensions.

    It is a `Source`, and gives pieces of `BLOCK_ROWS`.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._signals: dict[str, dict[str, Any]] = {}
        self._slices: dict[str, Any] = {}
        self._vectors: dict[str, FloatArray] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    def add(self, signal: str, columns: Mapping[str, Any], names: Sequence[str]) -> None:
        """Adds the columns of a signal, which are of one length; `names` are what all of them are called."""
        if columns:
            self._signals[signal] = dict(columns)
            self._names[signal] = tuple(names)
            self._rows[signal] = len(next(iter(columns.values())))

    def add_slices(self, columns: Mapping[str, Any]) -> None:
        """Adds columns that make slices."""
        self._slices.update(columns)

    def add_vectors(self, signal: str, matrix: Any) -> None:
        """Adds vectors; their features are made of them here."""
        rows, width = matrix.shape
        totals, counts = np.zeros(width), np.zeros(width, np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            for block in _row_blocks(matrix):
                finite = np.isfinite(block)
                totals += np.where(finite, block, 0.0).sum(axis=0)
                counts += finite.sum(axis=0)
            mean: FloatArray = np.nan_to_num(totals / np.maximum(counts, 1))
        made = [_vectors.derived(block, mean) for block in _row_blocks(matrix)]
        if rows:
            self.add(signal, dict(zip(made[0][0], np.concatenate([one for _, one in made], axis=1), strict=True)), ())
            self._vectors[signal] = mean
        self._rows[signal] = rows

    def check(self) -> None:
        """Raises ValueError where the signals have different numbers of rows, or none."""
        if len(set(self._rows.values())) > 1:
            counts = ", ".join(f"{rows:,} of {signal}" for signal, rows in self._rows.items())
            raise ValueError(f"the rows of the signals must be the same ones, but there are {counts}")
        if not self._rows:
            raise ValueError(NOTHING_LEFT)
        if not any(self._rows.values()):
            raise ValueError("there are no rows to profile")

    @property
    def vectors(self) -> Mapping[str, FloatArray]:
        """The mean vector of each signal that has vectors."""
        return self._vectors

    def columns(self, signal: str) -> int:
        """How many columns the signal has."""
        return len(self._signals.get(signal, ()))

    def chunks(self) -> Iterator[Chunk]:
        """All rows."""
        total = next(iter(self._rows.values()), 0)
        for start in range(0, total, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, total)
            yield Chunk(
                end - start,
                {signal: _cut(columns, start, end) for signal, columns in self._signals.items()},
                _cut(self._slices, start, end),
                self._names,
            )

    def as_text(self, names: set[str]) -> bool:
        """Never: values have the types they have."""
        return False


def _cut(columns: Mapping[str, Any], start: int, end: int) -> dict[str, Any]:
    return {
        name: one[start:end] if isinstance(one, np.ndarray) else one.iloc[start:end] for name, one in columns.items()
    }


def _row_blocks(matrix: Any) -> Iterator[FloatArray]:
    for start in range(0, len(matrix), _VECTOR_BLOCK):
        yield np.asarray(matrix[start : start + _VECTOR_BLOCK], dtype=np.float64)


def tables(
    data: Any,
    *,
    prediction: Any,
    label: Any,
    features: Any,
    slices: Any,
    drop: Any,
    names: Sequence[str] | None,
) -> Tables:
    """What `Reference.from_frame` was given, as `Tables`.

    Raises:
        ValueError: as `Reference.from_frame` says.
    """
    import pandas as pd

    made = Tables()
    outputs = {semconv.SIGNAL_PREDICTION: prediction, semconv.SIGNAL_LABEL: label}
    columns: dict[str, tuple[str, ...]] = {}
    if isinstance(data, pd.DataFrame):
        if names is not None:
            raise ValueError("`names` is for an array; the columns of a frame have names")
        own, column = list(map(str, data.columns)), partial(_frame_column, data)
    else:
        data = _array(data, "data")
        if data.ndim == 1:
            raise ValueError("the data has one dimension: give rows and columns, array.reshape(-1, 1) for one feature")
        own, column = _names(data.shape[1], names), partial(_array_column, data)
    if names is None and isinstance(data, np.ndarray) and _is_wide(data):
        if as_names(slices) or as_names(drop) or any(isinstance(one, str) for one in outputs.values()):
            raise ValueError(f"an array of {data.shape[1]} columns without names has no columns to name")
        made.add_vectors(semconv.SIGNAL_INPUT, data)
    else:
        columns = {signal: _column_names(output, own, len(data)) for signal, output in outputs.items()}
        predictions, labels = columns.values()
        signals, grouping, called = Roles(predictions, labels, as_names(slices), as_names(drop)).apart(own, column)
        for signal, found in signals.items():
            made.add(signal, found, called[signal])
        made.add_slices(grouping)
    for signal, output in {semconv.SIGNAL_FEATURE: features, **outputs}.items():
        if output is not None and not columns.get(signal):
            _add_values(made, signal, output)
    made.check()
    return made


def _frame_column(frame: Any, position: int) -> Any:
    return frame.iloc[:, position]


def _array_column(array: Any, position: int) -> Any:
    return array[:, position]


def _column_names(output: Any, names: Sequence[str], rows: int) -> tuple[str, ...]:
    """The columns, of those with `names`, that a prediction or label is, if it is some."""
    if isinstance(output, (str, int, np.integer)):
        return as_names(output)
    if not (isinstance(output, (list, tuple)) and output):
        return ()
    # A list of labels is possible too, and has one for each row. Integers more often are labels.
    if all(isinstance(one, str) for one in output):
        return as_names(output) if set(names).issuperset(output) or len(output) != rows else ()
    known = all(isinstance(one, (str, int, np.integer)) for one in output) and set(names).issuperset(as_names(output))
    return as_names(output) if known and len(output) != rows else ()


def _add_values(made: Tables, signal: str, values: Any) -> None:
    import pandas as pd

    if isinstance(values, pd.Series):
        name = SINGLE_FEATURE if values.name is None else str(values.name)
        made.add(signal, {name: values}, [name])
    elif isinstance(values, pd.DataFrame):
        signals, _, called = Roles().apart(values.columns, partial(_frame_column, values))
        made.add(signal, signals.get(semconv.SIGNAL_INPUT, {}), called.get(semconv.SIGNAL_INPUT, ()))
    else:
        array = _array(values, signal)
        if array.ndim == 1 or (array.shape[1] == 1 and signal != semconv.SIGNAL_FEATURE):
            made.add(signal, {SINGLE_FEATURE: array.reshape(-1)}, [SINGLE_FEATURE])
        elif _is_wide(array) and not (signal != semconv.SIGNAL_FEATURE and _are_probabilities(array)):
            made.add_vectors(signal, array)
        else:
            names = _names(array.shape[1], None)
            made.add(signal, {name: array[:, position] for position, name in enumerate(names)}, names)


def _array(values: Any, what: str) -> np.ndarray[Any, np.dtype[Any]]:
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.ndim not in (1, 2):
        raise ValueError(f"the {what} must be a frame or an array of one or two dimensions, not of {array.ndim}")
    return array


def _names(width: int, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return list(map(str, range(width)))
    if len(names) != width:
        raise ValueError(f"{len(names)} names for {width} columns")
    own = list(map(str, names))
    if len(set(own)) < width:
        repeated = next(name for position, name in enumerate(own) if name in own[:position])
        raise ValueError(f"there is more than one {repeated!r} among the names")
    return own


def _is_wide(array: np.ndarray[Any, np.dtype[Any]]) -> bool:
    return array.ndim == 2 and array.shape[1] > _vectors.MAX_COLUMNS and array.dtype.kind in "fiub"


def _are_probabilities(array: np.ndarray[Any, np.dtype[Any]]) -> bool:
    known = [block for block in _row_blocks(array) if not np.isnan(block).any(axis=1).all()]
    return bool(known) and all(map(_probabilities.is_probabilities, known))
