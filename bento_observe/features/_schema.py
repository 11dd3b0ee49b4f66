"""What the aggregator wants to know of a reference before the first value comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from bento_observe import semconv
from bento_observe.features._types import FloatArray
from bento_observe.features.reference import (
    Calibration,
    CategoricalReference,
    LossTree,
    NumericReference,
    SignalReference,
)

__all__ = ["Bounds", "Schema", "schema_of"]

_MAX_EDGES = 1023

_REACH = 1000.0
"""In ranges of the training data: a value further away counts as that far, so that one which is wrong by orders of
magnitude does not take the digits from all that come after it."""


@runtime_checkable
class Bounds(Protocol):
    """The least that gives features explicit buckets.

    `edges` maps a feature's name to its bucket edges: finite, strictly increasing, at most 1,023. An edge belongs to
    the bucket below it. `id` says which reference it is: numbers counted against different ones do not add up.
    """

    @property
    def id(self) -> str: ...

    @property
    def edges(self) -> Mapping[str, Sequence[float] | FloatArray]: ...


@dataclass(frozen=True, slots=True)
class Schema:
    """The features that are known from the start.

    Attributes:
        reference_id: None where there is no reference.
        names: of all columns of the training data, in their order, those included of which the reference has no
            feature, so that arrays fit; None where there is no reference, or where it is of wide vectors.
        edges: read-only float64 arrays, for the numeric features.
        centers: for those of them that have one, the mean in training, and how far from it a value may count.
        categories: the categorical features.
        classes: column names, where columns are probabilities.
        vector: mean in training, where rows are vectors: float64, one element a dimension.
        calibration: what the probabilities are worth, where the reference says so.
        losses: how far off a regression is for which inputs, likewise.
    """

    reference_id: str | None
    names: tuple[str, ...] | None
    edges: Mapping[str, FloatArray]
    centers: Mapping[str, tuple[float, float]]
    categories: Mapping[str, CategoricalReference]
    classes: tuple[str, ...] | None = None
    vector: FloatArray | None = None
    calibration: Calibration | None = None
    losses: LossTree | None = None


def schema_of(reference: object) -> Schema:
    """The schema that `reference` gives: a `Reference` (its inputs), one of its signals, any `Bounds`, or None.

    Raises:
        TypeError: it is none of these.
        ValueError: edges that are not 1 to 1,023 finite, strictly increasing numbers; the message names the feature.
    """
    if reference is None:
        return Schema(None, None, {}, {}, {})
    signal = getattr(reference, "signal", None)
    if callable(signal):
        reference = signal(semconv.SIGNAL_INPUT) or SignalReference(reference.id, {})  # type: ignore[attr-defined]
    if isinstance(reference, SignalReference):
        numeric = {name: one for name, one in reference.features.items() if isinstance(one, NumericReference)}
        columns = reference.classes or reference.columns
        return Schema(
            reference.id,
            None if reference.vector is not None else columns or None,
            {name: _checked(reference.id, name, one.edges) for name, one in numeric.items()},
            {name: (one.mean, _reach(one)) for name, one in numeric.items()},
            {name: one for name, one in reference.features.items() if isinstance(one, CategoricalReference)},
            reference.classes,
            None if reference.vector is None else reference.vector.mean,
            reference.calibration,
            reference.losses,
        )
    if isinstance(reference, Bounds):
        edges = {str(name): _checked(reference.id, name, values) for name, values in reference.edges.items()}
        return Schema(reference.id, tuple(edges) or None, edges, {}, {})
    raise TypeError(f"{type(reference).__name__} is no reference: it has no `id` and no `edges`")


def _reach(one: NumericReference) -> float:
    spread = one.max - one.min
    return _REACH * (spread if spread > 0 else max(abs(one.mean), 1.0))


def _checked(reference_id: str, name: object, values: object) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    good = array.ndim == 1 and 0 < array.size <= _MAX_EDGES
    if not (good and np.isfinite(array).all() and (np.diff(array) > 0).all()):
        raise ValueError(
            f"reference {reference_id!r}, feature {name!r}: the bucket edges must be 1 to {_MAX_EDGES} finite, "
            "strictly increasing numbers; profile the training data again"
        )
    if isinstance(values, np.ndarray) and values.dtype == array.dtype and not values.flags.writeable:
        return values
    array.flags.writeable = False
    return array
