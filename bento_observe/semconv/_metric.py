"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a metric is in OTLP."""

    HISTOGRAM = "histogram"
    COUNTER = "counter"
    UP_DOWN_COUNTER = "up-down counter"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Metric:
    """One metric family: what is exported under `name`.

    `unit` is a UCUM code, `attributes` the keys its points may carry (never more), `boundaries` the upper bounds
    of the explicit buckets in `unit` (inclusive, as OTLP has them); empty where there are none.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()
