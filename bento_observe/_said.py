"""What handlers say themselves: features, labels, outcomes, and that they want ids of what they predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bento_observe import semconv
from bento_observe._recorder import current_call
from bento_observe.request import current_request

__all__ = ["prediction_ids", "record_features", "record_labels", "record_outcomes"]

_NONE_GIVEN: Any = object()


def record_features(data: object, names: Sequence[str] | None = None) -> None:
    """Count what the model sees, where that differs from what the request carried. To be called within a handler.

    Never raises and never waits; outside of a call of an observed API it does nothing.

    Args:
        data: as `FeatureStatistics.update` takes it.
        names: the columns of an array or of a list of rows; those of the reference's `feature` signal by default.
    """
    _record(semconv.SIGNAL_FEATURE, data, names)


def record_labels(data: Any, labels: Any = _NONE_GIVEN, *, names: Sequence[str] | None = None) -> None:
    """Tell what turned out to be true, of earlier predictions: `record_labels(ids, labels)`.

    A label is matched with the prediction that its id was given for, at whatever replica, and says how good the model
    is. What cannot be matched is counted by reason, in `ml.label.refused`. To be called anywhere in a worker.

    Labels alone, without ids, are counted as the signal `label`, within a handler of an observed API only.

    Never raises and never waits; where nothing is observed it does nothing. Tensors that would have to be waited for,
    those on a device, are dropped, counted, and told in one line of the log.

    Args:
        data: the ids of predictions, as the answers' header or `prediction_ids` had them: one, or several. Or, without
            `labels`, what `FeatureStatistics.update` takes: class labels, values, or several columns of them.
        labels: the truth of each: a class, or a number where a value was predicted.
        names: without `labels`, the columns of an array or of a list of rows; those of the reference's `label` signal
            by default.
    """
    if labels is _NONE_GIVEN:
        _record(semconv.SIGNAL_LABEL, data, names)
        return
    # Imported here: those who have no labels do without.
    from bento_observe.feedback import current_feedback

    feedback = current_feedback()
    if feedback is not None:
        feedback.expect_labels()
        feedback.intake.put(data, labels)


def prediction_ids(predictions: Any, confidence: Any = None) -> list[str]:
    """Ids of predictions, for labels to come, where a handler has more rows than a header holds, or says itself what it
    predicts. To be called within a handler, with what the model said.

    Once an API's handler asks for ids, they are the only ones its answers have.

    Args:
        predictions: classes or values of the rows, an array or a list; or an array or frame, rows x classes, of
            probabilities.
        confidence: the probability of each predicted class, where there are any.

    Returns:
        An id a row, in their order: text of some 120 characters, less where predictions are kept. Empty texts where
        nothing is observed, or the predictions are none, and of rows that have none: NaN, infinite,
        missing, or no probabilities.
    """
    call = current_call.get()
    ids = [] if call is None else call.prediction_ids(predictions, confidence)
    return ids or [""] * _rows(predictions)


def _rows(predictions: Any) -> int:
    if isinstance(predictions, str):
        return 1
    try:
        return len(predictions)
    except TypeError:  # a scalar, or an array or tensor of no dimensions
        return 1


def record_outcomes(probabilities: object, labels: object) -> None:
    """Compare predictions with what turned out to be true. To be called within a handler, one that gets both, say.

    Errors that are more frequent than the probabilities let one expect are told as concept drift. It takes a reference
    with predicted probabilities and labels. Never raises and never waits; outside of a call of an observed API it does
    nothing, and what cannot be used, such as a tensor on a device, is counted as dropped, as a whole call, and told in
    one line of the log.

    Args:
        probabilities: what was predicted, rows x classes, in the order of the reference's classes; or, where the
            reference is of such, one score a row.
        labels: the true class of each row, called as in the training data; None where it is not known.
    """
    call = current_call.get()
    if call is not None:
        call.outcomes(probabilities, labels)


def _record(signal: str, data: object, names: Sequence[str] | None) -> None:
    call = current_call.get()
    if call is not None:
        call.record(signal, data, names, current_request.get())
