"""Some columns of what arrived, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bento_observe.features._decode import to_floats
from bento_observe.features._types import Arrived, Batch, Cells, FloatArray

__all__ = ["picked"]


def picked(arrived: Arrived, names: Sequence[str]) -> FloatArray | None:
    """Columns `names`, float64, rows x columns, NaN where there is no number; None where one of them is not there.

    Of two columns with one name the first counts.
    """
    if not isinstance(arrived, (Batch, Cells)):
        return None
    positions = {name: position for position, name in reversed(list(enumerate(arrived.names)))}
    if any(name not in positions for name in names):
        return None
    places = [positions[name] for name in names]
    if isinstance(arrived, Batch):
        return arrived.columns[places].T
    length = len(arrived.columns[0]) if arrived.columns else 0
    columns = [to_floats(arrived.columns[place])[0] for place in places]
    return np.stack(columns, axis=1) if columns else np.empty((length, 0))
