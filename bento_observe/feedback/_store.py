"""Predictions kept in Elasticsearch: what sends them, and what looks them up."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.feedback._elasticsearch import Elasticsearch
from bento_observe.feedback._events import EventIssuer, PredictionEvents
from bento_observe.feedback._later import LabelThread
from bento_observe.feedback._lookup import Lookup
from bento_observe.feedback._matching import Matcher
from bento_observe.telemetry import Telemetry

__all__ = ["Store", "owner_of", "store_for"]

_END_SHARE: Final = 0.25  # of the time for shutting down; the encoder, which waits for it, has half of it


class Store:
    """The parts, of one worker.

    `wait` is for how many seconds an id is asked for that is not there yet.
    """

    def __init__(self, telemetry: Telemetry, lookup: Lookup, wait: float) -> None:
        self.lookup = lookup
        self.wait = wait
        queue = telemetry.queue_beside("logs", semconv.SIGNAL_PREDICTIONS)
        self.events = PredictionEvents(queue, telemetry.health)
        self.issuer = EventIssuer(self.events)
        self._telemetry = telemetry

    def labels(self, matcher: Matcher) -> LabelThread:
        """What takes the labels that handlers record."""
        settings, health = self._telemetry.settings, self._telemetry.health
        end_within = settings.shutdown_timeout * _END_SHARE
        return LabelThread(matcher, self.lookup, self.wait, settings.flush_interval, end_within, health)


def owner_of(telemetry: Telemetry) -> str:
    """Whose predictions and labels they are, on all hosts alike: the names of service and environment."""
    return "\0".join(_names(telemetry))


def store_for(telemetry: Telemetry) -> Store | None:
    """That of the settings; None where ids are tokens."""
    where = telemetry.settings.predictions
    if where is None:
        return None
    lookup = Lookup(Elasticsearch(where, *_names(telemetry)), owner_of(telemetry), telemetry.health)
    return Store(telemetry, lookup, where.wait)


def _names(telemetry: Telemetry) -> tuple[str, str]:
    own = telemetry.resource.attributes
    return str(own[semconv.SERVICE_NAME]), str(own.get(semconv.DEPLOYMENT_ENVIRONMENT_NAME, ""))
