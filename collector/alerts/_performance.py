"""Is the model as right as it usually is, by the labels that came?

Told of accuracy and of the mean absolute error, whose standard errors follow from what is recorded. Macro averages
rest on the few labels that an hour has of the rarest class, and the root of the mean squared error on its largest few
errors: what they do from hour to hour is mostly chance. They are on the dashboard.
"""

from __future__ import annotations

from textwrap import indent
from typing import Final

from bento_observe import semconv
from collector import recorded
from collector.alerts._definition import OF, Alert, Number
from collector.alerts._model import METRIC, MODEL, MODEL_OF, OVERVIEW, PREDICTIONS_PAGE, VERSION
from collector.alerts._policy import Policy
from collector.alerts._series import API, DRIFTED, SERVICE_LABELS, SIGNAL, WHOLE, by, drift_of, label_name

__all__ = ["performance_alerts"]

_LABELS: Final = (*SERVICE_LABELS, MODEL, VERSION, API)
_MAX: Final = by(_LABELS, "max")
_WINDOW: Final = label_name(semconv.ML_PERFORMANCE_WINDOW)
_THING: Final = f"{{{MODEL}}}{{{VERSION}}} {MODEL_OF}"

_HELD_AGAINST: Final = " (of all versions, if this one is new)"

# What prometheus/performance.py records.
_PERFORMANCE: Final = recorded.PERFORMANCE
_USUAL: Final = recorded.USUAL
_ALL_LABELS: Final = "model:ml_model_labels:increase"
_ERRORS: Final = "model:ml_model_error:count"


def performance_alerts(policy: Policy) -> list[Alert]:
    """The alerts of measured performance."""
    return [_fell(policy), _rose(policy), _changed(policy)]


def _figure(metric: str, window: str, selector: str = "", series: str = _PERFORMANCE) -> str:
    """A figure of the whole, not of its slices."""
    of = f'{selector + "," if selector else ""}{METRIC}="{metric}",{_WINDOW}="{window}",{WHOLE}'
    return f"{_MAX} ({series}{{{of}}})"


def _usual(metric: str, policy: Policy, selector: str = "") -> str:
    """What it is held against: a version that is new against all versions, or it would be compared with itself."""
    return _figure(metric, policy.usual_window, selector, _USUAL)


def _count(series: str, window: str, selector: str = "") -> str:
    return f"{_MAX} ({series}{window}{{{selector + ',' if selector else ''}{WHOLE}}})"


def _chance_of_accuracy(policy: Policy, selector: str = "") -> str:
    """By how much accuracy falls short by chance: so many standard errors of the window's labels, as usual as ever."""
    usual = _usual("accuracy", policy, selector)
    labels = _count(_ALL_LABELS, policy.performance_window, selector)
    enough = f"({labels} >= {policy.least_labels})"
    return f"{policy.performance_sigmas:g} * sqrt({usual} * (1 - {usual}) / {enough})"


def _chance_of_error(policy: Policy, selector: str = "") -> str:
    """The same of the mean absolute error, by the window's own spread: one huge error is then chance."""
    window = policy.performance_window
    now, root = (_figure(metric, window, selector) for metric in ("mae", "rmse"))
    enough = f"({_count(_ERRORS, window, selector)} >= {policy.least_labels})"
    return f"{policy.performance_sigmas:g} * sqrt(\n  clamp_min({root} ^ 2 - {now} ^ 2, 0)\n  / {enough}\n)"


def _fallen(policy: Policy) -> str:
    usual, now = _usual("accuracy", policy), _figure("accuracy", policy.performance_window)
    return f"(\n  {usual}\n  - {now}\n  > {policy.performance_margin:g}\n)\n> {_chance_of_accuracy(policy)}"


def _risen(policy: Policy) -> str:
    usual, now = _usual("mae", policy), _figure("mae", policy.performance_window)
    return f"(\n  {now}\n  - {usual}\n  > {policy.error_margin:g} * {usual}\n)\n> {_chance_of_error(policy)}"


def _both(kind: str, metric: str, policy: Policy) -> dict[str, Number]:
    return {
        "now": Number(kind, _figure(metric, policy.performance_window, OF)),
        "usual": Number(kind, _usual(metric, policy, OF)),
    }


def _fell(policy: Policy) -> Alert:
    window, usual = policy.performance_window, policy.usual_window
    return Alert(
        "ModelAccuracyFell",
        "performance",
        "ticket",
        _LABELS,
        _fallen(policy),
        policy.wait("5m"),
        f"{_THING} is right less often than usual: {{now}} of its labels, usually {{usual}}",
        f"Of {{labels}} labels that came within {window}, {{now}} say that {_THING} was right; within {usual}, "
        f"{{usual}} did{_HELD_AGAINST}. That is {{value}} less, where chance alone makes at most {{chance}}.",
        "Which classes are taken for which, and since which version. Then the labels: do they come from where they "
        "always do, as late as always, under the same definition? Then what drifted (overview).",
        {
            "value": Number("share"),
            **_both("share", "accuracy", policy),
            "labels": Number("count", _count(_ALL_LABELS, window, OF)),
            "chance": Number("share", _chance_of_accuracy(policy, OF)),
        },
        PREDICTIONS_PAGE,
        f"{policy.least_labels} labels in {window}",
        keep=policy.wait("10m"),
        overview=OVERVIEW,
    )


def _rose(policy: Policy) -> Alert:
    window, usual = policy.performance_window, policy.usual_window
    return Alert(
        "ModelErrorRose",
        "performance",
        "ticket",
        _LABELS,
        _risen(policy),
        policy.wait("5m"),
        f"{_THING} is further off than usual: by {{now}}, usually by {{usual}}",
        f"By {{labels}} labels that came within {window}, {_THING} was off by {{now}} on average, in the unit of the "
        f"label; by those within {usual} it was {{usual}}{_HELD_AGAINST}. That is {{value}} more, "
        "where chance alone makes at most {chance}.",
        "Is it one side (bias) or both, and since which version? Then the labels: the same source, delay and unit as "
        "always? Then what drifted (overview).",
        {
            "value": Number("figure"),
            **_both("figure", "mae", policy),
            "labels": Number("count", _count(_ERRORS, window, OF)),
            "chance": Number("figure", _chance_of_error(policy, OF)),
        },
        PREDICTIONS_PAGE,
        f"{policy.least_labels} labels in {window}",
        keep=policy.wait("10m"),
        overview=OVERVIEW,
    )


def _changed(policy: Policy) -> Alert:
    window, usual = policy.performance_window, policy.usual_window
    shared = (*SERVICE_LABELS, API)
    either = f'{SIGNAL}=~"{semconv.SIGNAL_LABEL}|{semconv.SIGNAL_PREDICTION}",{drift_of(policy.drift_window)},{WHOLE}'
    # Nothing recorded is not the same as nothing drifted: without a reference, nobody can tell.
    steady = f"{by(shared, 'max')} ({DRIFTED}{{{either}}}) == 0"
    worse = f"{_fallen(policy)}\nor\n{_risen(policy)}"
    return Alert(
        "ModelConceptChanged",
        "performance",
        "ticket",
        _LABELS,
        f"(\n{indent(worse, '  ')}\n)\nand on ({', '.join(shared)}) (\n  {steady}\n)",
        policy.wait("5m"),
        f"{_THING} is worse than usual, and neither predictions nor labels drifted",
        f"By labels that came within {window}, {_THING} has become worse:{{accuracy}}{{usual_accuracy}}"
        "{mae}{usual_mae}. Yet it predicts what it did in training, and the labels are distributed as they were: the "
        "same inputs now have other truths.",
        "When it began. Did the labels change rather than the world: another definition, a join gone wrong, labels of "
        "other rows? Was a version deployed that swaps classes or scales? If the world changed, train on labels from "
        "after the change.",
        {
            "accuracy": Number("share", _figure("accuracy", window, OF), " it is right in ", ""),
            "usual_accuracy": Number("share", _usual("accuracy", policy, OF), f", within {usual} it was in ", ""),
            "mae": Number("figure", _figure("mae", window, OF), " it is off by ", " on average"),
            "usual_mae": Number("figure", _usual("mae", policy, OF), f", within {usual} it was by ", ""),
        },
        PREDICTIONS_PAGE,
        f"{policy.least_labels} labels in {window}, and drift of predictions or labels is computed",
        keep=policy.wait("10m"),
        overview=OVERVIEW,
    )
