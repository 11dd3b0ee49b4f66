"""Pictures for the terminal, for people and for `make demo`: a trace as a waterfall, a feature as bars."""

from __future__ import annotations

from bento_observe.dev._bars import category_bars, histogram_bars
from bento_observe.dev._buckets import Buckets, Exponential
from bento_observe.dev._reading import read_categories, read_histograms, read_trace
from bento_observe.dev._waterfall import Bar, waterfall

__all__ = [
    "Bar", "Buckets", "Exponential", "category_bars", "histogram_bars", "read_categories", "read_histograms",
    "read_trace", "waterfall",
]  # fmt: skip
