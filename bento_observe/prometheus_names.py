"""What Prometheus calls our metrics and attributes when it takes them by OTLP.

As its translation strategy `UnderscoreEscapingWithSuffixes` (the default) does, for the units that `semconv` uses.
"""

from __future__ import annotations

import re
from typing import Final

from bento_observe.semconv import Kind, Metric

__all__ = ["label_name", "metric_name"]

_UNITS: Final = {"s": "seconds", "By": "bytes", "1": "", "Cel": "celsius", "W": "watts", "J": "joules"}


def metric_name(metric: Metric) -> str:
    """The name of `metric`; its histogram's series have `_bucket` and `_count` behind it, where they are not native.

    Dots become underscores. The unit follows unless the name has that word already, then `total` for counters and
    `ratio` for gauges without a unit. Units in braces, such as `{value}`, add nothing; a rate of them `per_second`.

    Raises:
        ValueError: the unit is none of those that are known here.
    """
    words = re.findall(r"[a-zA-Z0-9:]+", metric.name)
    if metric.unit.endswith("}/s"):
        words += ["per", "second"]
    elif not metric.unit.startswith("{"):
        if metric.unit not in _UNITS:
            raise ValueError(f"{metric.name}: the unit {metric.unit!r} is not one of {', '.join(_UNITS)}")
        unit = _UNITS[metric.unit]
        if unit and unit not in words:
            words.append(unit)
    if metric.kind is Kind.COUNTER:
        words = [word for word in words if word != "total"] + ["total"]
    elif metric.kind is Kind.GAUGE and metric.unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    return "_".join(words)


def label_name(attribute: str) -> str:
    """The label that an attribute of a point, or a promoted one of the resource, becomes."""
    return re.sub(r"[^a-zA-Z0-9]+", "_", attribute)
