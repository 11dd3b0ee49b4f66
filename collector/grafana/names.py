"""What Prometheus calls everything that the dashboards ask for; they spell no metric and no label themselves."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.semconv import Kind, Metric
from collector.recorded import *  # noqa: F403 - they are spelled there, for rules and alerts too

# Labels.
ENVIRONMENT: Final = label_name(semconv.DEPLOYMENT_ENVIRONMENT_NAME)
NAMESPACE: Final = label_name(semconv.SERVICE_NAMESPACE)
SERVICE: Final = label_name(semconv.SERVICE_NAME)
VERSION: Final = label_name(semconv.SERVICE_VERSION)
INSTANCE: Final = label_name(semconv.SERVICE_INSTANCE_ID)
HOST: Final = label_name(semconv.HOST_NAME)
API: Final = label_name(semconv.API_NAME)
STAGE: Final = label_name(semconv.API_STAGE)
STATUS: Final = label_name(semconv.HTTP_RESPONSE_STATUS_CODE)
ROUTE: Final = label_name(semconv.HTTP_ROUTE)
ERROR: Final = label_name(semconv.ERROR_TYPE)
PEER: Final = label_name(semconv.SERVICE_PEER_NAME)
ADDRESS: Final = label_name(semconv.SERVER_ADDRESS)
TEMPLATE: Final = label_name(semconv.URL_TEMPLATE)
CPU_MODE: Final = label_name(semconv.CPU_MODE)
GPU: Final = label_name(semconv.HW_ID)
MODEL: Final = label_name(semconv.ML_MODEL_NAME)
MODEL_VERSION: Final = label_name(semconv.ML_MODEL_VERSION)
SIGNAL: Final = label_name(semconv.ML_SIGNAL)
FEATURE: Final = label_name(semconv.ML_FEATURE_NAME)
CATEGORY: Final = label_name(semconv.ML_FEATURE_CATEGORY)
REFERENCE: Final = label_name(semconv.ML_REFERENCE_ID)
SIDE: Final = label_name(semconv.ML_DEVIATION_SIDE)
METHOD: Final = label_name(semconv.ML_DRIFT_METHOD)
WINDOW: Final = label_name(semconv.ML_DRIFT_WINDOW)
SLICE: Final = label_name(semconv.ML_SLICE_VALUE)
METRIC: Final = label_name(semconv.ML_PERFORMANCE_METRIC)
LABEL_WINDOW: Final = label_name(semconv.ML_PERFORMANCE_WINDOW)
CLASS: Final = label_name(semconv.ML_CLASS)
PREDICTED: Final = label_name(semconv.ML_PREDICTION_CLASS)
TRUE: Final = label_name(semconv.ML_LABEL_CLASS)
CORRECT: Final = label_name(semconv.ML_PREDICTION_CORRECT)
EVENT: Final = label_name(semconv.ML_SCORE_EVENT)
TENTH: Final = label_name(semconv.ML_SCORE_BIN)
CAME_TRUE: Final = label_name(semconv.ML_SCORE_OUTCOME)
OUTCOME: Final = label_name(semconv.ML_OUTCOME)
REASON: Final = label_name(semconv.REASON)
EXPORTER: Final = label_name(semconv.OTEL_COMPONENT_TYPE)
TELEMETRY_SIGNAL: Final = label_name(semconv.TELEMETRY_SIGNAL)
LE: Final = "le"

OPTIONAL: Final = frozenset((MODEL_VERSION,))
"""What a legend may name though series may lack it: Grafana then leaves it out."""

WINDOWS: Final = ("1h", "24h")
"""The windows that are recorded, values of the variable `window`."""


def counted(window: str) -> str:
    """The recorded number of values within a window, which may be a variable of the dashboard."""
    return f"feature:ml_feature_bin:increase{window}"


def labelled(window: str) -> str:
    """The recorded number of labels that came within a window with the ids of predictions."""
    return f"model:ml_model_labels:increase{window}"


def confused(window: str) -> str:
    """The same by the class that was predicted and the true one."""
    return f"model_class:ml_model_confusion:increase{window}"


def true(window: str) -> str:
    """The same by the true class."""
    return f"class:ml_model_true:increase{window}"


def estimated(window: str) -> str:
    """The recorded number of predictions of each class within a window that an estimate is made of."""
    return f"class:ml_estimate_predictions:increase{window}"


def name(metric: Metric) -> str:
    """A counter's, a gauge's, or a native histogram's name."""
    return metric_name(metric)


def bucket(histogram: Metric) -> str:
    """The cumulative counts of a histogram with explicit buckets."""
    return _part(histogram, "bucket")


def count(histogram: Metric) -> str:
    """How many values a histogram with explicit buckets has."""
    return _part(histogram, "count")


def total(histogram: Metric) -> str:
    """The sum of the values of a histogram with explicit buckets; `ml.feature.value` sends none."""
    return _part(histogram, "sum")


def _part(histogram: Metric, part: str) -> str:
    if histogram.kind is not Kind.HISTOGRAM:
        raise ValueError(f"{histogram.name} is no histogram")
    return f"{metric_name(histogram)}_{part}"
