"""Pictures for the terminal, for people and for `make demo`: a trace as a waterfall, a histogram as bars."""

from __future__ import annotations

from bento_observe.dev._bars import histogram_bars
from bento_observe.dev._buckets import Buckets, Exponential
from bento_observe.dev._reading import read_histograms, read_trace
from bento_observe.dev._waterfall import Bar, waterfall

__all__ = ["Bar", "Buckets", "Exponential", "histogram_bars", "read_histograms", "read_trace", "waterfall"]
