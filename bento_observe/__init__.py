"""OpenTelemetry observability for BentoML services: decorate a service with `observe`, serve it as always."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bento_observe._version import __version__

if TYPE_CHECKING:
    from bento_observe._observe import observe
    from bento_observe._said import prediction_ids, record_features, record_labels, record_outcomes
    from bento_observe.features import FeatureStatistics
    from bento_observe.features.drift import drift
    from bento_observe.features.reference import Reference
    from bento_observe.runners import observe_runner

__all__ = [
    "FeatureStatistics", "Reference", "__version__", "drift", "observe", "observe_runner", "prediction_ids",
    "record_features", "record_labels", "record_outcomes",
]  # fmt: skip

# Imported when asked for: the command line needs neither BentoML nor numpy, and the supervisor no numpy.
_HOMES = {
    "FeatureStatistics": "bento_observe.features",
    "Reference": "bento_observe.features.reference",
    "drift": "bento_observe.features.drift",
    "observe": "bento_observe._observe",
    "observe_runner": "bento_observe.runners",
    "prediction_ids": "bento_observe._said",
    "record_features": "bento_observe._said",
    "record_labels": "bento_observe._said",
    "record_outcomes": "bento_observe._said",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
