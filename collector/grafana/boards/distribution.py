"""How the values of a feature are distributed, now and in training: the largest part of the dashboard of a feature."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.semconv import Metric
from collector.grafana import names
from collector.grafana.boards import common
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import bars, heat, lines, shares
from collector.grafana.promql import either, feature, increase, legend, rate

__all__ = ["DISTRIBUTION", "MOMENTS", "NO_CATEGORIES", "NO_NUMBERS", "NO_TRAINING", "training"]

NO_CATEGORIES: Final = (
    "No data yet, because this feature is a number, or the service has no reference that knows its categories."
)
NO_NUMBERS: Final = "No data yet, because this feature is no number, or had no value in this time."
NO_TRAINING: Final = (
    "No data yet, because this feature is no number, or the service has no reference to compare it with."
)

_CHOSEN: Final = ("signal", "feature", "reference", "slice")
_BUCKETS: Final = feature(names.bucket(semconv.FEATURE_VALUE))
_NATIVE: Final = feature(names.name(semconv.FEATURE_VALUE))
_ABOVE: Final = f'{names.SIDE}="{semconv.SIDE_ABOVE}"'
_BELOW: Final = f'{names.SIDE}="{semconv.SIDE_BELOW}"'


def training(metric: Metric) -> str:
    """What one worker of each replica tells of the training data; all tell the same."""
    return f"avg({feature(names.name(metric))})"


def _now(metric: Metric, *matchers: str) -> str:
    return increase(feature(names.name(metric), *matchers), window=common.WINDOW)


def _quantile(q: float) -> str:
    """Of explicit buckets where there are any, else of the native histogram."""
    return f"histogram_quantile({q}, {either(rate(_BUCKETS, names.LE), rate(_NATIVE))})"


_N: Final = f"({increase(feature(names.count(semconv.FEATURE_VALUE)), window=common.WINDOW)} > 0)"
_OFFSET: Final = f"({_now(semconv.FEATURE_DEVIATION, _ABOVE)} - {_now(semconv.FEATURE_DEVIATION, _BELOW)}) / {_N}"
"""How far the mean of the window is from that of training; exactly, but for what increase() extrapolates."""

_MEAN: Final = f"{training(semconv.FEATURE_REFERENCE_MEAN)} + {_OFFSET}"
_SD: Final = f"sqrt(clamp_min({_now(semconv.FEATURE_DEVIATION_SQUARES)} / {_N} - ({_OFFSET}) ^ 2, 0))"
_TRAINING_MEAN: Final = training(semconv.FEATURE_REFERENCE_MEAN)
_TRAINING_SD: Final = training(semconv.FEATURE_REFERENCE_DEVIATION)

DISTRIBUTION = [
    bars(
        Look(
            "Histogram now and in training",
            "Share of the values within the window in each bucket, called by its upper bound, beside the training "
            "data's. The first and the last one are what lies outside the training range.",
            NO_TRAINING, Traffic.REFERENCE, "percentunit", 24, 10,
        ),
        common.value_shares(chosen=_CHOSEN),
        common.training_values(chosen=_CHOSEN),
    ),
    shares(
        Look(
            "Categories now and in training",
            "Share of each category within the window, beside its share in the training data.",
            NO_CATEGORIES, Traffic.CATEGORIES, "percentunit", 12,
        ),
        names.CATEGORY,
        common.category_shares(chosen=_CHOSEN),
        common.training_shares(chosen=_CHOSEN),
    ),
    lines(
        Look("Categories over time", "Values a second by category.", NO_CATEGORIES, Traffic.CATEGORIES, "cps", 12),
        Query(rate(feature(names.name(semconv.FEATURE_CATEGORY)), names.CATEGORY), legend(names.CATEGORY)),
        stacked=True,
    ),
    heat(
        Look(
            "Heat map",
            "How many values lay where: the reference's buckets, or exponential ones where there is none.",
            NO_NUMBERS, Traffic.NUMBERS, "short", 12, 10, least=None,
        ),
        Query(either(increase(_BUCKETS, names.LE), increase(_NATIVE)), exemplar=True),
    ),
    lines(
        Look(
            "Quantiles",
            "The values that 5, 25, 50, 75 and 95 of 100 are below, as fine as the buckets are.", NO_NUMBERS,
            Traffic.NUMBERS, "short", 12, 10, least=None,
        ),
        *(Query(_quantile(q), f"p{100 * q:g}", exemplar=q == 0.05) for q in (0.05, 0.25, 0.5, 0.75, 0.95)),
    ),
]  # fmt: skip

MOMENTS = [
    lines(
        Look(
            "Mean",
            "Mean of the window, beside that of training with a band of one standard deviation of training.",
            NO_TRAINING, Traffic.REFERENCE, "short", 12, least=None,
        ),
        Query(_MEAN, "mean"),
        Query(_TRAINING_MEAN, "training"),
        Query(f"{_TRAINING_MEAN} + {_TRAINING_SD}", "training + sd"),
        Query(f"{_TRAINING_MEAN} - {_TRAINING_SD}", "training − sd"),
        styles={
            "training": common.dashed(), "training + sd": common.band("training − sd"), "training − sd": common.EDGE,
        },
    ),
    lines(
        Look(
            "Standard deviation", "Standard deviation of the window, beside that of training.", NO_TRAINING,
            Traffic.REFERENCE, "short", 12,
        ),
        Query(_SD, "sd"),
        Query(_TRAINING_SD, "training"),
        styles={"training": common.dashed()},
    ),
]  # fmt: skip
