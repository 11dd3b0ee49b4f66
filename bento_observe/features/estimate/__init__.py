"""Performance that is to be expected while labels are not there: of what is served, from what it is served with.

`Expectation` adds up calibrated probabilities (`reference.Calibration`) to `Expected`, which is additive as a
`Snapshot` is; `performance` makes figures and bands of it. The method is confidence-based performance estimation, CBPE
(J. Białek, J. Kivimäki, W. Kuberski, N. Perrakis, "Estimating Model Performance Under Covariate Shift Without Labels",
2024). It is right as long as inputs with one probability are as often of one class as they were when the reference was
made: while the inputs may drift, the concept may not.

`LossExpectation` does the same for regressions with a `reference.LossTree`, a small model of how far off predictions
are for which inputs: direct loss estimation.
"""

from bento_observe.features.estimate._expected import Expectation, Expected
from bento_observe.features.estimate._loss import ExpectedLoss, LossExpectation, loss_performance
from bento_observe.features.estimate._performance import BAND, Estimate, performance, performance_of_classes

__all__ = [
    "BAND", "Estimate", "Expectation", "Expected", "ExpectedLoss", "LossExpectation", "loss_performance", "performance",
    "performance_of_classes",
]  # fmt: skip
