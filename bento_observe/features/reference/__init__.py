"""The training data, summed up: what serving is compared with."""

from bento_observe.features.reference._types import (
    CategoricalReference,
    FeatureReference,
    NumericReference,
    SignalReference,
    VectorReference,
)

__all__ = ["CategoricalReference", "FeatureReference", "NumericReference", "SignalReference", "VectorReference"]
