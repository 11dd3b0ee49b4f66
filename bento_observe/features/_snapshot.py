"""What the statistics say at one moment: immutable, picklable, additive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bento_observe.features._feature import Feature, NumericFeature

if TYPE_CHECKING:
    from bento_observe.features.estimate import Expected, ExpectedLoss

__all__ = ["Snapshot"]


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """All features at one moment. `a + b` adds the numbers of two processes, `later - earlier` is what came between.

    Attributes:
        features: by name, in the order they became known.
        rows_refused: rows that belong to no feature, by reason; `columns`: not as many as the names.
        reference_id: which reference the explicit buckets come from.
        expected: of predicted probabilities, what they let one expect of the labels; None without a calibration.
        loss: of the inputs of a regression, what they let one expect of the errors; None where nothing says so.
    """

    features: Mapping[str, Feature] = field(default_factory=dict)
    rows_refused: Mapping[str, int] = field(default_factory=dict)
    reference_id: str | None = None
    expected: Expected | None = None
    loss: ExpectedLoss | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))
        object.__setattr__(self, "rows_refused", MappingProxyType(dict(self.rows_refused)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Snapshot, (
            dict(self.features), dict(self.rows_refused), self.reference_id, self.expected, self.loss,
        )  # fmt: skip

    def merge(self, other: Snapshot) -> Snapshot:
        """`self + other`.

        Raises:
            ValueError: the two were counted against different references.
        """
        return self + other

    def __add__(self, other: Snapshot) -> Snapshot:
        refused = {
            reason: self.rows_refused.get(reason, 0) + other.rows_refused.get(reason, 0)
            for reason in {**self.rows_refused, **other.rows_refused}
        }
        features = dict(self.features)
        for name, feature in other.features.items():
            features[name] = _sum(name, features[name], feature, 1) if name in features else feature
        expected = self.expected if other.expected is None else other.expected
        if self.expected is not None and other.expected is not None:
            expected = self.expected + other.expected
        loss = self.loss if other.loss is None else other.loss
        if self.loss is not None and other.loss is not None:
            loss = self.loss + other.loss
        return Snapshot(features, refused, self._common_reference(other), expected, loss)

    def __sub__(self, earlier: Snapshot) -> Snapshot:
        refused = {reason: rows - earlier.rows_refused.get(reason, 0) for reason, rows in self.rows_refused.items()}
        features = {
            name: _sum(name, feature, earlier.features[name], -1) if name in earlier.features else feature
            for name, feature in self.features.items()
        }
        expected = self.expected
        if expected is not None and earlier.expected is not None:
            expected = expected - earlier.expected
        loss = self.loss
        if loss is not None and earlier.loss is not None:
            loss = loss - earlier.loss
        return Snapshot(features, refused, self._common_reference(earlier), expected, loss)

    def with_extremes(self, extremes: Mapping[str, tuple[float, float]]) -> Snapshot:
        """The same snapshot with other minima and maxima, NaN for features that are not in `extremes`."""
        unknown = (math.nan, math.nan)
        features: dict[str, Feature] = {}
        for name, feature in self.features.items():
            if isinstance(feature, NumericFeature):
                low, high = extremes.get(name, unknown)
                feature = replace(feature, min=low, max=high)
            features[name] = feature
        return Snapshot(features, self.rows_refused, self.reference_id, self.expected, self.loss)

    def _common_reference(self, other: Snapshot) -> str | None:
        if self.features and other.features and self.reference_id != other.reference_id:
            raise ValueError(f"references {self.reference_id!r} and {other.reference_id!r}: their counts do not add up")
        return self.reference_id or other.reference_id


def _sum(name: str, a: Feature, b: Feature, sign: int) -> Feature:
    if type(a) is not type(b):
        raise ValueError(f"feature {name!r} is numeric in one and categorical in the other: they do not add up")
    combined: Feature = a + b if sign > 0 else a - b  # type: ignore[operator]
    return combined
