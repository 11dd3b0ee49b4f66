"""Names of what rules record, and boards and alerts ask for: level:metric:operation, as Prometheus advises.

A test finds each that a board names in what the rules write.
"""

from __future__ import annotations

from typing import Final

# Drift,
POOLED: Final = "feature:ml_feature_drift:pooled"
CRITICAL: Final = "feature:ml_feature_drift_critical:pooled"
DRIFTED: Final = "feature:ml_feature_drift:drifted"
MISSING_SHARE: Final = "feature:ml_feature_missing:share"
OUTSIDE_SHARE: Final = "feature:ml_feature_outside:share"
TRAINING_COUNT: Final = "feature:ml_feature_reference_count:avg"
TRAINING_BINS: Final = "feature_bin:ml_feature_reference:avg"

# ... of labels that came with ids,
PERFORMANCE: Final = "model:ml_model_performance:pooled"
USUAL: Final = "model:ml_model_performance:usual"
OF_CLASS: Final = "class:ml_model_performance:pooled"

# ... of what predictions, and the inputs of a regression, let one expect of them,
ESTIMATE: Final = "model:ml_performance_estimate:pooled"
ESTIMATE_LOW: Final = "model:ml_performance_estimate_low:pooled"
ESTIMATE_HIGH: Final = "model:ml_performance_estimate_high:pooled"
ESTIMATE_OF_CLASS: Final = "class:ml_performance_estimate:pooled"
ESTIMATE_REFERENCE: Final = "model:ml_performance_reference:avg"
ESTIMATE_ROWS: Final = "model:ml_estimate_reference_rows:avg"
FELL: Final = "model:ml_performance_estimate:fell"
LOSS: Final = "model:ml_performance_loss_estimate:pooled"
LOSS_LOW: Final = "model:ml_performance_loss_estimate_low:pooled"
LOSS_HIGH: Final = "model:ml_performance_loss_estimate_high:pooled"
LOSS_REFERENCE: Final = "model:ml_performance_loss_reference:avg"
ROSE: Final = "model:ml_performance_loss_estimate:rose"

# ... and of labels beside what was expected of them.
DISAGREEMENT: Final = "model:ml_estimate_disagreement:pooled"
DISAGREEMENT_CRITICAL: Final = "model:ml_estimate_disagreement_critical:pooled"
DISAGREES: Final = "model:ml_estimate:disagrees"
ALARMED: Final = "model:ml_concept_drift:workers"
LOSS_DISAGREEMENT: Final = "model:ml_performance_loss_disagreement:pooled"
LOSS_DISAGREEMENT_CRITICAL: Final = "model:ml_performance_loss_disagreement_critical:pooled"
LOSS_DISAGREES: Final = "model:ml_performance_loss:disagrees"

RECORDED: Final = (
    POOLED, CRITICAL, DRIFTED, MISSING_SHARE, OUTSIDE_SHARE, TRAINING_COUNT, PERFORMANCE, OF_CLASS, ESTIMATE,
    ESTIMATE_LOW, ESTIMATE_HIGH, ESTIMATE_OF_CLASS, ESTIMATE_REFERENCE, FELL, LOSS, LOSS_LOW, LOSS_HIGH,
    LOSS_REFERENCE, ROSE, DISAGREEMENT, DISAGREEMENT_CRITICAL, DISAGREES, ALARMED, LOSS_DISAGREEMENT,
    LOSS_DISAGREEMENT_CRITICAL, LOSS_DISAGREES,
)  # fmt: skip
"""What boards ask for of these. Beside them are those whose name has a window in it, see `collector.grafana.names`."""
