"""Are there values that training did not have: none, others, always the same, unreadable ones?"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.alerts._definition import OF, Alert, Number
from collector.alerts._feature import DEVIATION, FEATURE_PAGE, LARGEST, ON, THING, offset
from collector.alerts._model import OVERVIEW
from collector.alerts._policy import Policy
from collector.alerts._series import (
    FEATURE,
    FEATURE_LABELS,
    FEATURES,
    MISSING_LIMIT,
    OUTSIDE_LIMIT,
    REFERENCE_BINS,
    SHARE_MISSING,
    SHARE_OUTSIDE,
    WHOLE,
    bins,
    by,
    increase,
    label_name,
    metric_name,
    n,
    values,
)

__all__ = ["feature_alerts"]

_WINDOW: Final = label_name(semconv.ML_DRIFT_WINDOW)
_REASON: Final = label_name(semconv.REASON)
_MEAN: Final = metric_name(semconv.FEATURE_REFERENCE_MEAN)


def feature_alerts(policy: Policy) -> list[Alert]:
    """The alerts of single values."""
    return [
        _missing(policy),
        _outside(policy, numeric=False),
        _outside(policy, numeric=True),
        _constant(policy),
        _invalid(policy),
    ]


def _missing(policy: Policy) -> Alert:
    window, of = policy.drift_window, f"{OF},{WHOLE}"
    usual = f"{by(FEATURE_LABELS, 'avg')} ({metric_name(semconv.FEATURE_REFERENCE_MISSING)}{{{of}}})"
    return Alert(
        "MissingSurge",
        "features",
        "ticket",
        FEATURE_LABELS,
        f'{LARGEST} ({SHARE_MISSING}{{{FEATURES},{_WINDOW}="{window}"}})\n> {MISSING_LIMIT}{window}',
        policy.wait("5m"),
        f"{THING}: {{value}} of its values are missing",
        f"{{value}} of {{n}} values of {THING} are null or NaN in the last {window}; in training {{usual}} were, "
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
        FEATURE_PAGE,
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
        f'(\n  {LARGEST} ({SHARE_OUTSIDE}{{{FEATURES},{_WINDOW}="{window}"}})\n  > {OUTSIDE_LIMIT}{window}\n)\n'
        f"{'and' if numeric else 'unless'} {ON} {known}",
        policy.wait("5m"),
        f"{THING}: {{value}} of its values {says}",
        f"{{value}} of {{n}} values of {THING} in the last {window} are {what}; by chance it would be at most "
        f"{{limit}}.",
        first,
        {
            "value": Number("share"),
            "n": Number("count", f"{n(window)}{{{of}}}"),
            "limit": Number("share", f"{OUTSIDE_LIMIT}{window}{{{OF}}}"),
        },
        FEATURE_PAGE,
        f"{policy.least_values} values in {window}",
        keep=policy.wait("10m"),
    )


def _constant(policy: Policy) -> Alert:
    window = policy.constant_window
    counted = f"{by(FEATURE_LABELS)} ({bins(window)})"
    squares = increase(semconv.FEATURE_DEVIATION_SQUARES, window, FEATURE_LABELS, FEATURES)
    spread = f"{by(FEATURE_LABELS, 'avg')} ({DEVIATION}{{{FEATURES}}})"
    least = f"{policy.constant_deviation**2:g} * {spread} ^ 2"
    varies = f"  {squares} / {counted}\n  - {offset(window, FEATURES, counted)} ^ 2\n  > {least}"
    return Alert(
        "FeatureConstant",
        "features",
        "ticket",
        FEATURE_LABELS,
        f"(\n  {counted} >= {policy.least_values}\n)\n"
        f"and {ON} (\n  {by(FEATURE_LABELS, 'count')} ({bins(window)} > 0) == 1\n)\n"
        f"and {ON} (\n  {LARGEST} ({REFERENCE_BINS}{{{FEATURES}}}) < {policy.most_usual:g}\n)\n"
        f"unless {ON} (\n{varies}\n)",
        policy.wait("5m"),
        f"{THING} no longer varies",
        f"All {{value}} values of {THING} in the last {window} are the same, or all but the same. In training they "
        "were not{spread}.",
        "The feature store or the job that computes it: when did it last run? A default where a look-up failed looks "
        "like "
        "this, too. A load test that repeats one request does as well.",
        {
            "value": Number("count"),
            "spread": Number(
                "figure",
                f"{by(FEATURE_LABELS, 'avg')} ({DEVIATION}{{{OF},{WHOLE}}})",
                ": their standard deviation was ",
            ),
        },
        FEATURE_PAGE,
        f"{policy.least_values} values in {window}; features of which training has {policy.most_usual:.0%} in one "
        "drift bin are left out",
        keep=policy.wait("5m"),
    )


def _invalid(policy: Policy) -> Alert:
    window = policy.drift_window
    labels = (*FEATURE_LABELS, _REASON)
    shared = tuple(label for label in FEATURE_LABELS if label != FEATURE)
    invalid = increase(semconv.FEATURE_INVALID, window, labels, FEATURES)
    read = f"{by(shared, 'max')} ({values(window)}{{{FEATURES}}})"
    # Rows that could not be read are values of no feature: they are not in what was read.
    whole = f'{FEATURE}=""'
    unread = increase(semconv.FEATURE_INVALID, window, shared, f"{FEATURES},{whole}")
    of_rows = increase(semconv.FEATURE_INVALID, window, labels, f"{FEATURES},{whole}")
    of_values = increase(semconv.FEATURE_INVALID, window, labels, f'{FEATURES},{FEATURE}!=""')
    on = f"on ({', '.join(shared)}) group_left ()"
    return Alert(
        "TrainingServingSkew",
        "features",
        "ticket",
        labels,
        f"(\n  {of_values}\n  / {on} {read}\n  or {of_rows}\n"
        f"  / {on} ({read} + {unread} or {unread})\n) > {policy.most_invalid:g}\n"
        f"and {invalid} >= {policy.least_failures}",
        policy.wait("2m"),
        f"{THING}: {{value}} of its values cannot be read ({{{_REASON}}})",
        f"{{count}} values of {THING} in the last {window} could not be counted: {{{_REASON}}} (infinite, no "
        "number, no "
        "category, or rows with another number of columns than in training, which have no feature's name). That is "
        "{value} of the rows.",
        "Type and order of the columns that the client sends, and of those that the model was trained with.",
        {
            "value": Number("share"),
            "count": Number("count", increase(semconv.FEATURE_INVALID, window, labels, f"{OF},{WHOLE}")),
        },
        FEATURE_PAGE,
        f"{policy.least_failures} such values in {window}",
        more={"cause": "invalid"},
        overview=OVERVIEW,
    )
