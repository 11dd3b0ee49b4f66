"""The intervals that Grafana works out for a panel, in seconds unless the name says otherwise.

After `calculateInterval` of its frontend, and `pkg/promlib/models/query.go` of its Prometheus data source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from collector.grafana.preview._formats import Chosen

__all__ = ["Intervals", "Window", "intervals", "seconds"]

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_MOST_POINTS: Final = 11000
"""Of a series in one answer of Prometheus."""

# From the first on, an interval of so many milliseconds is rounded to the second.
_ROUNDED: Final = (
    (0, 1), (10, 10), (15, 20), (35, 50), (75, 100), (150, 200), (350, 500), (750, 1000), (1500, 2000), (3500, 5000),
    (7500, 10_000), (12_500, 15_000), (17_500, 20_000), (25_000, 30_000), (45_000, 60_000), (90_000, 120_000),
    (210_000, 300_000), (450_000, 600_000), (750_000, 900_000), (1_050_000, 1_200_000), (1_500_000, 1_800_000),
    (2_700_000, 3_600_000), (5_400_000, 7_200_000), (9_000_000, 10_800_000), (16_200_000, 21_600_000),
    (32_400_000, 43_200_000), (86_400_000, 86_400_000), (604_800_000, 604_800_000), (1_814_400_000, 2_592_000_000),
    (3_628_800_000, 31_536_000_000),
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """The time that a dashboard shows: seconds since the epoch."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Intervals:
    """What `$__interval` (its milliseconds) and `$__rate_interval` stand for, and the step of a range query."""

    interval_ms: int
    step: float
    rate: float

    def scope(self, window: Window) -> Mapping[str, Chosen]:
        """The variables that every query knows."""
        values = {
            "__interval": _text(self.step),
            "__interval_ms": str(round(1000 * self.step)),
            "__rate_interval": _text(self.rate),
            "__rate_interval_ms": str(round(1000 * self.rate)),
            "__range": f"{round(window.length)}s",
            "__range_s": str(round(window.length)),
            "__range_ms": str(round(1000 * window.length)),
            "__from": str(round(1000 * window.start)),
            "__to": str(round(1000 * window.end)),
        }
        return {name: Chosen(name, value) for name, value in values.items()}


def intervals(window: Window, points: int, *, panel: str = "", query: str = "", source: str = "15s") -> Intervals:
    """For a panel of `points` pixels, with the minimum intervals of the panel, the query and the data source."""
    calculated = _rounded(1000 * window.length / points)
    interval = max(calculated, 1000 * seconds(panel or source))
    step = max(1000 * seconds(query) if query else interval, calculated, _rounded(1000 * window.length / _MOST_POINTS))
    scrape = 1000 * seconds(query or source)
    return Intervals(round(interval), step / 1000, max(interval + scrape, 4 * scrape) / 1000)


def seconds(text: str) -> float:
    """What 15s, 1m or 500ms is; a bare number is seconds.

    Raises:
        ValueError: it is none of that.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdwMy])?", text)
    if match is None:
        raise ValueError(f"{text!r} is no interval, such as 15s")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _rounded(milliseconds: float) -> int:
    return _ROUNDED[bisect_right(_ROUNDED, milliseconds, key=lambda pair: pair[0]) - 1][1]


def _text(interval: float) -> str:
    return f"{round(interval)}s" if interval >= 1 and interval == round(interval) else f"{round(1000 * interval)}ms"
