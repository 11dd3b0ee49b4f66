"""Checks of an installation, its environment and a service, for `bento-observe doctor`: one module a subject."""

from __future__ import annotations

from bento_observe.doctor._endpoints import check_endpoints
from bento_observe.doctor._environment import check_environment
from bento_observe.doctor._finding import Finding, Level
from bento_observe.doctor._installation import check_installation
from bento_observe.doctor._predictions import check_predictions
from bento_observe.doctor._service import check_service

__all__ = [
    "Finding", "Level", "check_endpoints", "check_environment", "check_installation", "check_predictions",
    "check_service",
]  # fmt: skip
