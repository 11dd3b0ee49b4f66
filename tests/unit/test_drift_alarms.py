"""How often drift is called without any, and how often it is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from _drift_samples import counted, matrix

from bento_observe.features.drift import METHODS, measure

FEATURES, TRAINING_ROWS, WINDOWS = 100, 10_000, 200


def alarms(
    draw: Callable[[tuple[int, int]], np.ndarray], rows: int, seed_rows: int = TRAINING_ROWS
) -> dict[str, float]:
    """By method the share of windows in which any of the features is called drifted, none of which is."""
    reference = matrix(draw((seed_rows, FEATURES)))
    count = dict.fromkeys(METHODS, 0)
    for _ in range(WINDOWS):
        found = measure(reference, counted(reference, draw((rows, FEATURES))))
        for method in METHODS:
            count[method] += bool(found.verdict(method).drifted.any())
    return {method: one / WINDOWS for method, one in count.items()}


@pytest.mark.parametrize("rows", [300, 500, 1000, 3000])
def test_windows_without_drift_are_seldom_called_drifted(rows: int) -> None:
    """Nominal 5 %, of windows of a hundred normal features. The floors make it fewer in long windows."""
    rng = np.random.default_rng(30 + rows)
    found = alarms(lambda size: rng.normal(size=size), rows)
    assert max(found.values()) <= 0.08, found


@pytest.mark.parametrize("name", ["lognormal", "poisson", "binary"])
def test_neither_tails_nor_few_values_raise_false_alarms(name: str) -> None:
    """By every method but the ratio of variances, which needs a kurtosis that is known well."""
    rng = np.random.default_rng(31)
    draw: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
        "lognormal": lambda size: rng.lognormal(size=size),
        "poisson": lambda size: rng.poisson(3.0, size=size).astype(float),
        "binary": lambda size: (rng.random(size=size) < 0.1).astype(float),
    }
    for rows in (300, 1000):
        found = alarms(draw[name], rows)
        found.pop("variance_ratio")
        assert max(found.values()) <= 0.08, (rows, found)


def test_a_small_reference_makes_no_more_false_alarms() -> None:
    """The critical values know its size: a thousand rows of training against three thousand served."""
    rng = np.random.default_rng(32)
    found = alarms(lambda size: rng.normal(size=size), 3000, seed_rows=1000)
    assert found["psi"] <= 0.08


def test_a_shift_of_a_fifth_of_a_deviation_is_found_in_a_thousand_rows() -> None:
    """Of one feature among a hundred, by every method that looks at location."""
    rng = np.random.default_rng(33)
    reference = matrix(rng.normal(size=(TRAINING_ROWS, FEATURES)))
    found = dict.fromkeys(METHODS, 0)
    for _ in range(WINDOWS):
        rows = rng.normal(size=(1000, FEATURES))
        rows[:, 0] += 0.2
        measures = measure(reference, counted(reference, rows))
        for method in METHODS:
            found[method] += bool(measures.verdict(method).drifted[0])
    found.pop("variance_ratio")
    assert min(found.values()) >= 0.85 * WINDOWS, found


def test_a_variance_larger_by_half_is_found_in_a_thousand_rows() -> None:
    rng = np.random.default_rng(34)
    reference = matrix(rng.normal(size=(TRAINING_ROWS, 20)))
    found = 0
    for _ in range(100):
        measures = measure(reference, counted(reference, rng.normal(scale=1.5**0.5, size=(1000, 20))))
        found += int(measures.verdict("variance_ratio").drifted.sum())
    assert found >= 0.95 * 100 * 20
