"""OpenTelemetry observability for BentoML services: decorate a service with `observe`, serve it as always."""

from __future__ import annotations

from bento_observe._observe import observe
from bento_observe._version import __version__

__all__ = ["__version__", "observe"]
