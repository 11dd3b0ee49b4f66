"""The feature statistics of one process put together, and what is wrong with them told by one worker for all."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping

from bento_observe._observe import Options, is_first
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References, find_reference
from bento_observe.settings import Settings
from bento_observe.telemetry import Telemetry

__all__ = ["feature_recording", "tell"]

logger = logging.getLogger("bento_observe")


def tell(problem: str) -> None:
    """One line in the log, by one worker."""
    if is_first():
        logger.error("bento_observe: %s", problem)


def feature_recording(
    telemetry: Telemetry, config: Settings, options: Options, models: Iterable[object], model: Mapping[str, str]
) -> tuple[FeatureRecording, References]:
    """A place for feature statistics that `telemetry` sends, and the reference they are compared with.

    Args:
        telemetry: not started yet.
        config: completes the options.
        options: the arguments of `observe`.
        models: where a reference may lie, if the options name none.
        model: the model's attributes.
    """
    options = options.completed(config)
    wanted = options.reference
    name = str(wanted) if isinstance(wanted, (str, os.PathLike)) else ""
    references = References(find_reference(wanted, models, tell), tell, name)
    drift = Drift(config.drift_windows, config.drift_methods)
    exemplars = config.exemplar_filter != "always_off"
    recording = FeatureRecording(
        references, model, telemetry.health, drift, options.slices, options.slice_values, is_first(), exemplars
    )
    telemetry.add(recording, recording.collect)
    return recording, references
