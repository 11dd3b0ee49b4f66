"""What a query was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Answer", "Series"]

_SHOWN: Final = 300


@dataclass(frozen=True)
class Series:
    """One series: seconds since the epoch, and as many values; of an instant query one of each.

    `histograms` are native ones, for each time their buckets as (lower, upper, count); then there are no values.
    """

    name: str
    labels: Mapping[str, str]
    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    histograms: tuple[tuple[tuple[float, float, float], ...], ...] = ()

    @property
    def last(self) -> float:
        """The last value that is a number; NaN where there is none."""
        found = self.values[~np.isnan(self.values)]
        return float(found[-1]) if found.size else float("nan")

    @property
    def empty(self) -> bool:
        """Whether it has no number at all."""
        return not self.histograms and bool(np.isnan(self.values).all())


@dataclass(frozen=True)
class Answer:
    """The answer to one query, or why there is none.

    Attributes:
        ref: The target's refId, or the annotation's name.
        text: The query as it was sent, with variables replaced.
        error: Why there is no answer; empty where there is one.
        series: Series, of metrics.
        rows: Documents, buckets of an aggregation, or traces.
        exemplars: Prometheus' exemplars, where the target asks for them.
        unresolved: Labels that the legend speaks of, which a series does not have.
        seconds: How long it took.
    """

    ref: str
    text: str
    error: str = ""
    series: tuple[Series, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    exemplars: tuple[Mapping[str, Any], ...] = ()
    unresolved: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def has_data(self) -> bool:
        """Whether there is something to be shown: a number, a document, a trace."""
        return bool(self.rows) or any(not one.empty for one in self.series)

    def complaint(self) -> str:
        """What is wrong with it apart from being empty; nothing is the empty string."""
        if self.error:
            return f"{self.error}: {self.text[:_SHOWN]}"
        if self.unresolved:
            return f"the legend speaks of {', '.join(self.unresolved)}, which a series does not have"
        return ""
