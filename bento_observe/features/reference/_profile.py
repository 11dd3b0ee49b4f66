"""From training data, wherever it comes from, to what a reference is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.features import _probabilities
from bento_observe.features._types import FloatArray
from bento_observe.features.reference._calibration import Calibration
from bento_observe.features.reference._columns import Codes, Column, of_codes, read
from bento_observe.features.reference._loss_tree import LossTree
from bento_observe.features.reference._outcomes import CALIBRATION, LOSSES, Losses, Outcomes
from bento_observe.features.reference._sample import RowSample
from bento_observe.features.reference._scan import CategoricalPlan, ColumnScan, NumericPlan
from bento_observe.features.reference._tally import CategoricalTally, NumericTally, tally_for
from bento_observe.features.reference._types import (
    BLOCK_ROWS,
    CategoricalReference,
    FeatureReference,
    Profile,
    SignalReference,
    VectorReference,
)

__all__ = ["MAX_SLICE_VALUES", "NOTHING_LEFT", "Chunk", "Source", "profile"]

MAX_SLICE_VALUES: Final = 20
"""So many values of a column have a slice each, the most frequent ones."""

NOTHING_LEFT: Final = "no column is left to profile: drop fewer, or give data that has some"

_INPUTS: Final = (semconv.SIGNAL_INPUT, semconv.SIGNAL_FEATURE)
_OUTPUTS: Final = (semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)

_Array = npt.NDArray[Any]
_Key = tuple[str, str]  # signal, feature


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows in a row: columns by signal and name, and those that make slices, all pandas Series or 1-D arrays.

    `names` are what all columns of a signal are called, repeated names included; not there for wide vectors.
    """

    rows: int
    signals: Mapping[str, Mapping[str, Any]]
    slices: Mapping[str, Any]
    names: Mapping[str, tuple[str, ...]]


class Source(Protocol):
    """Training data that can be read several times."""

    @property
    def vectors(self) -> Mapping[str, FloatArray]:
        """The mean vector of each signal whose columns are made of wide vectors."""
        ...

    def columns(self, signal: str) -> int:
        """How many columns the signal has."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """All rows, in chunks of any sizes."""
        ...

    def as_text(self, names: set[str]) -> bool:
        """Asks for these columns as text from now on; whether that made a difference."""
        ...


@dataclass(eq=False, slots=True)
class _Scans:
    rows: int = 0
    columns: dict[_Key, ColumnScan] = field(default_factory=dict)
    slices: dict[str, ColumnScan] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def profile(source: Source, loss_model: Any = None) -> Profile:
    """Reads `source` twice; once more where several outputs may be probabilities or where text is found late.

    `loss_model` is a tree that tells inputs apart, see `splits_of`.

    Raises:
        ValueError: there are no rows, or no column can be used.
    """
    scans = _first_pass(source, _probability_signals(source))
    mixed = {name for (_, name), scan in scans.columns.items() if scan.mixed}
    if source.as_text(mixed | {name for name, scan in scans.slices.items() if scan.mixed}):
        scans = _first_pass(source, set(scans.classes))
    if not scans.rows:
        raise ValueError("there are no rows to profile")
    plans: dict[_Key, NumericPlan | CategoricalPlan] = {}
    skipped: dict[str, str] = {}
    for (signal, name), scan in scans.columns.items():
        plan = scan.plan()
        if isinstance(plan, str):
            skipped[name if signal == semconv.SIGNAL_INPUT else f"{signal} {name}"] = plan
        else:
            plans[signal, name] = plan
    if not plans:
        if not skipped:
            raise ValueError(NOTHING_LEFT)
        raise ValueError("no column can be used: " + "; ".join(f"{name}: {why}" for name, why in skipped.items()))
    for name, scan in scans.slices.items():
        if scan.too_many_values:
            raise ValueError(
                f"column {name!r} has too many different values for slices: give one of categories, or bin it"
            )
    values = {name: scan.most_frequent(MAX_SLICE_VALUES) for name, scan in scans.slices.items()}
    counts = _Counts(plans, values)
    outcomes = Outcomes(scans.classes.get(semconv.SIGNAL_PREDICTION), source.columns(semconv.SIGNAL_LABEL))

    losses = Losses(loss_model)

    def counted() -> Iterator[list[_Array]]:
        for chunk in source.chunks():
            outcomes.add(chunk.signals)
            losses.add(chunk.signals)
            yield counts.arrays(chunk, scans.classes)

    for block in _blocks(counted()):
        counts.add(block)
    calibration = outcomes.calibration()
    if isinstance(calibration, str):
        skipped[CALIBRATION] = calibration
    tree = losses.tree()
    if isinstance(tree, str):
        skipped[LOSSES] = tree
    vectors = {signal: VectorReference(mean) for signal, mean in source.vectors.items()}

    def signals(features: Mapping[_Key, FeatureReference]) -> dict[str, SignalReference]:
        by_signal: dict[str, dict[str, FeatureReference]] = {}
        for (signal, name), feature in features.items():
            by_signal.setdefault(signal, {})[name] = feature
        return {
            signal: SignalReference(
                "",
                by_signal[signal],
                scans.classes.get(signal),
                vectors.get(signal),
                scans.names.get(signal, ()),
                calibration if signal == semconv.SIGNAL_PREDICTION and isinstance(calibration, Calibration) else None,
                tree if signal == semconv.SIGNAL_INPUT and isinstance(tree, LossTree) else None,
            )
            for signal in (*_INPUTS, *_OUTPUTS)
            if signal in by_signal
        }

    slices = {
        column: {value: signals(counts.of_slice(column, value)) for value in found} for column, found in values.items()
    }
    return Profile(scans.rows, signals(counts.of_all()), slices, skipped)


def _probability_signals(source: Source) -> set[str]:
    """The outputs whose columns, several of them, are class probabilities in all rows."""
    open_ones = {signal for signal in _OUTPUTS if source.columns(signal) > 1}
    found: set[str] = set()
    for chunk in source.chunks() if open_ones else ():
        for signal in sorted(open_ones):
            columns = list(map(read, chunk.signals[signal].values()))
            numeric = not any(column.texts or column.booleans or column.others for column in columns)
            matrix = _matrix(columns)
            if numeric and np.isnan(matrix).any(axis=1).all():
                continue  # rows without values say nothing
            if numeric and _probabilities.is_probabilities(matrix):
                found.add(signal)
            else:
                open_ones.remove(signal)
        if not open_ones:
            break
    return found & open_ones


def _matrix(columns: Iterable[Column]) -> FloatArray:
    return np.stack([column.floats for column in columns], axis=1)


def _columns(chunk: Chunk, signal: str, probabilities: bool) -> dict[str, Column]:
    columns = {name: read(cells) for name, cells in chunk.signals[signal].items()}
    if not probabilities:
        return columns
    classes, *numeric = _probabilities.derived(_matrix(columns.values()))
    made = {_probabilities.CLASS: of_codes(classes, list(columns))}
    return made | dict(zip(_probabilities.NUMERIC, map(read, numeric), strict=True))


def _first_pass(source: Source, probabilities: set[str]) -> _Scans:
    scans = _Scans()
    sample = RowSample()

    def settle(final: bool = False) -> None:
        if (kept := sample.settle(final=final)) is not None:
            for scan in scans.columns.values():
                scan.keep(kept)

    for chunk in source.chunks():
        scans.rows += chunk.rows
        scans.names = chunk.names
        picked = sample.pick(chunk.rows)
        for signal in chunk.signals:
            if signal in probabilities:
                scans.classes[signal] = tuple(chunk.signals[signal])
            for name, column in _columns(chunk, signal, signal in probabilities).items():
                key = signal, name
                if key not in scans.columns:
                    scans.columns[key] = ColumnScan(output=signal in _OUTPUTS and signal not in probabilities)
                scans.columns[key].add(column, picked)
        for name, cells in chunk.slices.items():
            scans.slices.setdefault(name, ColumnScan(output=False, grouping=True)).add(read(cells), picked[:0])
        settle()
    settle(final=True)
    return scans


class _Counts:
    """Tallies of everything in all rows, and in each slice of them."""

    def __init__(self, plans: Mapping[_Key, NumericPlan | CategoricalPlan], values: Mapping[str, list[str]]) -> None:
        self._plans = plans
        self._values = {name: {value: code for code, value in enumerate(found)} for name, found in values.items()}
        # Of all rows the categories are counted already.
        self._keys = [key for key, plan in plans.items() if values or isinstance(plan, NumericPlan)]
        self._all = {key: tally_for(plans[key]) for key in self._keys}
        self._slices = {
            (name, value): {key: tally_for(plans[key]) for key in self._keys}
            for name, found in values.items()
            for value in found
        }

    def arrays(self, chunk: Chunk, classes: Mapping[str, Any]) -> list[_Array]:
        """What is to be counted in a chunk, an array for each feature, and the codes of the columns of slices."""
        columns: dict[str, dict[str, Column]] = {}
        arrays: list[_Array] = []
        for signal, name in self._keys:
            if signal not in columns:
                columns[signal] = _columns(chunk, signal, signal in classes)
            column, tally = columns[signal][name], self._all[signal, name]
            if isinstance(tally, NumericTally):
                arrays.append(column.floats)
            else:
                arrays.append(tally.codes(*column.categories()))
        for name, known in self._values.items():
            codes, names = read(chunk.slices[name]).categories()
            arrays.append(np.array([known.get(value, -1) for value in names] + [-1], np.intp)[codes])
        return arrays

    def add(self, block: list[_Array]) -> None:
        """Counts a block."""
        features = dict(zip(self._keys, block, strict=False))
        self._add(self._all, features, None)
        for (name, known), codes in zip(self._values.items(), block[len(self._keys) :], strict=True):
            for value, code in known.items():
                rows = np.flatnonzero(codes == code)
                if rows.size:
                    self._add(self._slices[name, value], features, rows)

    @staticmethod
    def _add(
        tallies: Mapping[_Key, NumericTally | CategoricalTally], features: Mapping[_Key, _Array], rows: Codes | None
    ) -> None:
        for key, tally in tallies.items():
            if rows is not None or isinstance(tally, NumericTally):
                tally.add(features[key] if rows is None else features[key][rows])

    def of_all(self) -> dict[_Key, FeatureReference]:
        """The features in all rows."""
        return {
            key: CategoricalReference(plan.kind, plan.count, plan.missing, plan.distinct, plan.categories)
            if isinstance(plan, CategoricalPlan)
            else self._all[key].result()
            for key, plan in self._plans.items()
        }

    def of_slice(self, name: str, value: str) -> dict[_Key, FeatureReference]:
        """The features in the rows that have this value in that column."""
        return {key: tally.result() for key, tally in self._slices[name, value].items()}


def _blocks(chunks: Iterable[list[_Array]]) -> Iterator[list[_Array]]:
    """The same arrays, all of them cut anew after every `BLOCK_ROWS` rows."""
    waiting: list[list[_Array]] = []
    rows = 0
    for chunk in chunks:
        if not chunk:
            continue
        waiting.append(chunk)
        rows += chunk[0].size
        while rows >= BLOCK_ROWS:
            joined = [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*waiting, strict=True)]
            yield [array[:BLOCK_ROWS] for array in joined]
            waiting = [[array[BLOCK_ROWS:] for array in joined]]
            rows -= BLOCK_ROWS
    if rows:
        yield [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
