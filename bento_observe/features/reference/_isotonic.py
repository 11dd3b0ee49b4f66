"""Isotonic regression: from scores and what they came to, how often a score is right."""

from __future__ import annotations

from typing import Final

import numpy as np

from bento_observe.features._types import FloatArray

__all__ = ["MAX_STEPS", "isotonic"]

MAX_STEPS: Final = 128
"""A curve has at most so many steps, and twice as many knots."""


def isotonic(scores: FloatArray, truths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The knots of the curve that rises with `scores` and is nearest to `truths`: its abscissae and its ordinates.

    Both arguments are float64, one element a row, without NaN; `truths` are between 0 and 1. It is the least-squares
    fit under order restrictions, by pooling of adjacent violators (M. Ayer et al., "An empirical distribution function
    for sampling with incomplete information", 1955), as calibration by B. Zadrozny and C. Elkan ("Transforming
    classifier scores into accurate multiclass probability estimates", 2002). Each step has a knot at both of its ends;
    between steps the curve is a straight line, and outside it goes on as it ends.
    """
    knots, own, counts = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(own, truths, knots.size) / counts
    ends: list[int] = []
    values: list[float] = []
    weights: list[int] = []
    for position, (value, weight) in enumerate(zip(means.tolist(), counts.tolist(), strict=True)):
        while values and values[-1] >= value:
            weight += weights[-1]
            value += (values.pop() - value) * weights.pop() / weight
            ends.pop()
        ends.append(position)
        values.append(value)
        weights.append(weight)
    last = np.array(ends, np.intp)
    level, weight_of = np.array(values), np.array(weights, np.float64)
    if last.size > MAX_STEPS:  # neighbours are one, so that all hold about as many rows
        reached = np.cumsum(weight_of)
        group = np.minimum((reached - weight_of / 2) * MAX_STEPS // reached[-1], MAX_STEPS - 1).astype(np.intp)
        level = np.bincount(group, level * weight_of) / np.maximum(np.bincount(group, weight_of), 1)
        some = np.flatnonzero(np.bincount(group))
        level, last = level[some], last[np.searchsorted(group, some, side="right") - 1]
    first = np.concatenate([[0], last[:-1] + 1])
    x = np.stack([knots[first], knots[last]], axis=1).ravel()
    y = np.clip(np.repeat(level, 2), 0.0, 1.0)
    # A step of one score needs one knot.
    keep = np.concatenate([[True], x[1:] > x[:-1]])
    return x[keep], y[keep]
