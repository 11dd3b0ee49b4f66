"""How good the model is: measured of the labels that came with ids, beside what its predictions let one expect.

Functions, since a panel lies on one dashboard alone. Figures of several APIs are lines of their own, the band is around
all of them: choose one API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.boards import common
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Panel, Query
from collector.grafana.panels import lines, status
from collector.grafana.promql import by, legend, pooled

__all__ = [
    "CHOSEN", "CONFUSED", "NO_LABELS", "NO_VALUES", "WITHIN", "accuracy", "area", "f1", "glance", "mae",
    "measured", "rmse",
]  # fmt: skip

CHOSEN: Final = ("model_version", "slice")
"""Of labels with ids; those know the version of the model, and do not know the reference."""

_CHOSEN: Final = ("reference", "slice")
WITHIN: Final = f'{names.LABEL_WINDOW}="{common.WINDOW}"'

_SEND: Final = "send them to POST /observe/labels, or call record_labels(ids, labels) (docs/labels.md)."
NO_LABELS: Final = (
    f"No data yet, because no label of a predicted class came with the id of its prediction in this time: {_SEND}"
)
NO_VALUES: Final = (
    f"No data yet, because no label of a predicted value came with the id of its prediction in this time: {_SEND}"
)
_NO_ESTIMATE: Final = (
    "No data yet, because the reference has no calibration, or the service does not answer with class probabilities: "
    "profile held-out predictions of each class together with their labels (docs/performance-estimation.md)."
)
_NO_LOSSES: Final = (
    "No data yet, because no label of a predicted value came with the id of its prediction, and the reference has no "
    "loss model: send labels, or give one to Reference.from_frame(loss_model=) (docs/performance-estimation.md)."
)


@dataclass(frozen=True)
class _Expected:
    """The recorded series of an estimate, its band, and what it is compared with."""

    value: str
    low: str
    high: str
    reference: str


_OF_CLASSES: Final = _Expected(names.ESTIMATE, names.ESTIMATE_LOW, names.ESTIMATE_HIGH, names.ESTIMATE_REFERENCE)
_OF_VALUES: Final = _Expected(names.LOSS, names.LOSS_LOW, names.LOSS_HIGH, names.LOSS_REFERENCE)

_PATTERNS: Final[dict[str, common.Style]] = {
    "^expected ": {"color": {"mode": "fixed", "fixedColor": "orange"}},
    "^as tested ": common.dashed("text"),
}


CONFUSED: Final = pooled(names.confused(common.WINDOW), chosen=CHOSEN)
_RIGHT: Final = pooled(names.confused(common.WINDOW), f'{names.CORRECT}="true"', chosen=CHOSEN)
_ACCURACY: Final = f"(sum({_RIGHT}) or 0 * sum({CONFUSED})) / sum({CONFUSED})"
"""Of all pairs of APIs and versions together: figures of each say nothing of how many labels they are of."""


def measured(metric: str, *labels: str) -> str:
    """A figure of the labels that came within the window, by `labels`, which have to tell apart what has one each."""
    series = pooled(names.PERFORMANCE, f'{names.METRIC}="{metric}"', WITHIN, chosen=CHOSEN)
    return f"avg{by(*labels)} ({series})"


def _expected(aggregation: str, series: str, metric: str, *labels: str) -> str:
    windowed = () if series in (names.ESTIMATE_REFERENCE, names.LOSS_REFERENCE) else (common.IN_WINDOW,)
    selected = pooled(series, f'{names.METRIC}="{metric}"', *windowed, chosen=_CHOSEN)
    return f"{aggregation}{by(*labels)} ({selected})"


def _tested(of: _Expected, metric: str) -> str:
    """What the reference's held-out predictions came to, of the APIs that make any: all workers tell it of all."""
    return (
        f"{_expected('avg', of.reference, metric, names.API)}\n"
        f"and on ({names.API}) {_expected('avg', of.value, metric, names.API)}"
    )


_ESTIMATED: Final = pooled(names.estimated(common.WINDOW), chosen=_CHOSEN)


def _of_all(by_api: str) -> str:
    """Of figures of APIs the one of all their predictions within the window together."""
    weights = f"sum{by(names.API)} ({_ESTIMATED})"
    return f"sum(({by_api}) * on ({names.API}) {weights})\n/ sum({weights} and on ({names.API}) ({by_api}))"


def _compared(look: Look, of: _Expected, metric: str, expected: str) -> Panel:
    """`metric` as the labels have it, beside what is `expected` of all predictions, with its band."""
    version = (names.API, names.MODEL_VERSION)
    return lines(
        look,
        Query(measured(metric, *version), f"measured {legend(*version)}"),
        Query(_expected("avg", of.value, expected, names.API), f"expected {legend(names.API)}"),
        Query(_tested(of, expected), f"as tested {legend(names.API)}"),
        Query(_expected("max", of.high, expected), "upper end"),
        Query(_expected("min", of.low, expected), "lower end"),
        styles={"upper end": common.band("lower end", "orange"), "lower end": common.EDGE},
        patterns=_PATTERNS,
    )


_BAND_TOLD: Final = (
    "Beside it what the predictions themselves let one expect, whose labels may come much later or never, with its "
    "95 % band, and what the reference's held-out predictions came to."
)


def accuracy(width: int = 8) -> Panel:
    """Share of the predicted classes that were right."""
    return _compared(
        Look(
            "Accuracy, measured and expected",
            f"Share of the predictions that were right, of the labels that came within the window. {_BAND_TOLD} "
            "Measured far below expected: the same inputs now have other labels (concept drift).",
            NO_LABELS, Traffic.MATCHED, "percentunit", width, least=None, most=1,
        ),
        _OF_CLASSES, semconv.METRIC_ACCURACY, semconv.METRIC_ACCURACY,
    )  # fmt: skip


def f1(width: int = 8) -> Panel:
    """The mean of all classes."""
    return _compared(
        Look(
            "F1, measured and expected",
            f"Harmonic mean of precision and recall, the mean of all classes, by the labels within the window. "
            f"{_BAND_TOLD}",
            NO_LABELS, Traffic.MATCHED, "percentunit", width, least=None, most=1,
        ),
        _OF_CLASSES, "f1_macro", semconv.METRIC_F1,
    )  # fmt: skip


def area(width: int = 8) -> Panel:
    """The area under the ROC curve. With more than two classes the two are not the same figure."""
    event = (names.API, names.MODEL_VERSION, names.EVENT)
    series = pooled(names.PERFORMANCE, f'{names.METRIC}="auc"', WITHIN, chosen=CHOSEN)
    return lines(
        Look(
            "Area under the ROC curve",
            "How well scores tell what comes true from what does not; 0.5 is chance. Measured of the positive one of "
            f"two classes; of more classes ({semconv.EVENT_PREDICTED}) it is how well confidence tells right "
            "predictions from wrong ones. Expected and as tested: the mean of each class against all others. Not by "
            "slice.",
            NO_LABELS, Traffic.MATCHED, "short", width, least=None, most=1,
        ),
        Query(f"avg{by(*event)} ({series})", f"measured {legend(*event)}"),
        Query(_expected("avg", names.ESTIMATE, semconv.METRIC_ROC_AUC, names.API), f"expected {legend(names.API)}"),
        Query(_tested(_OF_CLASSES, semconv.METRIC_ROC_AUC), f"as tested {legend(names.API)}"),
        patterns=_PATTERNS,
    )  # fmt: skip


def mae(width: int = 8) -> Panel:
    """Of predicted values."""
    return _compared(
        Look(
            "Mean absolute error, measured and expected",
            f"Mean distance of predicted from true values, by the labels within the window. {_BAND_TOLD}",
            _NO_LOSSES, Traffic.VALUES, "short", width,
        ),
        _OF_VALUES, semconv.METRIC_MAE, semconv.METRIC_MAE,
    )  # fmt: skip


def rmse(width: int = 8) -> Panel:
    """Of predicted values."""
    return _compared(
        Look(
            "Root mean squared error, measured and expected",
            f"The same with large errors weighing more, by the labels within the window. {_BAND_TOLD}",
            _NO_LOSSES, Traffic.VALUES, "short", width,
        ),
        _OF_VALUES, semconv.METRIC_RMSE, semconv.METRIC_RMSE,
    )  # fmt: skip


def glance(width: int = 4) -> Sequence[Panel]:
    """Accuracy as numbers: measured, expected, as tested, and of how many labels."""
    return [
        status(
            Look(
                "Accuracy", "Share of the predictions that were right, of the labels that came within the window.",
                NO_LABELS, Traffic.MATCHED, "percentunit", width, decimals=1, most=1,
            ),
            Query(_ACCURACY),
        ),
        status(
            Look(
                "Expected accuracy",
                "What the predictions within the window are expected to come to, whether or not their labels came.",
                _NO_ESTIMATE, Traffic.CALIBRATED, "percentunit", width, decimals=1, most=1,
            ),
            Query(_of_all(_expected("avg", names.ESTIMATE, semconv.METRIC_ACCURACY, names.API))),
        ),
        status(
            Look(
                "Accuracy as tested", "What the reference's held-out predictions came to.",
                _NO_ESTIMATE, Traffic.CALIBRATED, "percentunit", width, decimals=1, most=1,
            ),
            Query(_of_all(_tested(_OF_CLASSES, semconv.METRIC_ACCURACY))),
        ),
        status(
            Look(
                "Labels", "How many labels came within the window with the ids of their predictions.",
                NO_LABELS, Traffic.MATCHED, "short", width, decimals=0,
            ),
            Query(f"sum({pooled(names.labelled(common.WINDOW), chosen=CHOSEN)})"),
        ),
        status(
            Look(
                "Expected performance",
                "Whether any expected figure, with its whole band, is worse than as tested: accuracy, precision, "
                "recall, F1, the area under the ROC curve, or the error of a regression.",
                _NO_ESTIMATE, Traffic.CALIBRATED, "short", width, steps=((None, "green"), (1, "red")),
            ),
            Query(
                f"max({pooled(names.FELL, common.IN_WINDOW, chosen=_CHOSEN)} "
                f"or {pooled(names.ROSE, common.IN_WINDOW, chosen=_CHOSEN)})"
            ),
            common.mapped({"0": ("as tested", "green"), "1": ("worse", "red")}),
        ),
    ]  # fmt: skip
