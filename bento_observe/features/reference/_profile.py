"""From training data, wherever it comes from, to what a reference is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bento_observe import semconv
from bento_observe.features import _probabilities
from bento_observe.features.reference._calibration import Calibration
from bento_observe.features.reference._columns import read
from bento_observe.features.reference._counts import Counts, Key, blocks
from bento_observe.features.reference._loss_tree import LossTree
from bento_observe.features.reference._losses import LOSSES, losses_of
from bento_observe.features.reference._outcomes import CALIBRATION, Outcomes
from bento_observe.features.reference._sample import RowSample
from bento_observe.features.reference._scan import CategoricalPlan, ColumnScan, NumericPlan
from bento_observe.features.reference._scores import is_score
from bento_observe.features.reference._source import Source, columns_of, matrix_of
from bento_observe.features.reference._types import FeatureReference, Profile, SignalReference, VectorReference

__all__ = ["MAX_SLICE_VALUES", "NOTHING_LEFT", "profile"]

MAX_SLICE_VALUES: Final = 20
"""So many values of a column have a slice each, the most frequent ones."""

NOTHING_LEFT: Final = "no column is left to profile: drop fewer, or give data that has some"

_INPUTS: Final = (semconv.SIGNAL_INPUT, semconv.SIGNAL_FEATURE)
_OUTPUTS: Final = (semconv.SIGNAL_PREDICTION, semconv.SIGNAL_LABEL)


@dataclass(eq=False, slots=True)
class _Scans:
    rows: int = 0
    columns: dict[Key, ColumnScan] = field(default_factory=dict)
    slices: dict[str, ColumnScan] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def profile(source: Source, loss_model: Any = None) -> Profile:
    """Reads `source` twice; once more where several outputs may be probabilities or where text is found late.

    `loss_model` is a tree that tells inputs apart, or has one fitted, see `losses_of`.

    Raises:
        ValueError: there are no rows, no column can be used, or of `losses_of`.
    """
    losses_of(loss_model, ())  # what is wrong with it is told before hours of reading
    scans = _first_pass(source, _probability_signals(source))
    mixed = {name for (_, name), scan in scans.columns.items() if scan.mixed}
    if source.as_text(mixed | {name for name, scan in scans.slices.items() if scan.mixed}):
        scans = _first_pass(source, set(scans.classes))
    if not scans.rows:
        raise ValueError("there are no rows to profile")
    plans: dict[Key, NumericPlan | CategoricalPlan] = {}
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
    counts = Counts(plans, values)
    numbers = [
        name
        for (signal, name), plan in plans.items()
        if signal == semconv.SIGNAL_INPUT and isinstance(plan, NumericPlan) and plan.kind != "constant"
    ]
    losses = losses_of(loss_model, numbers)
    of_outputs = ([plan for (signal, _), plan in plans.items() if signal == wanted] for wanted in _OUTPUTS)
    # Of a column that was left out there is no plan, but it is a prediction all the same.
    lone = all(source.columns(signal) == 1 for signal in _OUTPUTS)
    outcomes = Outcomes(
        scans.classes.get(semconv.SIGNAL_PREDICTION),
        source.columns(semconv.SIGNAL_LABEL),
        lone and is_score(*of_outputs),
    )

    def counted() -> Iterator[list[npt.NDArray[Any]]]:
        for chunk in source.chunks():
            outcomes.add(chunk.signals)
            losses.add(chunk.signals)
            yield counts.arrays(chunk, scans.classes)

    for block in blocks(counted()):
        counts.add(block)
    calibration = outcomes.calibration()
    if isinstance(calibration, str):
        skipped[CALIBRATION] = calibration
    tree = losses.tree()
    if isinstance(tree, str):
        skipped[LOSSES] = tree
    vectors = {signal: VectorReference(mean) for signal, mean in source.vectors.items()}

    def signals(features: Mapping[Key, FeatureReference]) -> dict[str, SignalReference]:
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
            matrix = matrix_of(columns)
            if numeric and np.isnan(matrix).any(axis=1).all():
                continue  # rows without values say nothing
            if numeric and _probabilities.is_probabilities(matrix):
                found.add(signal)
            else:
                open_ones.remove(signal)
        if not open_ones:
            break
    return found & open_ones


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
            for name, column in columns_of(chunk, signal, signal in probabilities).items():
                key = signal, name
                if key not in scans.columns:
                    scans.columns[key] = ColumnScan(output=signal in _OUTPUTS and signal not in probabilities)
                scans.columns[key].add(column, picked)
        for name, cells in chunk.slices.items():
            scans.slices.setdefault(name, ColumnScan(output=False, grouping=True)).add(read(cells), picked[:0])
        settle()
    settle(final=True)
    return scans
