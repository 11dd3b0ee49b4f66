"""Prometheus' native histograms as buckets that a picture can be made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bento_observe.dev.pictures import Buckets

__all__ = ["buckets"]


def buckets(histogram: Mapping[str, Any]) -> Buckets:
    """A native histogram of Prometheus' JSON (`buckets`: boundary rule, lower edge, upper edge, count) without gaps."""
    edges: list[float] = []
    counts: list[float] = []
    for _, lower, upper, count in sorted(histogram.get("buckets", []), key=lambda bucket: float(bucket[1])):
        if not edges:
            edges.append(float(lower))
        elif float(lower) > edges[-1]:
            edges.append(float(lower))
            counts.append(0.0)
        edges.append(float(upper))
        counts.append(float(count))
    return Buckets(np.array(edges or [0.0, 1.0]), np.array(counts or [0.0]))
