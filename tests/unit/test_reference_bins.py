"""Drift bins: what is rare in the training data makes none, so that it is no false alarm where it is served."""

from __future__ import annotations

import numpy as np
import pytest
from _drift_samples import counted, signal

from bento_observe.features.drift import measure
from bento_observe.features.reference._bins import category_bins, numeric_bins


def test_rare_categories_share_a_bin_with_unseen_ones() -> None:
    """Where none is rare, what was never seen is something new."""
    assert category_bins(np.array([900, 90, 4, 0, 0]), rarest=4).tolist() == [0, 1, 2, 2, 2]
    assert category_bins(np.array([900, 90, 0, 0]), rarest=90).tolist() == [0, 1, 2, 2]
    assert category_bins(np.array([900, 90, 12, 0, 0]), rarest=12).tolist() == [0, 1, 2, 2, 3]
    assert category_bins(np.array([1, 1, 98, 0]), rarest=0).tolist() == [0, 0, 0, 0]


def test_a_few_values_beside_a_common_one_are_a_bin_if_there_are_enough() -> None:
    assert numeric_bins(np.array([0, 9970, 30, 0]), few_values=True).tolist() == [2, 0, 1, 2]
    assert numeric_bins(np.array([0, 9971, 29, 0]), few_values=True).tolist() == [1, 0, 0, 1]
    assert numeric_bins(np.array([0, 50, 900, 50, 0]), few_values=False).tolist() == [0, 0, 1, 2, 2]
    assert numeric_bins(np.array([0, 997, 3, 0]), few_values=True).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("rows", [1000, 10_000])
def test_rare_values_and_long_tails_raise_few_false_alarms(rows: int) -> None:
    """Windows of sixty mixed features without drift, each against its own training data; nominal 5 %."""
    rng = np.random.default_rng(rows)
    tails = [1 / np.arange(1, size + 1) ** power for size, power in ((5, 2), (12, 1), (50, 2), (300, 1), (900, 1))]
    names = np.array([f"c{number}" for number in range(900)], object)

    def draw(size: int) -> dict[str, list[object]]:
        columns: dict[str, np.ndarray] = {}
        for copy in range(6):
            amounts = rng.lognormal(3, 1, size)
            columns |= {f"normal{copy}": rng.normal(size=size), f"poisson{copy}": rng.poisson(1.0, size).astype(float)}
            columns |= {f"amount{p}{copy}": np.where(rng.random(size) < p, amounts, 0.0) for p in (0.02, 0.05)}
            columns[f"rare{copy}"] = (rng.random(size) < 0.003).astype(float)
            for tail in tails:
                columns[f"zipf{tail.size}{copy}"] = names[rng.choice(tail.size, size, p=tail / tail.sum())]
        return {name: column.tolist() for name, column in columns.items()}

    alarms = dict.fromkeys(("psi", "js", "chi2"), 0)
    for _ in range(35):
        training = {n: np.array(c) if isinstance(c[0], float) else c for n, c in draw(rows).items()}
        reference = signal(training)  # type: ignore[arg-type]
        for size in (300, 1000, 5000):
            found = measure(reference, counted(reference, draw(size)))
            for method in alarms:
                alarms[method] += bool(found.verdict(method).drifted.any())
    assert max(alarms.values()) / 105 <= 0.08, alarms
