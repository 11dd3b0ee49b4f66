"""Series, labels and selectors, all from the names that `semconv` gives."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name
from collector import recorded

__all__ = [
    "API",
    "CRITICAL",
    "DRIFT",
    "DRIFTED",
    "FEATURE",
    "FEATURES",
    "FEATURE_LABELS",
    "LABELS",
    "MISSING_LIMIT",
    "OUTSIDE_LIMIT",
    "PREDICTIONS",
    "REFERENCE_BINS",
    "REFERENCE_COUNT",
    "SERVICE_LABELS",
    "SHARE_MISSING",
    "SHARE_OUTSIDE",
    "SIGNAL",
    "VALUES",
    "WHOLE",
    "bins",
    "by",
    "drift_of",
    "increase",
    "label_name",
    "metric_name",
    "n",
    "values",
]  # fmt: skip

SERVICE_LABELS: Final = tuple(
    label_name(name) for name in (semconv.DEPLOYMENT_ENVIRONMENT_NAME, semconv.SERVICE_NAMESPACE, semconv.SERVICE_NAME)
)
SIGNAL: Final = label_name(semconv.ML_SIGNAL)
FEATURE: Final = label_name(semconv.ML_FEATURE_NAME)
API: Final = label_name(semconv.API_NAME)
FEATURE_LABELS: Final = (
    *SERVICE_LABELS, SIGNAL, FEATURE,
    label_name(semconv.ML_MODEL_NAME), API, label_name(semconv.ML_REFERENCE_ID),
)  # fmt: skip

# Slices repeat what the whole has: alerts look at the whole.
WHOLE: Final = f'{label_name(semconv.ML_SLICE_NAME)}=""'
_MODEL_SEES: Final = f"{semconv.SIGNAL_INPUT}|{semconv.SIGNAL_FEATURE}"
FEATURES: Final = f'{SIGNAL}=~"{_MODEL_SEES}",{WHOLE}'
PREDICTIONS: Final = f'{SIGNAL}="{semconv.SIGNAL_PREDICTION}",{WHOLE}'
LABELS: Final = f'{SIGNAL}="{semconv.SIGNAL_LABEL}",{WHOLE}'

# What prometheus/generate.py records.
DRIFT: Final = recorded.POOLED
CRITICAL: Final = recorded.CRITICAL
DRIFTED: Final = recorded.DRIFTED
SHARE_MISSING: Final = recorded.MISSING_SHARE
SHARE_OUTSIDE: Final = recorded.OUTSIDE_SHARE
REFERENCE_COUNT: Final = recorded.TRAINING_COUNT
REFERENCE_BINS: Final = recorded.TRAINING_BINS

# What _recording records.
VALUES: Final = "feature:ml_feature_values:increase"
MISSING_LIMIT: Final = "feature:ml_feature_missing:limit"
OUTSIDE_LIMIT: Final = "feature:ml_feature_outside:limit"


def drift_of(window: str) -> str:
    """Matchers of the measure that alerts go by: PSI applies to every kind of feature."""
    method, name = label_name(semconv.ML_DRIFT_METHOD), label_name(semconv.ML_DRIFT_WINDOW)
    return f'{method}="{semconv.DRIFT_PSI}",{name}="{window}"'


def n(window: str) -> str:
    """Values of a feature in the window, missing ones not counted."""
    return f"feature:ml_feature_bin:increase{window}"


def bins(window: str) -> str:
    """The same by drift bin, of what the model sees."""
    return f"feature_bin:ml_feature_bin:increase{window}"


def values(window: str) -> str:
    """All values of a feature in the window, missing and unreadable ones included."""
    return f"{VALUES}{window}"


def increase(metric: semconv.Metric, window: str, labels: tuple[str, ...], selector: str = "", suffix: str = "") -> str:
    """By how much a counter has risen, over all workers."""
    return f"{by(labels)} (increase({metric_name(metric)}{suffix}{{{selector}}}[{window}]))"


def by(labels: tuple[str, ...], operator: str = "sum") -> str:
    """`sum by (...)`."""
    return f"{operator} by ({', '.join(labels)})"


def plain(expression: str) -> str:
    """The expression without selectors that select everything."""
    return expression.replace("{}", "")
