"""Where bucket edges come from: the least that the aggregator asks of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from bento_observe.features._types import FloatArray

__all__ = ["Bounds", "checked_edges"]

_MAX_EDGES = 1023


@runtime_checkable
class Bounds(Protocol):
    """What gives features their explicit buckets. `Reference` is one; anything with these two attributes will do.

    `edges` maps a feature's name to its bucket edges: finite, strictly increasing, at most 1,023. An edge belongs to
    the bucket below it. `id` says which reference it is: numbers counted against different ones do not add up.
    """

    @property
    def id(self) -> str: ...

    @property
    def edges(self) -> Mapping[str, Sequence[float]]: ...


def checked_edges(bounds: Bounds) -> dict[str, FloatArray]:
    """The edges of every feature as read-only float64 arrays.

    Raises:
        ValueError: edges that are not 1 to 1,023 finite, strictly increasing numbers; the message names the feature.
    """
    edges: dict[str, FloatArray] = {}
    for name, values in bounds.edges.items():
        array = np.array(values, dtype=np.float64)
        good = array.ndim == 1 and 0 < array.size <= _MAX_EDGES
        if not (good and np.isfinite(array).all() and (np.diff(array) > 0).all()):
            raise ValueError(
                f"reference {bounds.id!r}, feature {name!r}: the bucket edges must be 1 to {_MAX_EDGES} finite, "
                "strictly increasing numbers; profile the training data again"
            )
        array.flags.writeable = False
        edges[str(name)] = array
    return edges
