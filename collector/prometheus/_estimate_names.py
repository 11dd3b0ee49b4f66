"""What the rules of estimates share: labels, and the series of the reference that each of them asks for."""

from __future__ import annotations

from bento_observe import semconv
from bento_observe.prometheus_names import label_name
from collector import recorded
from collector.prometheus._rules import RESOURCE

__all__ = [
    "BY", "LOSS_REFERENCE", "METRIC", "OF_REFERENCE", "OUTCOME", "REFERENCE", "REFERENCE_ROWS", "ROWS", "WINDOW",
]  # fmt: skip

OUTCOME, METRIC, WINDOW = map(label_name, (semconv.ML_OUTCOME, semconv.ML_PERFORMANCE_METRIC, semconv.ML_DRIFT_WINDOW))
BY = ", ".join(label_name(name) for name in (*RESOURCE, *semconv.ESTIMATE_REFERENCE_ROWS.attributes))
OF_REFERENCE = ", ".join(label_name(name) for name in (*RESOURCE, semconv.ML_REFERENCE_ID))

ROWS = recorded.ESTIMATE_ROWS
REFERENCE = recorded.ESTIMATE_REFERENCE
LOSS_REFERENCE = recorded.LOSS_REFERENCE
REFERENCE_ROWS = "reference:ml_estimate_reference_rows:max"
