"""What alerts of features, predictions and labels have in common: which one it is, and where to look."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import Link
from collector.alerts._series import API, FEATURE, FEATURE_LABELS, SIGNAL, by, increase, label_name, metric_name

__all__ = ["DEVIATION", "FEATURE_PAGE", "LARGEST", "ON", "PREDICTION_PAGE", "THING", "offset"]

_NAME: Final = label_name(semconv.SERVICE_NAME)
THING: Final = f"{{{SIGNAL}}} {{{FEATURE}}} of {{{_NAME}}}/{{{API}}}"
ON: Final = f"on ({', '.join(FEATURE_LABELS)})"
LARGEST: Final = by(FEATURE_LABELS, "max")
DEVIATION: Final = metric_name(semconv.FEATURE_REFERENCE_DEVIATION)
_VARIABLES: Final = {
    "environment": label_name(semconv.DEPLOYMENT_ENVIRONMENT_NAME),
    "namespace": label_name(semconv.SERVICE_NAMESPACE),
    "service": _NAME,
    "model": label_name(semconv.ML_MODEL_NAME),
    "api": API,
    "signal": SIGNAL,
    "feature": FEATURE,
    "reference": label_name(semconv.ML_REFERENCE_ID),
}
FEATURE_PAGE: Final = Link("bento-observe-feature", _VARIABLES, needs=FEATURE)
PREDICTION_PAGE: Final = Link("bento-observe-predictions", _VARIABLES)


def offset(window: str, selector: str, count: str) -> str:
    """Distance of the mean from that of training."""
    side = label_name(semconv.ML_DEVIATION_SIDE)
    above, below = (
        increase(semconv.FEATURE_DEVIATION, window, FEATURE_LABELS, f'{selector},{side}="{value}"')
        for value in (semconv.SIDE_ABOVE, semconv.SIDE_BELOW)
    )
    return f"(({above} - {below}) / {count})"
