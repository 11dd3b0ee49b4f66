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
from collector.grafana.panels import lines, status
from collector.grafana.promql import by, feature, increase, legend, pooled, rate
from collector.grafana.tables import rows

_CHOSEN: Final = ("signal", "feature", "reference", "slice")
_UNSEEN: Final = f'{names.CATEGORY}="{semconv.CATEGORY_UNSEEN}"'
_RATIO: Final = f'{names.METHOD}="{semconv.DRIFT_VARIANCE_RATIO}"'
_RARE: Final = f'{names.CATEGORY}=~"{semconv.CATEGORY_UNSEEN}|{semconv.CATEGORY_OTHER}"'
_NATIVE: Final = feature(names.name(semconv.FEATURE_VALUE))
_CATEGORIES: Final = feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT)


def _most(selector: str, *labels: str) -> str:
    return f"max{by(*labels)} ({selector})"


def _one_worker(metric: Metric) -> str:
    return feature(names.name(metric), common.PSI, common.IN_WINDOW)


def _now(metric: Metric, *matchers: str) -> str:
    return increase(feature(names.name(metric), *matchers), window=common.WINDOW)


_PSI: Final = (
    f"{pooled(names.POOLED, common.PSI, common.IN_WINDOW)} / {pooled(names.CRITICAL, common.PSI, common.IN_WINDOW)}"
)
_DRIFT: Final = pooled(names.POOLED, common.IN_WINDOW)
_CRITICAL: Final = pooled(names.CRITICAL, common.IN_WINDOW)
_OF_WORKER: Final = feature(names.name(semconv.FEATURE_DRIFT), common.IN_WINDOW)
_CRITICAL_OF_WORKER: Final = feature(names.name(semconv.FEATURE_DRIFT_CRITICAL), common.IN_WINDOW)
_BOTH_WAYS: Final = (
    f"(exp(abs(ln({feature(names.name(semconv.FEATURE_DRIFT), common.IN_WINDOW, _RATIO)}))) or abs({_OF_WORKER}))"
    f" / {_CRITICAL_OF_WORKER}"
)
"""Of a ratio of variances the inverse counts as well, of a z value the size."""

_COMPARED: Final = _now(semconv.FEATURE_BIN)
_COUNTED: Final = f"({_COMPARED} or {common.unrecorded(chosen=_CHOSEN)})"
_MISSING: Final = _now(semconv.FEATURE_MISSING)
_MISSING_SHARE: Final = f"{_MISSING} / ({_MISSING} + {_now(semconv.FEATURE_INVALID)} + ({_COUNTED} or vector(0)) > 0)"
_OUTSIDE_SHARE: Final = (
    f"({_now(semconv.FEATURE_OUT_OF_RANGE)} or {_now(semconv.FEATURE_CATEGORY, _UNSEEN)}) / ({_COMPARED} > 0)"
)
"""Of one feature straight from the workers' counts: not half a minute late, as the rules are, and over all APIs."""

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
        Query(_most(_PSI)),
    ),
    status(
        Look(
            "n",
            "Values within the window, missing ones left out, by all workers.",
            common.NO_FEATURES, Traffic.ANY, "short", 4, decimals=0,
        ),
        Query(_COUNTED),
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
        Query(_MISSING_SHARE),
    ),
    status(
        Look(
            "Outside share", "Share below or above the training range, or in categories that training did not have.",
            common.NO_REFERENCE, Traffic.REFERENCE, "percentunit", 4, decimals=2, most=1,
        ),
        Query(_OUTSIDE_SHARE),
    ),
]  # fmt: skip

FAULTS = [
    lines(
        Look(
            "Missing",
            "Share of null or NaN within the window, beside that of training.",
            common.NO_FEATURES, Traffic.ANY, "percentunit",
        ),
        Query(_MISSING_SHARE, "missing"),
        Query(distribution.training(semconv.FEATURE_REFERENCE_MISSING), "training"),
        styles={"training": common.dashed()},
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
            "Each measure of the window, of all workers together, with what it has to exceed to be drift (psi, js, ks; "
            "the others cannot be added up). Then the largest of a single worker, and the largest in units of a "
            "worker's own critical value, for which mean_z counts in size, and variance_ratio or its inverse.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, 9, decimals=4, least=None,
        ),
        [
            Query(_most(_DRIFT, names.METHOD, names.API)),
            Query(_most(_CRITICAL, names.METHOD, names.API)),
            Query(_most(_OF_WORKER, names.METHOD, names.API)),
            Query(_most(_BOTH_WAYS, names.METHOD, names.API)),
        ],
        {
            names.METHOD: "Method",
            names.API: "API",
            "Value #A": "Pool",
            "Value #B": "Critical",
            "Value #C": "Worst worker",
            "Value #D": "Worst worker / critical",
        },
        {},
        ("Method", False),
    ),
    lines(
        Look(
            "Drift over time", "Each measure of all workers together in units of its critical value: above 1 is drift.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, 9, steps=((None, "transparent"), (1, "red")),
        ),
        Query(_most(f"{_DRIFT} / {_CRITICAL}", names.METHOD), legend(names.METHOD)),
    ),
    lines(
        Look(
            "Drift of single workers",
            "PSI of each worker in units of its own critical value. One line above the others: a replica that gets "
            "other requests, or prepares them otherwise. With one replica it is that one alone.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 24, steps=((None, "transparent"), (1, "red")),
        ),
        Query(
            _most(
                f"{_one_worker(semconv.FEATURE_DRIFT)} / {_one_worker(semconv.FEATURE_DRIFT_CRITICAL)}", names.INSTANCE
            ),
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
