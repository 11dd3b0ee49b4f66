"""Bucket edges: values of the data, never too many, a bucket of its own for what repeats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bento_observe import FeatureStatistics, Reference, drift
from bento_observe.features.reference._edges import MAX_EDGES, quantile_edges

SEED = 20261122
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(FINITE, st.sampled_from([0.0, -0.0, 1.0, 5e-324, -5e-324])), min_size=1, max_size=300))
def test_edges_increase_and_are_never_too_many(values: list[float]) -> None:
    """Whatever the values, repeated ones included; all lie within."""
    data = np.array(values)
    edges = quantile_edges(data, data.min(), data.max())
    assert 1 <= edges.size <= MAX_EDGES
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()
    assert edges[-1] == data.max()
    assert np.searchsorted(edges, data).max() < edges.size


@pytest.mark.parametrize("share", [0.06, 0.3, 0.9])
def test_a_value_that_repeats_has_a_bucket_of_its_own(share: float) -> None:
    """As many in it as there are; and moving it a little shows as drift."""
    rng = np.random.default_rng(SEED)
    training = pd.DataFrame({"amount": np.where(rng.random(5000) < share, 30.0, rng.lognormal(3, 1, 5000))})
    reference = Reference.from_frame(training)
    feature = reference.features["amount"]
    bucket = int(np.searchsorted(feature.edges, 30.0))
    assert feature.edges[bucket] == 30.0
    repeated = (training["amount"] == 30.0).sum()
    assert feature.counts[bucket] == repeated
    moved = FeatureStatistics(reference)
    moved.update(training.replace(30.0, 29.9))
    assert drift(reference, moved.snapshot(), method="ks").loc["amount", "ks"] == pytest.approx(repeated / 5000)
