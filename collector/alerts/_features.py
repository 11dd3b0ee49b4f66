"""Does the model see what it was trained on, and say what it said then?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import OF, Alert, Link, Number
from collector.alerts._policy import Policy
from collector.alerts._series import (
    API,
    CRITICAL,
    DRIFT,
    DRIFTED,
    FEATURE,
    FEATURE_LABELS,
    FEATURES,
    LABELS,
    MISSING_LIMIT,
    OUTSIDE_LIMIT,
    PREDICTIONS,
    REFERENCE_BINS,
    SHARE_MISSING,
    SHARE_OUTSIDE,
    SIGNAL,
    WHOLE,
    bins,
    by,
    drift_of,
    increase,
    label_name,
    metric_name,
    n,
    values,
)

__all__ = ["feature_alerts"]

_NAME: Final = label_name(semconv.SERVICE_NAME)
_THING: Final = f"{{{SIGNAL}}} {{{FEATURE}}} of {{{_NAME}}}/{{{API}}}"
_ON: Final = f"on ({', '.join(FEATURE_LABELS)})"
_MAX: Final = by(FEATURE_LABELS, "max")
_WINDOW: Final = label_name(semconv.ML_DRIFT_WINDOW)
_REASON: Final = label_name(semconv.REASON)
_MEAN: Final = metric_name(semconv.FEATURE_REFERENCE_MEAN)
_SPREAD: Final = metric_name(semconv.FEATURE_REFERENCE_DEVIATION)
_VARIABLES: Final = {
    "environment": label_name(semconv.DEPLOYMENT_ENVIRONMENT_NAME),
    "namespace": label_name(semconv.SERVICE_NAMESPACE),
    "service": _NAME,
    "model": label_name(semconv.ML_MODEL_NAME),
    "api": API,
    "signal": SIGNAL,
    "feature": FEATURE,
    "reference": label_name(semconv.ML_REFERENCE_ID),
}
_FEATURE_PAGE: Final = Link("bento-observe-feature", _VARIABLES)
_PREDICTION_PAGE: Final = Link("bento-observe-predictions", _VARIABLES)


def feature_alerts(policy: Policy) -> list[Alert]:
    """The alerts of features, predictions and labels."""
    return [
        _drift("FeatureDrift", FEATURES, policy),
        _drift("PredictionDrift", PREDICTIONS, policy),
        _drift("LabelShift", LABELS, policy),
        _missing(policy),
        _outside(policy, numeric=False),
        _outside(policy, numeric=True),
        _constant(policy),
        _skew(policy),
        _invalid(policy),
    ]


_DRIFT_TEXTS: Final = {
    "FeatureDrift": (
        "has drifted from the training data",
        "The feature's histogram beside that of training: did it move, spread, or grow a second hump? Then which other "
        "features moved with it, and whether predictions did. Upstream: a new client, unit, season or default value?",
        _FEATURE_PAGE,
    ),
    "PredictionDrift": (
        "is not what the model predicted in training",
        "Which features drifted (model overview), and whether a version was deployed. If no input moved, it is the "
        "model or its preprocessing.",
        _PREDICTION_PAGE,
    ),
    "LabelShift": (
        "is not what it was in training: the truth has changed",
        "Whether labels of all kinds arrive (late ones make others look frequent), then whether the world changed; "
        "the model's thresholds and priors are then those of another time.",
        _PREDICTION_PAGE,
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
        f"{_MAX} (\n  {DRIFT}{series}\n  > {policy.drift_margin:g} * {CRITICAL}{series}\n)",
        policy.wait("5m"),
        f"{_THING} {says}",
        f"PSI between the training data and the last {window} is {{value}} for {_THING}; the critical value for {{n}} "
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
    counted = f"{_MAX} ({n(window)}{{{of}}})"
    shift = f"{_MAX} ({_offset(window, of, counted)} / {by(FEATURE_LABELS, 'avg')} ({_SPREAD}{{{of}}}))"
    return {
        "value": Number("figure"),
        "n": Number("count", f"{n(window)}{{{of}}}"),
        "critical": Number("figure", f"{CRITICAL}{{{of},{drift_of(window)}}}"),
        "mean": Number("figure", shift, "; its mean is ", " training standard deviations from that of training"),
        "missing": Number(
            "share", f'{SHARE_MISSING}{{{of},{_WINDOW}="{window}"}} > 0', "; ", " of its values are missing"
        ),
    }


def _offset(window: str, selector: str, count: str) -> str:
    """Distance of the mean from that of training."""
    side = label_name(semconv.ML_DEVIATION_SIDE)
    above, below = (
        increase(semconv.FEATURE_DEVIATION, window, FEATURE_LABELS, f'{selector},{side}="{value}"')
        for value in (semconv.SIDE_ABOVE, semconv.SIDE_BELOW)
    )
    return f"(({above} - {below}) / {count})"


def _missing(policy: Policy) -> Alert:
    window, of = policy.drift_window, f"{OF},{WHOLE}"
    usual = f"{by(FEATURE_LABELS, 'avg')} ({metric_name(semconv.FEATURE_REFERENCE_MISSING)}{{{of}}})"
    return Alert(
        "MissingSurge",
        "features",
        "ticket",
        FEATURE_LABELS,
        f'{_MAX} ({SHARE_MISSING}{{{FEATURES},{_WINDOW}="{window}"}})\n> {MISSING_LIMIT}{window}',
        policy.wait("5m"),
        f"{_THING}: {{value}} of its values are missing",
        f"{{value}} of {{n}} values of {_THING} are null or NaN in the last {window}; in training {{usual}} were, "
        "and by "
        f"chance it would be at most {{limit}}.",
        "The job or the client that fills it: since when, and are other features of the same source missing too? What "
        "does the model do with a null: an imputed value is a prediction about somebody else.",
        {
            "value": Number("share"),
            "n": Number("count", f"{values(window)}{{{of}}}"),
            "usual": Number("share", usual),
            "limit": Number("share", f"{MISSING_LIMIT}{window}{{{OF}}}"),
        },
        _FEATURE_PAGE,
        f"{policy.least_values} values in {window}",
        keep=policy.wait("10m"),
    )


def _outside(policy: Policy, numeric: bool) -> Alert:
    window, of = policy.drift_window, f"{OF},{WHOLE}"
    known = f"{by(FEATURE_LABELS, 'avg')} ({_MEAN}{{{FEATURES}}})"
    if numeric:
        says, what = "lie outside the training range", "smaller or larger than all of training"
        first = "Below or above (feature dashboard)? A unit, a factor of 100, a sentinel such as -1 or 9999, a sensor."
    else:
        says, what = "are categories that training did not have", "categories unseen in training"
        first = (
            "Is it a new category, or an old one spelled differently (case, blanks, a code for a name)? The logs of "
            "such a request have it, if the service logs it."
        )
    return Alert(
        "OutOfRangeSurge" if numeric else "UnseenCategorySurge",
        "features",
        "ticket",
        FEATURE_LABELS,
        f'(\n  {_MAX} ({SHARE_OUTSIDE}{{{FEATURES},{_WINDOW}="{window}"}})\n  > {OUTSIDE_LIMIT}{window}\n)\n'
        f"{'and' if numeric else 'unless'} {_ON} {known}",
        policy.wait("5m"),
        f"{_THING}: {{value}} of its values {says}",
        f"{{value}} of {{n}} values of {_THING} in the last {window} are {what}; by chance it would be at most "
        f"{{limit}}.",
        first,
        {
            "value": Number("share"),
            "n": Number("count", f"{n(window)}{{{of}}}"),
            "limit": Number("share", f"{OUTSIDE_LIMIT}{window}{{{OF}}}"),
        },
        _FEATURE_PAGE,
        f"{policy.least_values} values in {window}",
        keep=policy.wait("10m"),
    )


def _constant(policy: Policy) -> Alert:
    window = policy.constant_window
    counted = f"{by(FEATURE_LABELS)} ({bins(window)})"
    squares = increase(semconv.FEATURE_DEVIATION_SQUARES, window, FEATURE_LABELS, FEATURES)
    spread = f"{by(FEATURE_LABELS, 'avg')} ({_SPREAD}{{{FEATURES}}})"
    least = f"{policy.constant_deviation**2:g} * {spread} ^ 2"
    varies = f"  {squares} / {counted}\n  - {_offset(window, FEATURES, counted)} ^ 2\n  > {least}"
    return Alert(
        "FeatureConstant",
        "features",
        "ticket",
        FEATURE_LABELS,
        f"(\n  {counted} >= {policy.least_values}\n)\n"
        f"and {_ON} (\n  {by(FEATURE_LABELS, 'count')} ({bins(window)} > 0) == 1\n)\n"
        f"and {_ON} (\n  {_MAX} ({REFERENCE_BINS}{{{FEATURES}}}) < {policy.most_usual:g}\n)\n"
        f"unless {_ON} (\n{varies}\n)",
        policy.wait("5m"),
        f"{_THING} no longer varies",
        f"All {{value}} values of {_THING} in the last {window} are the same, or all but the same. In training they "
        "were not"
        "{spread}.",
        "The feature store or the job that computes it: when did it last run? A default where a look-up failed looks "
        "like "
        "this, too. A load test that repeats one request does as well.",
        {
            "value": Number("count"),
            "spread": Number(
                "figure",
                f"{by(FEATURE_LABELS, 'avg')} ({_SPREAD}{{{OF},{WHOLE}}})",
                ": their standard deviation was ",
            ),
        },
        _FEATURE_PAGE,
        f"{policy.least_values} values in {window}; features of which training has {policy.most_usual:.0%} in one "
        "drift bin are left out",
        keep=policy.wait("5m"),
    )


def _skew(policy: Policy) -> Alert:
    window = policy.drift_window
    series = f"{{{FEATURES},{drift_of(window)}}}"
    known = f"max_over_time({n(window)}{{{FEATURES}}}[23h] offset 1h) > 0"
    return Alert(
        "TrainingServingSkew",
        "features",
        "ticket",
        FEATURE_LABELS,
        f"{_MAX} (\n  {DRIFT}{series}\n  > {policy.skew_margin:g} * {CRITICAL}{series}\n  >= {policy.skew_psi:g}\n"
        f"  and min_over_time({DRIFTED}{series}[1h]) == 1\n)\nunless {_ON} (\n  {_MAX} ({known})\n)",
        policy.wait("2m"),
        f"{_THING} was never as in training since this model is served",
        f"PSI of {_THING} against training is {{value}}, from {{n}} values (critical is {{critical}}){{mean}}. "
        "The reference is served for less than an hour, and the feature was never within its limits: it is computed "
        "differently here than in training, rather than drifting.",
        "Preprocessing: units, scaling, encodings, the order of columns, fill values, in training and in the "
        "service. Does "
        "the reference belong to this model?",
        {key: number for key, number in _numbers(window).items() if key != "missing"},
        _FEATURE_PAGE,
        "30 values for each drift bin, 10 of training",
        keep=policy.wait("10m"),
        more={"cause": "distribution"},
    )


def _invalid(policy: Policy) -> Alert:
    window = policy.drift_window
    labels = (*FEATURE_LABELS, _REASON)
    shared = tuple(label for label in FEATURE_LABELS if label != FEATURE)
    invalid = increase(semconv.FEATURE_INVALID, window, labels, FEATURES)
    rows = f"{by(shared, 'max')} ({values(window)}{{{FEATURES}}})"
    return Alert(
        "TrainingServingSkew",
        "features",
        "ticket",
        labels,
        f"(\n  {invalid}\n  / on ({', '.join(shared)}) group_left () {rows}\n) > {policy.most_invalid:g}\n"
        f"and {invalid} >= {policy.least_failures}",
        policy.wait("2m"),
        f"{_THING}: {{value}} of its values cannot be read ({{{_REASON}}})",
        f"{{count}} values of {_THING} in the last {window} could not be counted: {{{_REASON}}} (infinite, no "
        "number, no "
        "category, or rows with another number of columns than in training, which have no feature's name). That is "
        "{value} of the rows.",
        "Type and order of the columns that the client sends, and of those that the model was trained with.",
        {
            "value": Number("share"),
            "count": Number("count", increase(semconv.FEATURE_INVALID, window, labels, f"{OF},{WHOLE}")),
        },
        _FEATURE_PAGE,
        f"{policy.least_failures} such values in {window}",
        more={"cause": "invalid"},
    )
