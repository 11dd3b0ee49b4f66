"""Statistics of features: what they are made of, counted in the worker at a few nanoseconds a value.

An `update` passes `_intake` (on the request path), then at flush `_decode` or `_frames` (to columns of float64) and
`_state` (which counts them with `_moments` and `_search` or `_exponential`). `_snapshot` is what comes out, `_export`
writes it as OTLP.
"""

from bento_observe.features._bounds import Bounds
from bento_observe.features._export import encode
from bento_observe.features._histograms import Buckets, ExplicitHistogram, ExponentialHistogram
from bento_observe.features._snapshot import NumericFeature, Snapshot
from bento_observe.features._statistics import FeatureStatistics

__all__ = [
    "Bounds",
    "Buckets",
    "ExplicitHistogram",
    "ExponentialHistogram",
    "FeatureStatistics",
    "NumericFeature",
    "Snapshot",
    "encode",
]
