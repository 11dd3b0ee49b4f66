"""Statistics of features: what they are made of, counted in the worker at a few nanoseconds a value.

An `update` passes `_intake` and `_containers` (on the request path), then at flush `_decode` or `_frames` (to columns),
`_derived` (probabilities and vectors) and `_state`, which counts numbers in `_numbers` (with `_moments`, `_search` or
`_exponential`, in the memory of `_workspace`) and all else in `_categories`. `_feature` and `_snapshot` are what comes
out, `_export` writes it as OTLP. `reference` is the training data summed up, `drift` compares the two.
"""

from bento_observe.features._export import Group, encode
from bento_observe.features._feature import CategoricalFeature, Deviations, Feature, NumericFeature
from bento_observe.features._histograms import Buckets, ExplicitHistogram, ExponentialHistogram
from bento_observe.features._schema import Bounds
from bento_observe.features._snapshot import Snapshot
from bento_observe.features._statistics import FeatureStatistics
from bento_observe.features._text import MAX_TEXT, category, small_cells

__all__ = [
    "MAX_TEXT",
    "Bounds",
    "Buckets",
    "CategoricalFeature",
    "Deviations",
    "ExplicitHistogram",
    "ExponentialHistogram",
    "Feature",
    "FeatureStatistics",
    "Group",
    "NumericFeature",
    "Snapshot",
    "category",
    "encode",
    "small_cells",
]
