"""Shapes of queries that several dashboards share.

`increase` and `rate` are taken of each worker before anything is added up: the sum over workers falls when one ends,
and would be taken for a restart of all.
"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.semconv import Metric
from collector.grafana import names
from collector.grafana.variables import labels_of

__all__ = [
    "POOL",
    "RATE",
    "SERVICE",
    "STREAM",
    "added",
    "by",
    "either",
    "feature",
    "gained",
    "increase",
    "legend",
    "mean",
    "pooled",
    "quantile",
    "rate",
    "select",
]

RATE: Final = "$__rate_interval"
"""At least four exports long (`timeInterval` of the data source)."""

_BEFORE: Final = "1h"

SERVICE: Final = labels_of("environment", "namespace", "service", "version", "instance")
"""The workers that the variables choose."""

POOL: Final = labels_of("environment", "namespace", "service")
"""What recording rules keep of a worker's resource: they add up instances and versions."""


def select(series: str, *matchers: str) -> str:
    """A selector of the chosen workers' series."""
    return f"{series}{{{', '.join((SERVICE, *matchers))}}}"


STREAM: Final = labels_of("model", "api")
"""What the model's dashboards choose of a service, beside the worker."""


def feature(series: str, *matchers: str, chosen: tuple[str, ...] = ("signal", "feature", "reference", "slice")) -> str:
    """A selector of features' series as workers send them; `chosen` are the variables that apply."""
    return select(series, STREAM, labels_of(*chosen), *matchers)


def pooled(series: str, *matchers: str, chosen: tuple[str, ...] = ("signal", "feature", "reference", "slice")) -> str:
    """A selector of recorded series of features."""
    return f"{series}{{{', '.join(filter(None, (POOL, STREAM, labels_of(*chosen), *matchers)))}}}"


def added(selector: str, *labels: str) -> str:
    """The sum of what does not count up, such as memory."""
    return f"sum{by(*labels)} ({selector})"


def rate(selector: str, *labels: str, window: str = RATE) -> str:
    """The rate per second of a counter, or of a histogram's bucket or count, added up."""
    return f"sum{by(*labels)} (rate({selector}[{window}]))"


def increase(selector: str, *labels: str, window: str = RATE) -> str:
    """By how much a counter grew within a window, added up."""
    return f"sum{by(*labels)} (increase({selector}[{window}]))"


def gained(selector: str, *labels: str, window: str = RATE) -> str:
    """The same of a counter that comes into being with what it counts first, such as a failure.

    Of that it has no increase: before it there is nothing. So all of it counts as long as it is younger than the
    window, which it is if it was not there in the hour before that; a gap, as of an outage, makes none young.
    """
    young = f"{selector} unless last_over_time({selector}[{_BEFORE}] offset {window})"
    return f"sum{by(*labels)} (({young}) or increase({selector}[{window}]))"


def quantile(q: float, histogram: Metric, *labels: str, matchers: tuple[str, ...] = ()) -> str:
    """A quantile of a histogram with explicit buckets, by `labels`."""
    return f"histogram_quantile({q}, {rate(select(names.bucket(histogram), *matchers), names.LE, *labels)})"


def mean(histogram: Metric, *labels: str, matchers: tuple[str, ...] = ()) -> str:
    """The mean of a histogram that has a sum."""
    if histogram == semconv.FEATURE_VALUE:
        raise ValueError("ml.feature.value has no sum; take the deviations")
    values = rate(select(names.total(histogram), *matchers), *labels)
    return f"{values} / {rate(select(names.count(histogram), *matchers), *labels)}"


def either(first: str, otherwise: str) -> str:
    """All of the first or, if it has no series at all, of the other.

    Of explicit and native buckets at once a quantile or a heat map would have neither: so it is of the features with a
    reference, where some have one and others none.
    """
    return f"{first}\nor on () {otherwise}"


def legend(*labels: str) -> str:
    """What series are called after: the values of their labels."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def by(*labels: str) -> str:
    """The clause of an aggregation."""
    return f" by ({', '.join(labels)})" if labels else ""
