"""What the dashboards of a model share: distributions now and in training, and why there is nothing to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models.dashboard import RangeMap, RegexMap, SpecialValueMap, ValueMap, ValueMappingResult

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.promql import by, feature, increase, pooled

__all__ = [
    "CONFIDENCE",
    "EDGE",
    "ENTROPY",
    "IN_WINDOW",
    "NO_DRIFT",
    "NO_FEATURES",
    "NO_REFERENCE",
    "NO_REQUESTS",
    "PRESENT",
    "PSI",
    "STATES",
    "TO_FEATURE",
    "UNKNOWN",
    "WINDOW",
    "Style",
    "band",
    "category_shares",
    "counted",
    "dashed",
    "mapped",
    "missing_share",
    "training_shares",
    "training_values",
    "unrecorded",
    "value_shares",
]

CONFIDENCE: Final = "confidence"
ENTROPY: Final = "entropy"
"""Features that are made of class probabilities, beside `class` (docs/feature-statistics.md)."""

WINDOW: Final = "${window}"
IN_WINDOW: Final = f'{names.WINDOW}="{WINDOW}"'
PSI: Final = f'{names.METHOD}="{semconv.DRIFT_PSI}"'
UNKNOWN: Final = f'{names.REFERENCE}=""'
"""Of features without a reference; only these carry no id of one."""

NO_REQUESTS: Final = (
    "No data yet, because no request was answered in this time, or the service has not sent metrics: the first come a "
    "minute after its start."
)
NO_FEATURES: Final = "No data yet, because no API of this service was called with values that can be counted."
NO_REFERENCE: Final = (
    "No data yet, because the service has no reference: give observe() the statistics of its training data "
    "(bento-observe profile)."
)
NO_DRIFT: Final = (
    "No data yet, because the service has no reference, or too few values in this window: drift takes some 300 of a "
    "feature."
)


PRESENT: Final = f'{names.CATEGORY}!="{semconv.CATEGORY_MISSING}"'

TO_FEATURE: Final = {
    "title": "Open the feature",
    "url": (
        "/d/bento-observe-feature?${environment:queryparam}&${namespace:queryparam}&${service:queryparam}"
        "&${version:queryparam}&${model:queryparam}&${slice:queryparam}&${window:queryparam}"
        "&var-api=${__data.fields.API:percentencode}"
        "&var-signal=${__data.fields.Signal:percentencode}&var-feature=${__data.fields.Feature:percentencode}"
        "&var-reference=${__data.fields.Reference:percentencode}"
        "&${__url_time_range}"
    ),
}
"""From a row of a table with the columns API, Signal, Feature and Reference."""


Style = dict[str, object]
_UNNAMED: Final = {"legend": True, "tooltip": False, "viz": False}
EDGE: Final[Style] = {"custom.lineWidth": 0, "custom.fillOpacity": 0, "custom.hideFrom": _UNNAMED}
"""The lower end of a band."""


def band(lower: str, color: str = "blue") -> Style:
    """The upper end of a band, down to the series that is called `lower`."""
    filled = {"custom.fillBelowTo": lower, "custom.lineWidth": 0, "custom.fillOpacity": 12}
    return {**filled, "custom.hideFrom": _UNNAMED, "color": {"mode": "fixed", "fixedColor": color}}


def dashed(color: str = "blue") -> Style:
    """What the others are compared with."""
    return {
        "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
        "custom.fillOpacity": 0,
        "color": {"mode": "fixed", "fixedColor": color},
    }


Mappings = list[ValueMap | RangeMap | RegexMap | SpecialValueMap]


def mapped(words: Mapping[str, tuple[str, str]]) -> Mappings:
    """Of numbers, as text, a word and a colour each."""
    return [ValueMap({value: ValueMappingResult(text=word, color=color) for value, (word, color) in words.items()})]


STATES: Final = mapped({"0": ("stable", "green"), "1": ("drifted", "red")})


def unrecorded(*labels: str, chosen: tuple[str, ...]) -> str:
    """How many values of features without a reference there are within the window: no rule records them."""
    numbers = increase(feature(names.name(semconv.FEATURE_VALUE), chosen=chosen), *labels, window=WINDOW)
    classes = feature(names.name(semconv.FEATURE_CATEGORY), PRESENT, UNKNOWN, chosen=chosen)
    return f"(histogram_count({numbers}) or {increase(classes, *labels, window=WINDOW)})"


def counted(*labels: str, chosen: tuple[str, ...]) -> str:
    """How many values there are within the window, missing ones left out."""
    recorded = f"sum{by(*labels)} ({pooled(names.counted(WINDOW), chosen=chosen)})"
    return f"{recorded} > 0 or {unrecorded(*labels, chosen=chosen)}"


def missing_share(*labels: str, chosen: tuple[str, ...]) -> str:
    """The share of null or NaN among all values within the window, of each API, or of whatever `labels` keep apart."""
    recorded = f"max{by(*labels)} ({pooled(names.MISSING_SHARE, IN_WINDOW, chosen=chosen)})"
    missing = increase(feature(names.name(semconv.FEATURE_MISSING), UNKNOWN, chosen=chosen), *labels, window=WINDOW)
    others = f"({unrecorded(*labels, chosen=chosen)} or {missing} * 0)"
    return f"{recorded} or {missing} / ({missing} + {others} > 0)"


def category_shares(*matchers: str, chosen: tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
    """The share of each category among the values within the window, missing ones left out.

    `apart` are labels by which there are several distributions, each with shares of its own; so below.
    """
    series = feature(names.name(semconv.FEATURE_CATEGORY), PRESENT, *matchers, chosen=chosen)
    of_category = increase(series, names.CATEGORY, *apart, window=WINDOW)
    return f"{of_category} / ignoring ({names.CATEGORY}) group_left () {increase(series, *apart, window=WINDOW)}"


def training_shares(*matchers: str, chosen: tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
    """The share of each category in the training data."""
    series = feature(names.name(semconv.FEATURE_REFERENCE_CATEGORY), PRESENT, *matchers, chosen=chosen)
    return f"avg{by(names.CATEGORY, *apart)} ({series})"


def value_shares(*matchers: str, chosen: tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
    """The share of the values within the window up to each bound of the explicit buckets."""
    series = names.bucket(semconv.FEATURE_VALUE)
    up_to = increase(feature(series, *matchers, chosen=chosen), names.LE, *apart, window=WINDOW)
    every = increase(feature(series, *matchers, f'{names.LE}="+Inf"', chosen=chosen), *apart, window=WINDOW)
    return f"{up_to} / ignoring ({names.LE}) group_left () ({every} > 0)"


def training_values(*matchers: str, chosen: tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
    """The share of the training data up to each bound."""
    series = names.bucket(semconv.FEATURE_REFERENCE_VALUE)
    up_to = f"avg{by(names.LE, *apart)} ({feature(series, *matchers, chosen=chosen)})"
    every = feature(series, *matchers, f'{names.LE}="+Inf"', chosen=chosen)
    return f"{up_to} / ignoring ({names.LE}) group_left () avg{by(*apart)} ({every})"
