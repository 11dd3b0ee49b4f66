"""Telemetry of a process whose service is not observed, for what `bentoml.monitor` logs in it: metrics only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bento_observe import _monitoring, settings
from bento_observe._identity import identity
from bento_observe._observe import Options
from bento_observe._statistics import feature_recording, tell
from bento_observe.settings import Endpoint
from bento_observe.telemetry import Telemetry

__all__ = ["start"]


def start() -> Callable[[], None] | None:
    """Start it; what shuts it down, or None where the environment says not to start, or an observed service counts."""
    if settings.disabled():
        return None
    config = settings.from_environment()
    for problem in config.problems:
        tell(problem)
    nothing = Endpoint(exporter="none")
    telemetry = Telemetry(replace(config, traces=nothing, logs=nothing), identity())
    recording, _ = feature_recording(telemetry, config, Options(), (), {})
    # The application's own spans and metrics are none of ours here.
    telemetry.start(install=False)
    if _monitoring.connect(recording, telemetry.health, alone=True):
        return telemetry.shutdown
    telemetry.shutdown()
    return None
