"""What a reference says of predictions."""

from __future__ import annotations

from dataclasses import dataclass

from bento_observe.features.reference import (
    CategoricalReference,
    FeatureReference,
    NumericReference,
    SignalReference,
    class_positions,
)
from bento_observe.feedback._class_names import distinct

__all__ = ["Shape", "shape_of"]


@dataclass(frozen=True)
class Shape:
    """What a reference says of predictions.

    Attributes:
        column: the name of the predicted column, empty where there is not just one.
        classes: True if it has classes, False if values, None where nobody knows.
        names: all classes, a name each, the most frequent ones of the labels first; none where nobody knows, or where
            values are predicted.
        columns: of predictions that are probabilities, the class that each is of.
        fields: what those columns themselves are called.
        centre: the mean of the labels, else of the predictions; 0 where neither has one.
        scored: where a prediction is one number, the probability of the second of two classes: these two.
    """

    column: str = ""
    classes: bool | None = None
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    centre: float = 0.0
    scored: tuple[str, ...] = ()


def shape_of(predictions: object, labels: object) -> Shape:
    """What the two signals of a reference say: what predictions are like, and labels only where it has none of those.

    One number from 0 to 1 where labels are of two classes is the probability of the last of these in order, as
    scikit-learn has it, with a calibration and without one.
    """
    named, predicted = _only(predictions)
    name, label = _only(labels)
    truths = _class_names(label)
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()
    if isinstance(predictions, SignalReference) and predictions.classes:
        fields = tuple(map(str, predictions.classes))
        # The labels' own names for them, where they are known: `yes` rather than `p_yes`.
        columns = predictions.calibration.labels if predictions.calibration else _named(fields, truths)
    elif isinstance(predictions, SignalReference) and predictions.calibration:
        scored = predictions.calibration.labels
    elif len(truths) == 2 and _is_score(predicted):
        scored = tuple(sorted(truths))
    classes = True if columns or scored else _has_classes(predicted)
    if classes is None:
        classes = _has_classes(label)
    if not classes:
        centre = next((mean for mean in map(_mean, (label, predicted)) if mean is not None), 0.0)
        return Shape(named or name, classes, centre=centre)
    names = tuple(distinct((*truths, *columns, *scored, *_class_names(predicted))).values())
    return Shape(named or name, classes, names, columns, fields, scored=scored)


def _only(signal: object) -> tuple[str, FeatureReference | None]:
    """The name of a signal's feature, and itself, if it has just one."""
    if not isinstance(signal, SignalReference) or len(signal.features) != 1:
        return "", None
    ((name, feature),) = signal.features.items()
    return name, feature


def _named(fields: tuple[str, ...], truths: tuple[str, ...]) -> tuple[str, ...]:
    """What the labels call the classes that columns are of; those that no label is keep their names."""
    by_position = dict(zip(class_positions(list(truths), fields) or (), truths, strict=False))
    return tuple(by_position.get(position, field) for position, field in enumerate(fields))


def _has_classes(feature: FeatureReference | None) -> bool | None:
    """Whether a feature has classes or else values; None of a lone number, which can be either."""
    if isinstance(feature, CategoricalReference):
        return True
    return None if feature is None or feature.kind == "constant" else feature.kind == "boolean"


def _class_names(feature: FeatureReference | None) -> tuple[str, ...]:
    """The classes that a feature has, the most frequent ones first; none where they are not known."""
    if isinstance(feature, CategoricalReference):
        return () if feature.kind == "high_cardinality" else tuple(feature.categories)
    if feature is None or feature.kind != "boolean":
        return ()
    return ("true", "false") if feature.mean > 0.5 else ("false", "true")


def _is_score(feature: FeatureReference | None) -> bool:
    """Whether numbers can be probabilities; two of them are what is decided, and no probabilities."""
    if not isinstance(feature, NumericReference) or feature.kind != "numeric" or feature.distinct == 2:
        return False
    return feature.min >= 0 and feature.max <= 1


def _mean(feature: FeatureReference | None) -> float | None:
    """Of a feature's numbers, which may have been counted as categories, since they are few; None where it has none."""
    if isinstance(feature, NumericReference):
        return feature.mean
    if feature is None or feature.kind == "high_cardinality":
        return None
    try:
        return sum(float(name) * count for name, count in feature.categories.items()) / feature.count
    except (ValueError, ZeroDivisionError):
        return None
