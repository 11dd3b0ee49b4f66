"""What labels that came with ids say in detail: of each class, of scores, of values."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.boards import common
from collector.grafana.boards.performance import CHOSEN, CONFUSED, NO_LABELS, NO_VALUES, WITHIN, mae, measured, rmse
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import heat, lines, shares
from collector.grafana.promql import by, feature, increase, legend, pooled
from collector.grafana.tables import matrix, rows

__all__ = ["CALIBRATION", "CLASSES", "VALUES"]

_NO_SCORES: Final = (
    "No data yet, because no label came with the id of a prediction that had a probability: answer with class "
    "probabilities or a confidence, and send labels with ids (docs/labels.md)."
)
_KEY: Final = (names.API, names.MODEL_VERSION, names.CLASS)
_LARGE: Final = ((None, "transparent"), (0.05, "super-light-blue"), (0.2, "light-blue"), (0.5, "blue"))


def _of_class(metric: str) -> str:
    series = pooled(names.OF_CLASS, f'{names.METRIC}="{metric}"', WITHIN, chosen=CHOSEN)
    return f"avg{by(*_KEY)} ({series})"


_EXPECTED_F1: Final = (
    f"avg{by(names.API, names.CLASS)} ("
    + pooled(
        names.ESTIMATE_OF_CLASS,
        f'{names.METRIC}="{semconv.METRIC_F1}"',
        common.IN_WINDOW,
        chosen=("reference", "slice"),
    )
    + f")\n* on ({names.API}, {names.CLASS}) group_right () (0 * {_of_class(semconv.METRIC_F1)} + 1)"
)
"""With the labels of the others, whose model may have several versions."""

_SHARE: Final = {"unit": "percentunit", "decimals": 1}

CLASSES: Final = (
    rows(
        Look(
            "Classes, measured",
            "Of the labels that came within the window, for each class: how many of the predictions of it were right "
            "(precision), how many of its labels were predicted (recall), their harmonic mean (F1), and the F1 that "
            "all predictions let one expect.",
            NO_LABELS, Traffic.MATCHED, "short", 12, 9, least=None,
        ),
        [
            Query(f"sum{by(*_KEY)} ({pooled(names.true(common.WINDOW), chosen=CHOSEN)})"),
            Query(_of_class(semconv.METRIC_PRECISION)), Query(_of_class(semconv.METRIC_RECALL)),
            Query(_of_class(semconv.METRIC_F1)), Query(_EXPECTED_F1),
        ],
        {
            names.API: "API", names.MODEL_VERSION: "Version", names.CLASS: "Class", "Value #A": "Labels",
            "Value #B": "Precision", "Value #C": "Recall", "Value #D": "F1", "Value #E": "Expected F1",
        },
        {
            "Labels": {"decimals": 0}, "Precision": _SHARE, "Recall": _SHARE, "F1": _SHARE, "Expected F1": _SHARE,
        },
        ("Labels", True),
    ),
    matrix(
        Look(
            "Confusion",
            "Of the labels of each class, a line each, the share that each class was predicted for. The diagonal is "
            "right. Choose one API.",
            NO_LABELS, Traffic.MATCHED, "percentunit", 12, 9, decimals=1, steps=_LARGE,
        ),
        f"sum{by(names.TRUE, names.PREDICTED)} ({CONFUSED})\n/ ignoring ({names.PREDICTED}) group_left () "
        f"sum{by(names.TRUE)} ({CONFUSED})",
        names.TRUE,
        names.PREDICTED,
        "true \\ predicted",
    ),
)  # fmt: skip

_LABELS: Final = feature(names.name(semconv.MODEL_CALIBRATION), chosen=CHOSEN)
_OF_EVENT: Final = (names.API, names.MODEL_VERSION, names.EVENT)
_TRUE: Final = feature(names.name(semconv.MODEL_CALIBRATION), f'{names.CAME_TRUE}="true"', chosen=CHOSEN)
_SCORES: Final = feature(names.name(semconv.MODEL_CALIBRATION_SCORE), chosen=CHOSEN)


def _by_tenth(selector: str) -> str:
    """Of each tenth of the score its share of the labels there, the tenth called by where it begins."""
    sums, labels = (increase(one, names.TENTH, window=common.WINDOW) for one in (selector, _LABELS))
    return f'label_replace({sums} / ({labels} > 0), "{names.TENTH}", "0.$1", "{names.TENTH}", "0(.)")'


CALIBRATION: Final = (
    shares(
        Look(
            "Reliability",
            "Of the labels within the window by tenth of the probability that was given to the event, called by where "
            "it begins: the mean of that probability, and how many came true. The same height is well calibrated. The "
            f"event is the positive one of two classes, or, of more ({semconv.EVENT_PREDICTED}), that the predicted "
            "class is right.",
            _NO_SCORES, Traffic.MATCHED, "percentunit", 12,
        ),
        names.TENTH,
        _by_tenth(_TRUE),
        _by_tenth(_SCORES),
        ("came true", "expected"),
        (names.TENTH, False),
    ),
    lines(
        Look(
            "Calibration and scores",
            "Expected calibration error (ece), Brier score and logarithmic loss in nats, of the labels within the "
            "window: the smaller the better.",
            _NO_SCORES, Traffic.MATCHED, "short", 12,
        ),
        *(
            Query(measured(metric, *_OF_EVENT), f"{metric} {legend(*_OF_EVENT)}")
            for metric in ("ece", "brier", "log_loss")
        ),
    ),
)  # fmt: skip

_ERRORS: Final = feature(names.bucket(semconv.MODEL_ERROR_VALUE), chosen=CHOSEN)
_OF_API: Final = (names.API, names.MODEL_VERSION)

VALUES: Final = (
    mae(),
    rmse(),
    lines(
        Look(
            "R²",
            "Share of the variance of the true values that predictions explain, of the labels within the window: 1 is "
            "all, 0 as good as their mean.",
            NO_VALUES, Traffic.VALUES, "short", least=None, most=1,
        ),
        Query(measured("r2", *_OF_API), legend(*_OF_API)),
    ),
    lines(
        Look(
            "Bias", "Mean of predicted less true values, of the labels within the window.",
            NO_VALUES, Traffic.VALUES, "short", 12, least=None,
        ),
        Query(measured("bias", *_OF_API), legend(*_OF_API)),
    ),
    heat(
        Look(
            "Errors over time", "Predicted less true value: how many labels came with how large an error.",
            NO_VALUES, Traffic.VALUES, "short", 12, least=None,
        ),
        Query(increase(_ERRORS, names.LE)),
    ),
)  # fmt: skip
