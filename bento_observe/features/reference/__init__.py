"""The training data, summed up: what serving is compared with.

`_tables` (memory) and `_files` (Parquet, CSV) give chunks of columns, which `_roles` tells apart and `_columns` reads.
`_profile` passes over them twice: `_scan` finds what each column is, its `_edges` on a `_sample` and its categories;
`_counts` has everything tallied (`_tally`), for all rows and for slices, while `_outcomes` compares predictions with
labels, by `_class_names` or as `_scores`, which is what their `_calibration`, of `_isotonic` curves, is made of, and
`_losses` the losses of a `_loss_tree`. `_reference` is what comes out, `_document` writes it, `_load` reads it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bento_observe.features.reference._calibration import Calibration, Curve
from bento_observe.features.reference._loss_tree import LossTree
from bento_observe.features.reference._types import (
    CategoricalReference,
    FeatureReference,
    NumericReference,
    SignalReference,
    VectorReference,
)

if TYPE_CHECKING:
    from bento_observe.features.reference._errors import BadReferenceError
    from bento_observe.features.reference._reference import Reference

__all__ = [
    "BadReferenceError",
    "Calibration",
    "CategoricalReference",
    "Curve",
    "FeatureReference",
    "LossTree",
    "NumericReference",
    "Reference",
    "SignalReference",
    "VectorReference",
]

# Imported when asked for: a worker without a reference does without.
_HOMES = {"BadReferenceError": "_errors", "Reference": "_reference"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
