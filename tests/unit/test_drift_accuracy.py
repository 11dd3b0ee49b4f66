"""The accuracy study: distances from some fifty buckets beside those of the raw samples.

Bounds: 0.005 of Kolmogorov-Smirnov, 1.5 % of Wasserstein between mid-ranks where there is drift. Without drift the
latter is 0.002 or so, much of it noise inside the buckets, and the bound is 0.0005 in absolute terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from _drift_samples import counted, matrix, mid_ranks
from scipy import stats
from sklearn import datasets

from bento_observe.features.drift import measure

ROWS = 10_000

DISTRIBUTIONS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda rng: rng.normal(size=ROWS),
    "lognormal": lambda rng: rng.lognormal(size=ROWS),
    "t2": lambda rng: rng.standard_t(2, size=ROWS),
    "pareto": lambda rng: 1 + rng.pareto(1.5, size=ROWS),
    "poisson 4": lambda rng: rng.poisson(4, size=ROWS).astype(float),
    "poisson 40": lambda rng: rng.poisson(40, size=ROWS).astype(float),
}
DATA_SETS = {
    "breast cancer": datasets.load_breast_cancer, "wine": datasets.load_wine, "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits, "iris": datasets.load_iris,
}  # fmt: skip


def distances(train: np.ndarray, window: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """KS and Wasserstein, from the buckets and from the raw samples."""
    reference = matrix(train[:, None])
    found = measure(reference, counted(reference, window[:, None])).values
    ks = stats.ks_2samp(train, window, method="asymp").statistic
    wasserstein = stats.wasserstein_distance(mid_ranks(train, train), mid_ranks(train, window))
    return (float(found["ks"][0]), float(found["wasserstein"][0])), (float(ks), float(wasserstein))


def drifts(values: np.ndarray, fresh: Callable[[], np.ndarray], *, whole: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Shifts by parts of the interquartile range and changes of scale, of whole numbers to whole numbers."""
    spread = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.35
    for part in (0.1, 0.2, 0.5, 1.0):
        yield f"shifted by {part}", fresh() + (max(1.0, round(2 * part * spread)) if whole else part * spread)
    for factor in (0.7, 1.3, 2.0):
        yield f"times {factor}", np.round(fresh() * factor) if whole else fresh() * factor


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distances_of_distributions_are_those_of_the_raw_samples(name: str) -> None:
    """Heavy tails, few values and a support that moves (Pareto times 1.3) included."""
    rng = np.random.default_rng(20)
    draw = DISTRIBUTIONS[name]
    train = draw(rng)
    (ks, wasserstein), (raw_ks, raw_wasserstein) = distances(train, draw(rng))
    assert ks == pytest.approx(raw_ks, abs=0.005)
    assert wasserstein == pytest.approx(raw_wasserstein, abs=0.0005)
    for drift, window in drifts(train, lambda: draw(rng), whole=name.startswith("poisson")):
        (ks, wasserstein), (raw_ks, raw_wasserstein) = distances(train, window)
        assert ks == pytest.approx(raw_ks, abs=0.005), drift
        assert wasserstein == pytest.approx(raw_wasserstein, rel=0.015), drift


@pytest.mark.parametrize("name", DATA_SETS)
def test_distances_of_real_columns_are_those_of_the_raw_samples(name: str) -> None:
    """Every column: trained on the data set, served 10,000 rows of it of which those with high values are more."""
    rng = np.random.default_rng(21)
    for number, column in enumerate(DATA_SETS[name]().data.T.astype(float)):
        if np.unique(column).size == 1:
            continue
        score = np.clip((column - column.mean()) / column.std(), -5, 5)
        for strength in (0.25, 1.0):
            weights = np.exp(strength * score)
            window = rng.choice(column, ROWS, p=weights / weights.sum())
            (ks, wasserstein), (raw_ks, raw_wasserstein) = distances(column, window)
            assert ks == pytest.approx(raw_ks, abs=0.005), (number, strength)
            assert wasserstein == pytest.approx(raw_wasserstein, rel=0.015), (number, strength)


@pytest.mark.parametrize("name", ["breast cancer", "diabetes", "digits"])
def test_what_moves_inside_a_bucket_is_seen_to_within_its_share(name: str) -> None:
    """The limit of buckets: values between two that training had are counted with the upper one, so where these are
    few, or training had a few hundred rows, distances are off, but never by more than the fullest bucket's share."""
    rng = np.random.default_rng(22)
    missed = 0
    for column in DATA_SETS[name]().data.T.astype(float):
        if np.unique(column).size == 1:
            continue
        train, window = np.split(rng.permutation(column)[: column.size // 2 * 2], 2)
        if np.unique(train).size == 1:
            continue
        share = matrix(train[:, None]).features["0"].counts.max() / train.size
        found, raw = distances(train, window + 0.5 * column.std())
        assert found == pytest.approx(raw, abs=share)
        missed += abs(found[0] - raw[0]) > 0.005 or abs(found[1] / raw[1] - 1) > 0.015
    assert missed
