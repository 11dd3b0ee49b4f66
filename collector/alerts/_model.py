"""What alerts of a model have in common: which one it is, and where to look."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import Link
from collector.alerts._series import API, SERVICE_LABELS, label_name

__all__ = ["METRIC", "MODEL", "MODEL_OF", "OVERVIEW", "PREDICTIONS_PAGE", "REFERENCE", "VERSION"]

_NAME: Final = label_name(semconv.SERVICE_NAME)
MODEL: Final = label_name(semconv.ML_MODEL_NAME)
VERSION: Final = label_name(semconv.ML_MODEL_VERSION)
REFERENCE: Final = label_name(semconv.ML_REFERENCE_ID)
METRIC: Final = label_name(semconv.ML_PERFORMANCE_METRIC)
MODEL_OF: Final = f"of {{{_NAME}}}/{{{API}}}"
_ENVIRONMENT, _NAMESPACE, _ = SERVICE_LABELS
_VARIABLES: Final = {
    "environment": _ENVIRONMENT,
    "namespace": _NAMESPACE,
    "service": _NAME,
    "model": MODEL,
    "api": API,
}
OVERVIEW: Final = Link("bento-observe-model", _VARIABLES)
PREDICTIONS_PAGE: Final = Link("bento-observe-predictions", _VARIABLES)
