"""Feature: what one input, feature, prediction or label looks like now, and how far that is from training."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.semconv import Metric
from collector.grafana import names
from collector.grafana.board import Board
from collector.grafana.boards import common, distribution
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import lines, rows, status
from collector.grafana.promql import by, feature, legend, pooled, rate

_CHOSEN: Final = ("signal", "feature", "reference", "slice")
_RARE: Final = f'{names.CATEGORY}=~"{semconv.CATEGORY_UNSEEN}|{semconv.CATEGORY_OTHER}"'
_NATIVE: Final = feature(names.name(semconv.FEATURE_VALUE))
_CATEGORIES: Final = feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT)


def _most(selector: str, *labels: str) -> str:
    return f"max{by(*labels)} ({selector})"


def _one_worker(metric: Metric) -> str:
    return feature(names.name(metric), common.PSI, common.IN_WINDOW)


_PSI: Final = pooled(names.POOLED, common.PSI, common.IN_WINDOW)
_PSI_CRITICAL: Final = pooled(names.CRITICAL, common.PSI, common.IN_WINDOW)
_DRIFT: Final = _most(pooled(names.POOLED, common.IN_WINDOW), names.METHOD)
_CRITICAL: Final = _most(pooled(names.CRITICAL, common.IN_WINDOW), names.METHOD)
_OF_WORKER: Final = feature(names.name(semconv.FEATURE_DRIFT), common.IN_WINDOW)
_CRITICAL_OF_WORKER: Final = feature(names.name(semconv.FEATURE_DRIFT_CRITICAL), common.IN_WINDOW)

GLANCE = [
    status(
        Look(
            "State", "Whether PSI of the window, all workers together, exceeds its critical value.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 4, steps=((None, "green"), (1, "red")),
        ),
        Query(_most(pooled(names.DRIFTED, common.PSI, common.IN_WINDOW))),
        common.STATES,
    ),
    status(
        Look(
            "PSI / critical",
            "PSI of the window in units of its critical value: above 1 is drift.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 4, decimals=2,
        ),
        Query(f"{_most(_PSI)} / {_most(_PSI_CRITICAL)}"),
    ),
    status(
        Look(
            "n",
            "Values within the window, missing ones left out, by all workers.",
            common.NO_FEATURES, Traffic.ANY, "short", 4, decimals=0,
        ),
        Query(common.counted(chosen=_CHOSEN)),
    ),
    status(
        Look(
            "n in training", "Values that the training data has, missing ones left out.", common.NO_REFERENCE,
            Traffic.REFERENCE, "short", 4, decimals=0,
        ),
        Query(_most(pooled(names.TRAINING_COUNT))),
    ),
    status(
        Look(
            "Missing share", "Share of null or NaN within the window.", common.NO_FEATURES, Traffic.ANY,
            "percentunit", 4, decimals=2, most=1,
        ),
        Query(common.missing_share(chosen=_CHOSEN)),
    ),
    status(
        Look(
            "Outside share", "Share below or above the training range, or in categories that training did not have.",
            common.NO_REFERENCE, Traffic.REFERENCE, "percentunit", 4, decimals=2, most=1,
        ),
        Query(_most(pooled(names.OUTSIDE_SHARE, common.IN_WINDOW))),
    ),
]  # fmt: skip

FAULTS = [
    lines(
        Look(
            "Missing",
            "Share of null or NaN within the window, beside that of training.",
            common.NO_FEATURES, Traffic.ANY, "percentunit",
        ),
        Query(common.missing_share(chosen=_CHOSEN), "missing"),
        Query(distribution.training(semconv.FEATURE_REFERENCE_MISSING), "training"),
        styles={"training": distribution.DASHED},
    ),
    lines(
        Look(
            "Out of range",
            "Values a second below the smallest and above the largest of the training data.",
            distribution.NO_TRAINING, Traffic.REFERENCE, "cps",
        ),
        Query(rate(feature(names.name(semconv.FEATURE_OUT_OF_RANGE)), names.REASON), legend(names.REASON)),
    ),
    lines(
        Look(
            "Unseen and other categories",
            "Share of values in categories that training did not have, and in those too rare to have a name of their "
            "own.",
            distribution.NO_CATEGORIES, Traffic.CATEGORIES, "percentunit",
        ),
        Query(
            f"{rate(feature(names.name(semconv.FEATURE_CATEGORY), _RARE), names.CATEGORY)}"
            f" / ignoring ({names.CATEGORY}) group_left () {rate(_CATEGORIES)}",
            legend(names.CATEGORY),
        ),
    ),
    lines(
        Look(
            "Invalid",
            "Values a second that could not be counted: infinite, or no number.",
            "No data yet, because this feature had no value in this time.",
            Traffic.ANY, "cps", 12,
        ),
        Query(rate(feature(names.name(semconv.FEATURE_INVALID)), names.REASON), legend(names.REASON)),
    ),
    lines(
        Look(
            "Values",
            "Values a second, missing ones left out, by worker. A worker whose line is flat while others' are not "
            "gets no requests.",
            distribution.NO_NUMBERS, Traffic.ANY, "cps", 12,
        ),
        Query(
            f"{rate(feature(names.count(semconv.FEATURE_VALUE)), names.INSTANCE)}\n"
            f"or histogram_count({rate(_NATIVE, names.INSTANCE)})\n"
            f"or {rate(_CATEGORIES, names.INSTANCE)}",
            legend(names.INSTANCE),
        ),
        stacked=True,
    ),
]  # fmt: skip

DRIFT = [
    rows(
        Look(
            "Drift by method",
            "Each measure of the window with what it has to exceed to be drift: of all workers together (psi, js, ks; "
            "the others cannot be added up), and of the worker that is furthest from training. mean_z counts in size, "
            "variance_ratio or its inverse.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, 9, decimals=4, least=None,
        ),
        [
            Query(_DRIFT),
            Query(_CRITICAL),
            Query(_most(_OF_WORKER, names.METHOD)),
            Query(_most(_CRITICAL_OF_WORKER, names.METHOD)),
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
        Query(f"{_DRIFT} / {_CRITICAL}", legend(names.METHOD)),
    ),
    lines(
        Look(
            "Drift of single workers",
            "PSI of each worker in units of its own critical value. One line above the others: a replica that gets "
            "other requests, or prepares them otherwise. With one replica it is that one alone.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 24, steps=((None, "transparent"), (1, "red")),
        ),
        Query(
            f"{_most(_one_worker(semconv.FEATURE_DRIFT), names.INSTANCE)}"
            f" / {_most(_one_worker(semconv.FEATURE_DRIFT_CRITICAL), names.INSTANCE)}",
            legend(names.INSTANCE),
        ),
    ),
]  # fmt: skip

BOARD: Final = Board(
    "feature",
    "Feature",
    "One input, feature, prediction or label: what it looks like now, and how far that is from training.",
    (
        "environment",
        "namespace",
        "service",
        "version",
        "instance",
        "model",
        "api",
        "signal",
        "feature",
        "reference",
        "window",
        "slice",
    ),
    (
        ("At a glance", GLANCE),
        ("Distribution", distribution.DISTRIBUTION),
        ("Mean and spread", distribution.MOMENTS),
        ("Drift", DRIFT),
        ("Missing, unseen, out of range", FAULTS),
    ),
    "now-6h",
)
