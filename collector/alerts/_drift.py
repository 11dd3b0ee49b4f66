"""Are features, predictions and labels distributed as they were in training?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import OF, Alert, Number
from collector.alerts._feature import DEVIATION, FEATURE_PAGE, LARGEST, ON, PREDICTION_PAGE, THING, offset
from collector.alerts._policy import Policy
from collector.alerts._series import (
    CRITICAL,
    DRIFT,
    DRIFTED,
    FEATURE_LABELS,
    FEATURES,
    LABELS,
    PREDICTIONS,
    SHARE_MISSING,
    WHOLE,
    by,
    drift_of,
    label_name,
    n,
)

__all__ = ["drift_alerts"]

_WINDOW: Final = label_name(semconv.ML_DRIFT_WINDOW)


def drift_alerts(policy: Policy) -> list[Alert]:
    """The alerts of distributions."""
    return [
        _drift("FeatureDrift", FEATURES, policy),
        _drift("PredictionDrift", PREDICTIONS, policy),
        _drift("LabelShift", LABELS, policy),
        _skew(policy),
    ]


_DRIFT_TEXTS: Final = {
    "FeatureDrift": (
        "has drifted from the training data",
        "The feature's histogram beside that of training: did it move, spread, or grow a second hump? Then which other "
        "features moved with it, and whether predictions did. Upstream: a new client, unit, season or default value?",
        FEATURE_PAGE,
    ),
    "PredictionDrift": (
        "is not what the model predicted in training",
        "Which features drifted (model overview), and whether a version was deployed. If no input moved, it is the "
        "model or its preprocessing.",
        PREDICTION_PAGE,
    ),
    "LabelShift": (
        "is not what it was in training: the truth has changed",
        "Whether labels of all kinds arrive (late ones make others look frequent), then whether the world changed; "
        "the model's thresholds and priors are then those of another time.",
        PREDICTION_PAGE,
    ),
}


def _drift(name: str, selector: str, policy: Policy) -> Alert:
    window = policy.drift_window
    series = f"{{{selector},{drift_of(window)}}}"
    says, first, link = _DRIFT_TEXTS[name]
    return Alert(
        name,
        "features",
        "ticket",
        FEATURE_LABELS,
        f"{LARGEST} (\n  {DRIFT}{series}\n  > {policy.drift_margin:g} * {CRITICAL}{series}\n)",
        policy.wait("5m"),
        f"{THING} {says}",
        f"PSI between the training data and the last {window} is {{value}} for {THING}; the critical value for {{n}} "
        f"values is {{critical}}{{mean}}{{missing}}.",
        first,
        _numbers(window),
        link,
        "30 values for each drift bin, 10 of training (300 and 100 with ten bins)",
        keep=policy.wait("10m"),
    )


def _numbers(window: str) -> dict[str, Number]:
    """How far from training, and from how many values."""
    of = f"{OF},{WHOLE}"
    counted = f"{LARGEST} ({n(window)}{{{of}}})"
    shift = f"{LARGEST} ({offset(window, of, counted)} / {by(FEATURE_LABELS, 'avg')} ({DEVIATION}{{{of}}}))"
    return {
        "value": Number("figure"),
        "n": Number("count", f"{n(window)}{{{of}}}"),
        "critical": Number("figure", f"{CRITICAL}{{{of},{drift_of(window)}}}"),
        "mean": Number("figure", shift, "; its mean is ", " training standard deviations from that of training"),
        "missing": Number(
            "share", f'{SHARE_MISSING}{{{of},{_WINDOW}="{window}"}} > 0', "; ", " of its values are missing"
        ),
    }


def _skew(policy: Policy) -> Alert:
    window = policy.drift_window
    series = f"{{{FEATURES},{drift_of(window)}}}"
    known = f"max_over_time({n(window)}{{{FEATURES}}}[23h] offset 1h) > 0"
    return Alert(
        "TrainingServingSkew",
        "features",
        "ticket",
        FEATURE_LABELS,
        f"{LARGEST} (\n  {DRIFT}{series}\n  > {policy.skew_margin:g} * {CRITICAL}{series}\n  >= {policy.skew_psi:g}\n"
        f"  and min_over_time({DRIFTED}{series}[1h]) == 1\n)\nunless {ON} (\n  {LARGEST} ({known})\n)",
        policy.wait("2m"),
        f"{THING} was never as in training since this model is served",
        f"PSI of {THING} against training is {{value}}, from {{n}} values (critical is {{critical}}){{mean}}. "
        "The reference is served for less than an hour, and the feature was never within its limits: it is computed "
        "differently here than in training, rather than drifting.",
        "Preprocessing: units, scaling, encodings, the order of columns, fill values, in training and in the "
        "service. Does "
        "the reference belong to this model?",
        {key: number for key, number in _numbers(window).items() if key != "missing"},
        FEATURE_PAGE,
        "30 values for each drift bin, 10 of training",
        keep=policy.wait("10m"),
        more={"cause": "distribution"},
    )
