"""Drift: how far what is served has moved from the training data, from counts alone.

A window is a `Snapshot`, or one less an earlier one (`Windows`); the reference has the training data in the same
buckets. Nothing here sees a value, so it does not matter from how many threads, workers or machines the counts came,
and all features are compared at once.

- `drift`: a table for people.
- `measure`: the same in plain arrays, for those who export it; needs no pandas.
- `null_quantiles`: the part of the critical values that does not depend on the window, for those who compute drift
  elsewhere, as Prometheus does.
- `binned`, `smoothed`: the counts of a feature and the shares of its reference by drift bin, which go with it.
- `FLOORS`, `MINIMUM`, `MINIMUM_PER_BIN`, `MINIMUM_TRAINING_PER_BIN`: effects too small, windows and training data too
  short, to call drift.
- `Windows`: the last hour, the last day.

`_layout` prepares a reference, `_window` aligns a snapshot with it, `_formulas` measures, `_critical` and
`_distributions` say how much is too much. Matrices have a column a feature, so that numpy adds up whole rows.
"""

from bento_observe.features.drift._bins import SMOOTHING, binned, smoothed
from bento_observe.features.drift._critical import (
    FLOORS,
    METHODS,
    MINIMUM,
    MINIMUM_PER_BIN,
    MINIMUM_TRAINING_PER_BIN,
    null_quantiles,
)
from bento_observe.features.drift._measures import Measures, Signals, Verdict, measure
from bento_observe.features.drift._table import STATES, drift
from bento_observe.features.drift._windows import Windows

__all__ = [
    "FLOORS",
    "METHODS",
    "MINIMUM",
    "MINIMUM_PER_BIN",
    "MINIMUM_TRAINING_PER_BIN",
    "SMOOTHING",
    "STATES",
    "Measures",
    "Signals",
    "Verdict",
    "Windows",
    "binned",
    "drift",
    "measure",
    "null_quantiles",
    "smoothed",
]
