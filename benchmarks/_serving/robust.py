"""Robust figures from interleaved measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["paired_ratio", "quantile"]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lies."""
    return float(np.quantile(np.asarray(values), share))


def paired_ratio(rounds: Mapping[str, Sequence[float]], above: str, below: str) -> float:
    """The median over the rounds of `above / below`: what slows a whole round down falls out."""
    return float(np.median(np.asarray(rounds[above]) / np.asarray(rounds[below])))
