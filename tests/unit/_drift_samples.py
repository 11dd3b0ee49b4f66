"""References made by hand of plain arrays, which the tests of drift share, and that they are what references are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from bento_observe.features import FeatureStatistics, Snapshot
from bento_observe.features.reference import CategoricalReference, NumericReference, SignalReference

MAX_FEW = 20
QUANTILES = np.array([0.001, 0.005, 0.01, *np.arange(1, 40) * 0.025, 0.99, 0.995, 0.999])


def numeric(values: np.ndarray, missing: int = 0) -> NumericReference:
    """The reference of one column of finite numbers: edges at order statistics, or one for each of few values."""
    values = np.asarray(values, np.float64)
    distinct = np.unique(values)
    few = distinct.size <= MAX_FEW
    order = np.quantile(values, QUANTILES, method="inverted_cdf")
    inner = distinct if few else np.append(order, values.max())
    edges = np.unique(np.append(inner, np.nextafter(values.min(), -np.inf)))
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)
    variance = values.var()
    constant = distinct.size == 1
    return NumericReference(
        kind="constant" if constant else "numeric",
        count=values.size,
        missing=missing,
        non_finite=0,
        min=float(values.min()),
        max=float(values.max()),
        mean=float(values.mean()),
        variance=float(variance),
        kurtosis=float("nan") if constant else float(((values - values.mean()) ** 4).mean() / variance**2),
        distinct=distinct.size if few else None,
        edges=edges,
        counts=counts.astype(np.int64),
    )


def categorical(values: Sequence[str], missing: int = 0) -> CategoricalReference:
    """The reference of one column of text."""
    counts = dict(sorted(Counter(values).items(), key=lambda one: (-one[1], one[0])))
    return CategoricalReference("categorical", len(values), missing, len(counts), counts)


def signal(columns: Mapping[str, np.ndarray | Sequence[str]]) -> SignalReference:
    """A signal of numeric (arrays) and categorical (lists) columns, called `r`."""
    return SignalReference(
        "r", {n: numeric(c) if isinstance(c, np.ndarray) else categorical(c) for n, c in columns.items()}
    )


def matrix(rows: np.ndarray) -> SignalReference:
    """A signal whose features are the columns of `rows`, called "0", "1", ..."""
    return signal({str(number): column for number, column in enumerate(rows.T)})


def counted(reference: SignalReference, data: object) -> Snapshot:
    """What the aggregator makes of `data`."""
    statistics = FeatureStatistics(reference)
    statistics.update(data)
    return statistics.snapshot()


def mid_ranks(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each value the share of `reference` below it, and half of what is equal to it."""
    ordered = np.sort(reference)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * ordered.size)


def test_the_aggregator_counts_the_training_data_as_the_reference_has_it() -> None:
    """Nothing lies outside, and no bucket of a continuous feature has more than a fortieth and a few."""
    rng = np.random.default_rng(0)
    columns = {"normal": rng.normal(size=5000), "poisson": rng.poisson(2.0, 5000).astype(float)}
    reference = signal(columns)
    snapshot = counted(reference, {name: values.tolist() for name, values in columns.items()})
    for name, expected in reference.features.items():
        np.testing.assert_array_equal(snapshot.features[name].counts, expected.counts)
        assert expected.counts[0] == expected.counts[-1] == 0
    assert reference.features["normal"].counts.max() <= 5000 / 40 + 1


def test_mid_ranks_are_uniform_on_average() -> None:
    values = np.random.default_rng(1).poisson(3.0, 2000)
    assert mid_ranks(values, values).mean() == 0.5
