"""Feature: what one input, feature, prediction or label looks like now, and how far that is from training."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.semconv import Metric
from collector.grafana import names
from collector.grafana.board import Board
from collector.grafana.boards import common
from collector.grafana.expectations import Traffic
from collector.grafana.panels import Look, Query, bars, heat, lines, rows, shares, status
from collector.grafana.promql import feature, increase, pooled, rate

_CHOSEN: Final = ("signal", "feature", "reference", "slice")
_WINDOW: Final = f'{names.WINDOW}="{common.WINDOW}"'
_PSI: Final = f'{names.METHOD}="{semconv.DRIFT_PSI}"'
_NO_CATEGORIES: Final = "No data yet, because this feature is a number, or the service has no reference that knows its categories."
_NO_NUMBERS: Final = "No data yet, because this feature is no number, or had no value in this time."
_NO_TRAINING: Final = "No data yet, because this feature is no number, or the service has no reference to compare it with."


def _now(metric: Metric, *labels: str, matchers: tuple[str, ...] = ()) -> str:
    return increase(feature(names.name(metric), *matchers), *labels, window=common.WINDOW)


def _training(metric: Metric) -> str:
    """One worker of each replica tells it; all tell the same."""
    return f"avg({feature(names.name(metric))})"


_ABOVE: Final = f'{names.SIDE}="{semconv.SIDE_ABOVE}"'
_BELOW: Final = f'{names.SIDE}="{semconv.SIDE_BELOW}"'
_RARE: Final = f'{names.CATEGORY}=~"{semconv.CATEGORY_UNSEEN}|{semconv.CATEGORY_OTHER}"'
_N: Final = increase(feature(names.count(semconv.FEATURE_VALUE)), window=common.WINDOW)
_OFFSET: Final = (
    f"({_now(semconv.FEATURE_DEVIATION, matchers=(_ABOVE,))} - {_now(semconv.FEATURE_DEVIATION, matchers=(_BELOW,))})"
    f" / ({_N} > 0)"
)
"""How far the mean of the window is from that of training, exactly."""

_MEAN: Final = f"{_training(semconv.FEATURE_REFERENCE_MEAN)} + {_OFFSET}"
_SD: Final = f"sqrt(clamp_min({_now(semconv.FEATURE_DEVIATION_SQUARES)} / ({_N} > 0) - ({_OFFSET}) ^ 2, 0))"
_TRAINING_MEAN: Final = _training(semconv.FEATURE_REFERENCE_MEAN)
_TRAINING_SD: Final = _training(semconv.FEATURE_REFERENCE_DEVIATION)

_BUCKETS: Final = feature(names.bucket(semconv.FEATURE_VALUE))
_NATIVE: Final = feature(names.name(semconv.FEATURE_VALUE))

_DRIFT: Final = pooled(names.POOLED, _WINDOW)
_CRITICAL: Final = pooled(names.CRITICAL, _WINDOW)
_MISSING: Final = pooled(names.MISSING_SHARE, _WINDOW)
_OUTSIDE: Final = pooled(names.OUTSIDE_SHARE, _WINDOW)
_WORKER_DRIFT: Final = feature(names.name(semconv.FEATURE_DRIFT), _WINDOW)
_WORKER_CRITICAL: Final = feature(names.name(semconv.FEATURE_DRIFT_CRITICAL), _WINDOW)
_BY_METHOD: Final = f"max by ({names.METHOD})"


def _quantile(q: float) -> str:
    """Of explicit buckets where there are any, else of the native histogram."""
    return f"histogram_quantile({q}, {rate(_BUCKETS, names.LE)} or {rate(_NATIVE)})"


GLANCE = [
    status(
        Look(
            "State", "Whether PSI of the window, all workers together, exceeds its critical value.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 4, steps=((None, "green"), (1, "red")),
        ),
        Query(f"max({pooled(names.DRIFTED, _PSI, _WINDOW)})"),
        common.STATES,
    ),
    status(
        Look("PSI / critical", "PSI of the window in units of its critical value: above 1 is drift.", common.NO_DRIFT, Traffic.REFERENCE, "short", 4, decimals=2),
        Query(f"max({pooled(names.POOLED, _PSI, _WINDOW)}) / max({pooled(names.CRITICAL, _PSI, _WINDOW)})"),
    ),
    status(
        Look("n", "Values within the window, missing ones left out, by all workers.", common.NO_FEATURES, Traffic.ANY, "short", 4, decimals=0),
        Query(
            f"sum({pooled(names.counted(common.WINDOW))})\n"
            f"or histogram_count({increase(_NATIVE, window=common.WINDOW)})\n"
            f"or {increase(feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT), window=common.WINDOW)}"
        ),
    ),
    status(
        Look("n in training", "Values that the training data has, missing ones left out.", common.NO_REFERENCE, Traffic.REFERENCE, "short", 4, decimals=0),
        Query(f"max({pooled(names.TRAINING_COUNT)})"),
    ),
    status(
        Look("Missing share", "Share of null or NaN within the window.", common.NO_REFERENCE, Traffic.REFERENCE, "percentunit", 4, decimals=2, most=1),
        Query(f"max({_MISSING})"),
    ),
    status(
        Look(
            "Outside share", "Share below or above the training range, or in categories that training did not have.",
            common.NO_REFERENCE, Traffic.REFERENCE, "percentunit", 4, decimals=2, most=1,
        ),
        Query(f"max({_OUTSIDE})"),
    ),
]  # fmt: skip

DISTRIBUTION = [
    bars(
        Look(
            "Histogram now and in training", "Share of the values within the window in each bucket, called by its upper bound, beside the training data's. The first and the last one are what lies outside the training range.",
            _NO_TRAINING, Traffic.REFERENCE, "percentunit", 24, 10,
        ),
        common.value_shares(chosen=_CHOSEN),
        common.training_values(chosen=_CHOSEN),
    ),
    shares(
        Look("Categories now and in training", "Share of each category within the window, beside its share in the training data.", _NO_CATEGORIES, Traffic.CATEGORIES, "percentunit", 12),
        names.CATEGORY,
        common.category_shares(chosen=_CHOSEN),
        common.training_shares(chosen=_CHOSEN),
    ),
    lines(
        Look("Categories over time", "Values a second by category.", _NO_CATEGORIES, Traffic.CATEGORIES, "cps", 12),
        Query(rate(feature(names.name(semconv.FEATURE_CATEGORY)), names.CATEGORY), f"{{{{{names.CATEGORY}}}}}"),
        stacked=True,
    ),
    heat(
        Look("Heat map", "How many values lay where: the reference's buckets, or exponential ones where there is none.", _NO_NUMBERS, Traffic.ANY, "short", 12, 10, least=None),
        Query(f"{increase(_BUCKETS, names.LE)} or {increase(_NATIVE)}", exemplar=True),
    ),
    lines(
        Look(
            "Quantiles", "The values that 5, 25, 50, 75 and 95 of 100 are below, as fine as the buckets are. Points are single values; a click opens the trace of their request.",
            _NO_NUMBERS, Traffic.ANY, "short", 12, 10, least=None,
        ),
        *(Query(_quantile(q), f"p{100 * q:g}", exemplar=q == 0.95) for q in (0.05, 0.25, 0.5, 0.75, 0.95)),
    ),
]  # fmt: skip

_BAND: Final = {"custom.fillBelowTo": "training − sd", "custom.lineWidth": 0, "custom.fillOpacity": 12, "color": {"mode": "fixed", "fixedColor": "blue"}}
_EDGE: Final = {"custom.lineWidth": 0, "custom.fillOpacity": 0, "color": {"mode": "fixed", "fixedColor": "blue"}}
_DASHED: Final = {"custom.lineStyle": {"fill": "dash", "dash": [10, 10]}, "custom.fillOpacity": 0, "color": {"mode": "fixed", "fixedColor": "blue"}}

MOMENTS = [
    lines(
        Look("Mean", "Mean of the window, beside that of training with a band of one standard deviation of training.", _NO_TRAINING, Traffic.REFERENCE, "short", 12, least=None),
        Query(_MEAN, "mean"),
        Query(_TRAINING_MEAN, "training"),
        Query(f"{_TRAINING_MEAN} + {_TRAINING_SD}", "training + sd"),
        Query(f"{_TRAINING_MEAN} - {_TRAINING_SD}", "training − sd"),
        styles={"training": _DASHED, "training + sd": _BAND, "training − sd": _EDGE},
    ),
    lines(
        Look("Standard deviation", "Standard deviation of the window, beside that of training.", _NO_TRAINING, Traffic.REFERENCE, "short", 12),
        Query(_SD, "sd"),
        Query(_TRAINING_SD, "training"),
        styles={"training": _DASHED},
    ),
]  # fmt: skip

FAULTS = [
    lines(
        Look("Missing", "Share of null or NaN within the window, beside that of training.", common.NO_REFERENCE, Traffic.REFERENCE, "percentunit"),
        Query(f"max({_MISSING})", "missing"),
        Query(_training(semconv.FEATURE_REFERENCE_MISSING), "training"),
        styles={"training": _DASHED},
    ),
    lines(
        Look("Out of range", "Values a second below the smallest and above the largest of the training data.", _NO_TRAINING, Traffic.REFERENCE, "cps"),
        Query(rate(feature(names.name(semconv.FEATURE_OUT_OF_RANGE)), names.REASON), f"{{{{{names.REASON}}}}}"),
    ),
    lines(
        Look("Unseen and other categories", "Share of values in categories that training did not have, and in those too rare to have a name of their own.", _NO_CATEGORIES, Traffic.CATEGORIES, "percentunit"),
        Query(
            f"{rate(feature(names.name(semconv.FEATURE_CATEGORY), _RARE), names.CATEGORY)}"
            f" / ignoring ({names.CATEGORY}) group_left () {rate(feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT))}",
            f"{{{{{names.CATEGORY}}}}}",
        ),
    ),
    lines(
        Look("Invalid", "Values a second that could not be counted: infinite, or no number.", "No data yet, because this feature had no value in this time.", Traffic.ANY, "cps"),
        Query(rate(feature(names.name(semconv.FEATURE_INVALID)), names.REASON), f"{{{{{names.REASON}}}}}"),
    ),
    lines(
        Look("Values", "Values a second, missing ones left out, by worker. A worker whose line is flat while others' are not gets no requests.", _NO_NUMBERS, Traffic.ANY, "cps"),
        Query(
            f"{rate(feature(names.count(semconv.FEATURE_VALUE)), names.INSTANCE)}\n"
            f"or histogram_count({rate(_NATIVE, names.INSTANCE)})\n"
            f"or {rate(feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT), names.INSTANCE)}",
            f"{{{{{names.INSTANCE}}}}}",
        ),
        stacked=True,
    ),
]  # fmt: skip

DRIFT = [
    rows(
        Look(
            "Drift by method", "Each measure of the window with what it has to exceed to be drift: of all workers together (psi, js, ks; the others cannot be added up), and of the worker that is furthest from training. mean_z counts in size, variance_ratio or its inverse.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, 9, decimals=4, least=None,
        ),
        [
            Query(f"{_BY_METHOD} ({_DRIFT})"),
            Query(f"{_BY_METHOD} ({_CRITICAL})"),
            Query(f"{_BY_METHOD} ({_WORKER_DRIFT})"),
            Query(f"{_BY_METHOD} ({_WORKER_CRITICAL})"),
        ],
        {
            names.METHOD: "Method",
            "Value #A": "Pool",
            "Value #B": "Critical",
            "Value #C": "Worst worker",
            "Value #D": "Critical of workers",
        },
        {},
        ("Method", False),
    ),
    lines(
        Look(
            "Drift over time", "Each measure of all workers together in units of its critical value: above 1 is drift.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, 9, steps=((None, "transparent"), (1, "red")),
        ),
        Query(f"{_BY_METHOD} ({_DRIFT}) / {_BY_METHOD} ({_CRITICAL})", f"{{{{{names.METHOD}}}}}"),
    ),
    lines(
        Look(
            "Drift of single workers", "PSI of each worker in units of its own critical value. One line above the others: a replica that gets other requests, or prepares them otherwise. With one replica it is that one alone.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 24, steps=((None, "transparent"), (1, "red")),
        ),
        Query(
            f"max by ({names.INSTANCE}) ({feature(names.name(semconv.FEATURE_DRIFT), _PSI, _WINDOW)}) / max by ({names.INSTANCE}) ({feature(names.name(semconv.FEATURE_DRIFT_CRITICAL), _PSI, _WINDOW)})",
            f"{{{{{names.INSTANCE}}}}}",
        ),
    ),
]  # fmt: skip

BOARD: Final = Board(
    "feature",
    "Feature",
    "One input, feature, prediction or label: what it looks like now, and how far that is from training.",
    ("environment", "namespace", "service", "version", "instance", "model", "api", "signal", "feature", "reference", "window", "slice"),
    (
        ("At a glance", GLANCE),
        ("Distribution", DISTRIBUTION),
        ("Mean and spread", MOMENTS),
        ("Drift", DRIFT),
        ("Missing, unseen, out of range", FAULTS),
    ),
    "now-6h",
)
