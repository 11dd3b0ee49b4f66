"""The training data, summed up: what serving is compared with.

`_tables` (memory) and `_files` (Parquet, CSV) give chunks of columns, which `_roles` tells apart and `_columns` reads.
`_profile` passes over them twice: `_scan` finds what each column is, its `_edges` on a `_sample` and its categories;
`_tally` counts, for all rows and for slices. `_reference` is what comes out, `_document` writes it, `_load` reads it.
"""

from bento_observe.features.reference._errors import BadReferenceError
from bento_observe.features.reference._reference import Reference
from bento_observe.features.reference._types import (
    CategoricalReference,
    FeatureReference,
    NumericReference,
    SignalReference,
    VectorReference,
)

__all__ = [
    "BadReferenceError",
    "CategoricalReference",
    "FeatureReference",
    "NumericReference",
    "Reference",
    "SignalReference",
    "VectorReference",
]
