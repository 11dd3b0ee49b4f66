"""OpenTelemetry observability for BentoML services: decorate a service with `observe`, serve it as always."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bento_observe._observe import observe
from bento_observe._version import __version__

if TYPE_CHECKING:
    from bento_observe.features import FeatureStatistics

__all__ = ["FeatureStatistics", "__version__", "observe"]


def __getattr__(name: str) -> Any:
    # Needs numpy, which the supervisor, who imports the service too, may do without.
    if name == "FeatureStatistics":
        from bento_observe.features import FeatureStatistics

        return FeatureStatistics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
