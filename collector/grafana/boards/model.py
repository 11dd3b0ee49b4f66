"""Model overview, the one to open first: is the model well?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import foreign, names
from collector.grafana.board import Board
from collector.grafana.boards import alerts, alike, common, concept, performance
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import bars, lines, shares, status
from collector.grafana.promql import by, either, feature, legend, pooled, quantile, rate, select
from collector.grafana.tables import rows

_CHOSEN: Final = ("signal", "reference", "slice")
_KEY: Final = (names.FEATURE, names.SIGNAL, names.API, names.REFERENCE)
_REQUESTS: Final = names.count(semconv.REQUEST_DURATION)
_OK: Final = f'{names.STATUS}="200"'

_DRIFT: Final = pooled(names.POOLED, common.PSI, common.IN_WINDOW, chosen=_CHOSEN)
_CRITICAL: Final = pooled(names.CRITICAL, common.PSI, common.IN_WINDOW, chosen=_CHOSEN)
_DRIFTED: Final = pooled(names.DRIFTED, common.PSI, common.IN_WINDOW, chosen=_CHOSEN)
_OUTSIDE: Final = pooled(names.OUTSIDE_SHARE, common.IN_WINDOW, chosen=_CHOSEN)
_RECORDED: Final = pooled(names.MISSING_SHARE, common.IN_WINDOW, chosen=_CHOSEN)
_UNKNOWN: Final = feature(names.name(semconv.FEATURE_MISSING), common.UNKNOWN, chosen=_CHOSEN)
_MISSING: Final = common.missing_share(*_KEY, chosen=_CHOSEN)


def _worst(expr: str) -> str:
    return f"max{by(*_KEY)} ({expr})"


_STATE: Final = (
    f"{_worst(_DRIFTED)} + 2\n"
    f"or {_worst(_RECORDED)} * 0 + 1\n"
    f"or {_worst(_UNKNOWN)} * 0\n"
    f"or {common.unrecorded(*_KEY, chosen=_CHOSEN)} * 0"
)
"""3 drifted, 2 stable, 1 not enough data, 0 without a reference."""

_RATIO: Final = _worst(f"{_DRIFT} / {_CRITICAL}")

GLANCE = [
    status(
        Look(
            "Features that drifted",
            "How many features, predictions and labels are further from their training data than chance and a small "
            "effect explain, by PSI over the window, all workers together.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 4, steps=((None, "green"), (1, "orange"), (4, "red")),
        ),
        Query(f"sum({_worst(_DRIFTED)})"),
    ),
    status(
        Look(
            "Features compared", "How many have enough values within the window for a comparison.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 4,
        ),
        Query(f"count({_worst(_DRIFTED)})"),
    ),
    status(
        Look(
            "Largest missing share", "The largest share of null or NaN among all features.",
            common.NO_FEATURES, Traffic.ANY, "percentunit", 4, decimals=1, most=1,
            steps=((None, "green"), (0.05, "orange"), (0.2, "red")),
        ),
        Query(f"max({_MISSING})"),
    ),
    status(
        Look(
            "Requests a minute", "Requests answered a minute, by all workers.", common.NO_REQUESTS, Traffic.ANY,
            "reqpm", 4, decimals=0,
        ),
        Query(f"60 * {rate(select(_REQUESTS))}"),
    ),
    status(
        Look(
            "Share of 200s", "Share of the answers that had the status 200.", common.NO_REQUESTS, Traffic.ANY,
            "percentunit", 4, decimals=2, most=1,
            steps=((None, "red"), (0.95, "orange"), (0.99, "green")),
        ),
        Query(f"{rate(select(_REQUESTS, _OK))} / {rate(select(_REQUESTS))}"),
    ),
    status(
        Look(
            "Latency p95", "Time within which 95 of 100 requests are answered.", common.NO_REQUESTS, Traffic.ANY, "s",
            4,
        ),
        Query(quantile(0.95, semconv.REQUEST_DURATION)),
    ),
]  # fmt: skip

ALERTS = alerts.listed(
    "Alerts",
    "Alerts of this service that fire, or are about to, by Prometheus' rules, and those of the Collector that it tells "
    "through; since when, and of how many: a line is one alert of one feature and API. docs/runbook.md says what to "
    "do.",
    "No alert fires or is pending.",
    {foreign.ABOUT: "About", names.FEATURE: "Feature", names.SIGNAL: "Signal", names.API: "API"},
)

_MAPPED: Final = [
    {
        "type": "value",
        "options": {
            "0": {"text": "no reference", "color": "text", "index": 0},
            "1": {"text": "not enough data", "color": "blue", "index": 1},
            "2": {"text": "stable", "color": "green", "index": 2},
            "3": {"text": "drifted", "color": "red", "index": 3},
        },
    }
]

FEATURES = rows(
    Look(
        "Features by drift",
        "Every feature with how far it is from its training data, the furthest first. PSI over the critical value is "
        "above 1 where it drifted: the critical value knows how many values there are. Missing is the share of null "
        "or NaN; outside the share below or above the training range, or in categories that training did not have. A "
        "click on a feature opens its dashboard.",
        common.NO_FEATURES, Traffic.ANY, "short", 24, 14, least=None,
    ),
    [
        Query(_RATIO), Query(_STATE), Query(_worst(_DRIFT)), Query(_worst(_CRITICAL)),
        Query(common.counted(*_KEY, chosen=_CHOSEN)), Query(_MISSING), Query(_worst(_OUTSIDE)),
    ],
    {
        names.FEATURE: "Feature",
        names.SIGNAL: "Signal",
        names.API: "API",
        "Value #B": "State",
        "Value #A": "PSI / critical",
        "Value #C": "PSI",
        "Value #D": "Critical",
        "Value #E": "n",
        "Value #F": "Missing",
        "Value #G": "Outside",
        names.REFERENCE: "Reference",
    },
    {
        "Feature": {"links": [common.TO_FEATURE], "custom.minWidth": 180},
        "State": {"mappings": _MAPPED, "custom.cellOptions": {"type": "color-background", "mode": "basic"}},
        "PSI / critical": {
            "decimals": 2,
            "max": 2,
            "min": 0,
            "custom.cellOptions": {"type": "gauge", "mode": "lcd", "valueDisplayMode": "text"},
            "thresholds": {
                "mode": "absolute",
                "steps": [
                    {"value": None, "color": "green"},
                    {"value": 0.7, "color": "orange"},
                    {"value": 1, "color": "red"},
                ],
            },
        },
        "PSI": {"decimals": 4},
        "Critical": {"decimals": 4},
        "n": {"decimals": 0},
        "Missing": {"unit": "percentunit", "decimals": 2},
        "Outside": {"unit": "percentunit", "decimals": 2},
        "Reference": {"custom.width": 190},
    },
    ("PSI / critical", True),
)  # fmt: skip

_PREDICTION: Final = f'{names.SIGNAL}="{semconv.SIGNAL_PREDICTION}"'
_VALUE: Final = f'{names.FEATURE}!~"{common.ENTROPY}|{common.CONFIDENCE}"'
_SURE: Final = f'{names.FEATURE}="{common.CONFIDENCE}"'
_OF_PREDICTIONS: Final = ("reference", "slice")
_VALUES: Final = alike.values(_PREDICTION, _VALUE, chosen=_OF_PREDICTIONS)
_CONFIDENCES: Final = alike.values(_PREDICTION, _SURE, chosen=_OF_PREDICTIONS)

PREDICTIONS = [
    shares(
        Look(
            "Predicted classes",
            "Share of each class among the predictions within the window, beside its share in the training data.",
            "No data yet, because no prediction of this API is a class, or the reference has no predictions.",
            Traffic.CLASSES, "percentunit", 12,
        ),
        names.CATEGORY,
        *alike.categories(_PREDICTION, chosen=_OF_PREDICTIONS),
    ),
    bars(
        Look(
            "Predicted values",
            "Share of the predictions within the window in each bucket, called by its upper bound, beside the "
            "training data's; where all predictions are probabilities, of the confidence. Of several references and "
            "numeric predictions are not added up, it is the one with the most values.",
            "No data yet, because no prediction of this API is a number, or the reference has no predictions.",
            Traffic.NUMBERS, "percentunit", 12,
        ),
        either(_VALUES[0], _CONFIDENCES[0]),
        either(_VALUES[1], _CONFIDENCES[1]),
    ),
]  # fmt: skip

_NAMED: Final = legend(names.SIGNAL, names.FEATURE)
OVER_TIME = [
    lines(
        Look(
            "Drift over time",
            "The ten features furthest from training: PSI in units of its critical value. Above 1 is drift.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", steps=((None, "transparent"), (1, "red")),
        ),
        Query(f"topk(10, {_RATIO})", _NAMED),
    ),
    lines(
        Look(
            "Missing over time", "The ten features with the largest share of null or NaN.", common.NO_FEATURES,
            Traffic.ANY, "percentunit",
        ),
        Query(f"topk(10, {_MISSING})", _NAMED),
    ),
    lines(
        Look(
            "Skew between training and serving",
            "Share of the compared that drifted, of raw inputs and of the features made of them. Features that drift "
            "while inputs do not tell of a transformation that differs from that of training.",
            common.NO_DRIFT, Traffic.REFERENCE, "percentunit", most=1,
        ),
        Query(f"avg by ({names.SIGNAL}) ({_DRIFTED})", legend(names.SIGNAL)),
    ),
]  # fmt: skip

PERFORMANCE = [
    *performance.glance(),
    concept.state(),
    performance.accuracy(),
    performance.f1(),
    performance.mae(),
]

BOARD: Final = Board(
    "model",
    "Model overview",
    "The one to open first: is the model well? Features by drift, performance measured and expected, predictions "
    "against training, errors and latency.",
    (
        "environment",
        "namespace",
        "service",
        "version",
        "instance",
        "model",
        "api",
        "signal",
        "reference",
        "window",
        "slice",
        "model_version",
    ),
    (
        ("At a glance", GLANCE),
        ("Alerts", [ALERTS]),
        ("Features", [FEATURES]),
        ("Performance", PERFORMANCE),
        ("Predictions", PREDICTIONS),
        ("Over time", OVER_TIME),
    ),
    "now-6h",
)
