"""What must have arrived, given what was sent: one check a line of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from bento_observe import semconv
from bento_observe.demo._traffic import Sent

__all__ = ["CHECKS", "SERVICE_LOGGER", "Check", "Counts", "each_feature", "total"]

Counts: TypeAlias = Mapping[str, int]
"""Numbers by a key that both sides know, such as the status."""

SERVICE_LOGGER: Final = "wine"
"""The logger of the example service."""


@dataclass(frozen=True)
class Check:
    """One thing that is counted twice: as sent, and as arrived. They are equal only if they are for every key.

    `signal` is where it is counted, `shown` puts the numbers into words.
    """

    name: str
    signal: str
    title: str
    expected: Callable[[Sent], Counts]
    shown: Callable[[Counts], str]


def total(counts: Counts) -> str:
    """The sum."""
    return f"{sum(counts.values()):,}"


def each_feature(counts: Counts) -> str:
    """Counts by "API/feature" as the number of rows that each feature was counted in; a range where they differ."""
    features: dict[str, int] = {}
    for key, count in counts.items():
        feature = key.partition("/")[2]
        features[feature] = features.get(feature, 0) + count
    low, high = min(features.values(), default=0), max(features.values(), default=0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _stages(sent: Sent) -> Counts:
    return {
        semconv.STAGE_DECODE: sent.answered,
        semconv.STAGE_PREDICT: sum(sent.decoded.values()),
        semconv.STAGE_ENCODE: sent.statuses.get("200", 0),
    }


def _samples(sent: Sent) -> Counts:
    return {key: sent.rows[key.partition("/")[0]] for key in sent.values}


def _predictions(sent: Sent) -> Counts:
    several, one = sent.predicted.get("classify", 0), sent.predicted.get("classify_one", 0)
    found = {
        "classify/class": several,
        "classify/confidence": several,
        "classify/entropy": several,
        "classify_one/cultivar": one,
        "classify_one/probability": one,
    }
    return {key: count for key, count in found.items() if count}


def _estimated(sent: Sent) -> Counts:
    return {"": sent.predicted.get("classify", 0)}


def _succeeded(sent: Sent) -> Counts:
    return {"": sent.statuses.get("200", 0)}


def _raised(sent: Sent) -> Counts:
    return {"": sent.answered - sent.statuses.get("200", 0)}


CHECKS: Final = (
    Check("server_spans", "traces", "server spans, by status", lambda sent: sent.statuses, total),
    Check("stage_spans", "traces", "decode, predict and encode spans", _stages, total),
    Check("continued", "traces", "traces continued from the client", lambda sent: {"": sent.continued}, total),
    Check("requests", "metrics", "requests counted, by status", lambda sent: sent.statuses, total),
    Check("samples", "metrics", "rows in the feature histograms", _samples, each_feature),
    Check("missing", "metrics", "values missing in those rows", lambda sent: sent.missing, total),
    Check("predictions", "metrics", "predicted values", _predictions, total),
    Check("estimated", "metrics", "predictions that an estimate rests on", _estimated, total),
    Check("judged", "metrics", "labels held against confidence", lambda sent: {"": sent.labelled}, total),
    Check("access_log", "logs", "access log records, by status", lambda sent: sent.statuses, total),
    Check("service_log", "logs", "log lines of the service's code", _succeeded, total),
    Check("exceptions", "logs", "exceptions logged", _raised, total),
)
"""In the order of the table."""
