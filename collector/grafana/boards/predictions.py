"""Predictions and labels: what the model says, how sure it is, and what turned out to be true."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.board import Board
from collector.grafana.boards import alike, common, concept, labels, outcomes, performance
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import bars, heat, lines, shares
from collector.grafana.promql import by, legend, pooled

_CHOSEN: Final = ("reference", "slice")
_PREDICTION: Final = f'{names.SIGNAL}="{semconv.SIGNAL_PREDICTION}"'
_EITHER: Final = f'{names.SIGNAL}=~"{semconv.SIGNAL_PREDICTION}|{semconv.SIGNAL_LABEL}"'
_SURE: Final = f'{names.FEATURE}="{common.CONFIDENCE}"'
_CLUELESS: Final = f'{names.FEATURE}="{common.ENTROPY}"'
_OTHERS: Final = f'{names.FEATURE}!~"{common.CONFIDENCE}|{common.ENTROPY}"'
_KEY: Final = (names.SIGNAL, names.FEATURE, names.API)

_NO_CLASSES: Final = "No data yet, because no prediction of this API is a class, or the reference has no predictions."
_NO_PROBABILITIES: Final = (
    "No data yet, because no prediction of this API is a row of class probabilities, which are not negative and add up "
    "to 1: confidence and entropy are made of these."
)
_NO_NUMBERS: Final = "No data yet, because no prediction of this API is a number of its own."


def _quantiles(*matchers: str) -> list[Query]:
    return [Query(alike.quantile(q, *matchers, chosen=_CHOSEN), f"p{100 * q:g}") for q in (0.05, 0.5, 0.95)]


def _of_pool(series: str) -> str:
    return pooled(series, common.PSI, common.IN_WINDOW, _EITHER, chosen=_CHOSEN)


_CATEGORY: Final = legend(names.CATEGORY)
_NAMED: Final = legend(names.SIGNAL, names.FEATURE)


CLASSES = [
    shares(
        Look(
            "Classes now and in training",
            "Share of each predicted class within the window, beside its share in the training data.",
            _NO_CLASSES, Traffic.CLASSES, "percentunit", 12,
        ),
        names.CATEGORY,
        *alike.categories(_PREDICTION, chosen=_CHOSEN),
    ),
    lines(
        Look(
            "Classes over time", "Share of each predicted class.", _NO_CLASSES, Traffic.CLASSES, "percentunit", 12,
            most=1,
        ),
        Query(labels.over_time(_PREDICTION), _CATEGORY),
        stacked=True,
    ),
]  # fmt: skip

CERTAINTY = [
    bars(
        Look(
            "Confidence now and in training",
            "Probability of the likeliest class: share of the predictions in each bucket, called by its upper bound, "
            "beside the training data's.",
            _NO_PROBABILITIES, Traffic.PROBABILITIES, "percentunit", 12,
        ),
        *alike.values(_PREDICTION, _SURE, chosen=_CHOSEN),
    ),
    lines(
        Look(
            "Confidence",
            "Probability of the likeliest class. Confidence that falls while the classes stay can be an early sign of "
            "inputs that the model does not know.",
            _NO_PROBABILITIES, Traffic.PROBABILITIES, "percentunit", 12, most=1,
        ),
        *_quantiles(_PREDICTION, _SURE),
    ),
    heat(
        Look(
            "Entropy",
            "Entropy of the class probabilities, in nats: 0 where the model is certain, ln(classes) where it is "
            "clueless.",
            _NO_PROBABILITIES, Traffic.PROBABILITIES, "short", 12,
        ),
        Query(alike.heat(_PREDICTION, _CLUELESS, chosen=_CHOSEN)),
    ),
    lines(
        Look(
            "Entropy quantiles",
            "The entropy that 5, 50 and 95 of 100 predictions are below, in nats.",
            _NO_PROBABILITIES, Traffic.PROBABILITIES, "short", 12,
        ),
        *_quantiles(_PREDICTION, _CLUELESS),
    ),
]  # fmt: skip

NUMBERS = [
    lines(
        Look(
            "Predicted values",
            "The values that 5, 50 and 95 of 100 numeric predictions are below. Of several, at each moment, it is the "
            "one with the most values: choose one API.",
            _NO_NUMBERS, Traffic.NUMBERS, "short", 12, least=None,
        ),
        *_quantiles(_PREDICTION, _OTHERS),
    ),
    lines(
        Look(
            "Drift of predictions and labels", "PSI of the window in units of its critical value: above 1 is drift.",
            common.NO_DRIFT, Traffic.REFERENCE, "short", 12, steps=((None, "transparent"), (1, "red")),
        ),
        Query(
            f"max{by(*_KEY)} ({_of_pool(names.POOLED)} / {_of_pool(names.CRITICAL)})",
            _NAMED,
        ),
    ),
]  # fmt: skip

PERFORMANCE = [performance.accuracy(), performance.f1(), performance.area()]

BOARD: Final = Board(
    "predictions",
    "Predictions and labels",
    "What the model says, how sure it is, and what turned out to be true.",
    (
        "environment",
        "namespace",
        "service",
        "version",
        "instance",
        "model",
        "api",
        "reference",
        "window",
        "slice",
        "model_version",
    ),
    (
        ("Classes", CLASSES),
        ("Certainty", CERTAINTY),
        ("Values and drift", NUMBERS),
        ("Labels", labels.PANELS),
        ("Performance", [*PERFORMANCE, *outcomes.CLASSES]),
        ("Calibration", outcomes.CALIBRATION),
        ("Errors of predicted values", outcomes.VALUES),
        ("Concept drift", concept.PANELS),
    ),
    "now-6h",
)
