"""Is the model expected to be as right as when it was tested, and is that expectation to be believed?"""

from __future__ import annotations

from textwrap import indent
from typing import Final

from bento_observe import semconv
from collector import recorded
from collector.alerts._definition import OF, Alert, Number
from collector.alerts._model import METRIC, MODEL, MODEL_OF, OVERVIEW, PREDICTIONS_PAGE, REFERENCE
from collector.alerts._policy import Policy
from collector.alerts._series import API, SERVICE_LABELS, WHOLE, by, label_name, metric_name

__all__ = ["estimate_alerts"]

_CONCEPT: Final = (*SERVICE_LABELS, MODEL, API, REFERENCE)
_LABELS: Final = (*_CONCEPT, METRIC)
_MAX: Final = by(_LABELS, "max")
_WHOSE: Final = by(_CONCEPT, "max")
_WINDOW: Final = label_name(semconv.ML_DRIFT_WINDOW)
_THING: Final = f"{{{MODEL}}} {MODEL_OF}"

_TOLD: Final = (semconv.METRIC_ACCURACY, semconv.METRIC_F1, semconv.METRIC_ROC_AUC, semconv.METRIC_MAE)
"""Precision and recall are in F1, and the root of the mean squared error moves with the mean absolute one: an alert of
each would say the same thing twice."""

# What prometheus/generate_estimates.py records: of classes, and the errors of values.
_ESTIMATE: Final = ("model:ml_performance_estimate:pooled", "model:ml_performance_loss_estimate:pooled")
_WORSE: Final = ("model:ml_performance_estimate:fell", "model:ml_performance_loss_estimate:rose")
_LOW: Final = ("model:ml_performance_estimate_low:pooled", "model:ml_performance_loss_estimate_low:pooled")
_HIGH: Final = ("model:ml_performance_estimate_high:pooled", "model:ml_performance_loss_estimate_high:pooled")
_TESTED: Final = ("model:ml_performance_reference:avg", "model:ml_performance_loss_reference:avg")
_ROWS: Final = ("class:ml_estimate_predictions:increase", "model:ml_estimate_loss_rows:increase")
_DISAGREES: Final = recorded.DISAGREES
_DISAGREEMENT: Final = recorded.DISAGREEMENT
_CRITICAL: Final = recorded.DISAGREEMENT_CRITICAL
_LOSS_DISAGREES: Final = recorded.LOSS_DISAGREES
_LOSS_DISAGREEMENT: Final = recorded.LOSS_DISAGREEMENT
_LOSS_CRITICAL: Final = recorded.LOSS_DISAGREEMENT_CRITICAL
_JUDGED: Final = "model:ml_estimate_judged:increase"
_WORKERS: Final = recorded.ALARMED


def estimate_alerts(policy: Policy) -> list[Alert]:
    """The alerts of estimated performance, and of labels that contradict it."""
    return [_drop(policy), _concept_of_classes(policy), _concept_of_values(policy)]


def _drop(policy: Policy) -> Alert:
    window = policy.performance_window
    told = f'{METRIC}=~"{"|".join(_TOLD)}",{_WINDOW}="{window}",{WHOLE}'
    shared = ", ".join(_CONCEPT)
    rows = [f"{by(_CONCEPT)} ({series}{window}{{{WHOLE}}})" for series in _ROWS]
    conditions = [
        f"{_MAX} ({estimate}{{{told}}})\nand {_MAX} ({worse}{{{told}}}) == 1\n"
        f"and on ({shared}) {counted} >= {policy.least_predictions}"
        for estimate, worse, counted in zip(_ESTIMATE, _WORSE, rows, strict=True)
    ]

    def either(series: tuple[str, str], selector: str) -> str:
        return f"{_MAX} ({' or '.join(f'{one}{{{OF},{selector}}}' for one in series)})"

    now = f'{_WINDOW}="{window}",{WHOLE}'
    # Rows have no metric: they are given that of the estimate, by which the number is found.
    counted = f"0 * {either(_ESTIMATE, now)} + on ({shared}) group_left () ({' or '.join(rows)})"
    return Alert(
        "EstimatedPerformanceDrop",
        "performance",
        "ticket",
        _LABELS,
        "\nor\n".join(f"(\n{indent(condition, '  ')}\n)" for condition in conditions),
        policy.wait("10m"),
        f"{_THING}: its {{{METRIC}}} is expected to be {{value}}, and was {{tested}} when it was tested",
        f"By the {{n}} predictions within {window}, the {{{METRIC}}} of {_THING} is expected to be {{value}} (95% band "
        "{low} to {high}); the held-out predictions of its reference came to {tested}. No label has been looked at: "
        "what it is asked is harder than what it was tested with.",
        "Which inputs drifted (overview), and since which client or version; slices say where it is. If the change is "
        "to stay, collect labels for these inputs and train again. It is a reason to look, not to roll back.",
        {
            "value": Number("figure"),
            "tested": Number("figure", either(_TESTED, WHOLE)),
            "low": Number("figure", either(_LOW, now)),
            "high": Number("figure", either(_HIGH, now)),
            "n": Number("count", counted),
        },
        PREDICTIONS_PAGE,
        f"{policy.least_predictions} predictions in {window}",
        keep=policy.wait("10m"),
        overview=OVERVIEW,
    )


def _within(series: str, time: str) -> str:
    return f'{_WHOSE} ({series}{{{OF},{_WINDOW}="{time}"}})'


def _differences(kind: str, disagreement: str, critical: str, policy: Policy) -> dict[str, Number]:
    """By how much labels disagree, and how much of it would be chance, where there are enough of them."""
    found = {}
    for name, time in (("now", policy.performance_window), ("usual", policy.usual_window)):
        found[name] = Number(kind, _within(disagreement, time), f" Within {time}: ")
        found[f"{name}_limit"] = Number(kind, _within(critical, time), " (by chance up to ", ").")
    return found


def _concept_of_classes(policy: Policy) -> Alert:
    window = policy.performance_window
    age = metric_name(semconv.CONCEPT_AGE)
    return Alert(
        "ConceptDrift",
        "performance",
        "ticket",
        _CONCEPT,
        f"{_WHOSE} (\n  {_DISAGREES} == 1\n  or {_WORKERS} > 0\n)",
        policy.wait("5m"),
        f"{_THING}: labels disagree with its confidence",
        f"Predictions of {_THING} are not wrong as often as their calibrated confidence says, but more often (less, "
        "if negative).{now}{now_limit}{usual}{usual_limit} {judged} labels were compared within "
        f"{window}{{workers}}{{age}}. The same inputs have other labels than when the reference was made.",
        "Do not believe estimates of performance meanwhile. Did the labels change rather than the world (another "
        "definition, a join gone wrong), or is a new model served under an old reference? Then train or calibrate on "
        "labels from after the change.",
        {
            **_differences("share", _DISAGREEMENT, _CRITICAL, policy),
            "judged": Number("count", f"{_WHOSE} ({_JUDGED}{window}{{{OF}}})"),
            "workers": Number("count", f"{_WHOSE} ({_WORKERS}{{{OF}}}) > 0", "; the detectors of ", " workers alarm"),
            "age": Number("seconds", f"{_WHOSE} ({age}{{{OF}}}) > 0", ", since a change about ", " ago"),
        },
        PREDICTIONS_PAGE,
        f"{policy.least_judged} labels in {window} or {policy.usual_window}, or a worker's detector",
        keep=policy.wait("10m"),
        more={"of": "classes"},
        overview=OVERVIEW,
    )


def _concept_of_values(policy: Policy) -> Alert:
    window, longer = policy.performance_window, policy.usual_window
    return Alert(
        "ConceptDrift",
        "performance",
        "ticket",
        _CONCEPT,
        f"{_WHOSE} (\n  {_LOSS_DISAGREES}\n) == 1",
        policy.wait("5m"),
        f"{_THING}: labels disagree with the error that its inputs lead one to expect",
        f"The mean absolute error of {_THING} is not what its inputs lead one to expect, but larger (smaller, if "
        "negative), in the unit of the label.{now}{now_limit}{usual}{usual_limit} The same inputs have other labels "
        "than when the reference was made, or labels are of rows that were picked for being odd.",
        "Do not believe estimates of performance meanwhile. Which rows have labels? Did the labels change rather than "
        "the world (another unit or definition, a join gone wrong), or is a new model served under an old reference? "
        "Then train, with a new reference, on labels from after the change.",
        _differences("figure", _LOSS_DISAGREEMENT, _LOSS_CRITICAL, policy),
        PREDICTIONS_PAGE,
        f"{policy.least_judged} labels in {window} or {longer}, not much later than their predictions",
        keep=policy.wait("10m"),
        more={"of": "values"},
        overview=OVERVIEW,
    )
