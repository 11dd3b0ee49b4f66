"""Telemetry of a process whose service is not observed, for what `bentoml.monitor` logs in it: metrics only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from bentoml._internal.context import server_context

from bento_observe import _monitoring, settings
from bento_observe._identity import identity
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References, find_reference
from bento_observe.settings import Endpoint
from bento_observe.telemetry import Telemetry

__all__ = ["start"]

logger = logging.getLogger("bento_observe")


def start() -> Callable[[], None] | None:
    """Start it; what shuts it down, or None where the environment says not to start."""
    if settings.disabled():
        return None
    config = settings.from_environment()
    first = server_context.worker_index in (None, 1)
    tell = _tell if first else _keep_quiet
    for problem in config.problems:
        tell(problem)
    nothing = Endpoint(exporter="none")
    telemetry = Telemetry(replace(config, traces=nothing, logs=nothing), identity())
    recording = FeatureRecording(
        References(find_reference(config.reference or None, (), tell), tell, config.reference),
        {},
        telemetry.health,
        Drift(config.drift_windows, config.drift_methods),
        describe=first,
    )
    telemetry.add(recording, recording.collect)
    # The application's own spans and metrics are none of ours here.
    telemetry.start(install=False)
    _monitoring.connect(recording, telemetry.health)
    return telemetry.shutdown


def _tell(problem: str) -> None:
    logger.error("bento_observe: %s", problem)


def _keep_quiet(_problem: str) -> None:
    pass
