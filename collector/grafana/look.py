"""What every panel says of itself: title, what it shows, its unit, and what it says while there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.models import dashboard

from collector.grafana.expectations import Traffic

__all__ = ["Look", "Panel", "Query", "finished"]


@dataclass(frozen=True)
class Panel:
    """A panel, and which traffic fills it; None where it asks nothing."""

    model: dashboard.Panel
    traffic: Traffic | None


@dataclass(frozen=True)
class Query:
    """An expression and what its series are called; `{{label}}` stands for the label's value.

    `exemplar` asks for single values with their traces too: set it for the first query of a panel, since Grafana does
    not ask again for a histogram that an earlier query of the panel is about.
    """

    expr: str
    legend: str = ""
    exemplar: bool = False


@dataclass(frozen=True)
class Look:
    """What panels have in common: a title, what it shows, what it says without data, unit and size."""

    title: str
    shows: str
    empty: str
    traffic: Traffic
    unit: str = "short"
    width: int = 8
    height: int = 8
    decimals: int | None = None
    least: float | None = 0
    most: float | None = None
    steps: Sequence[tuple[float | None, str]] = field(default_factory=tuple)


def finished(panel: dashboard.Panel, look: Look, source: dashboard.DataSourceRef) -> Panel:
    """`panel` with all that `look` says."""
    panel.title, panel.description, panel.datasource = look.title, look.shows, source
    panel.grid_pos = dashboard.GridPos(h=look.height, w=look.width, x=0, y=0)
    config = panel.field_config or dashboard.FieldConfigSource()
    defaults = config.defaults
    defaults.unit, defaults.no_value = look.unit, look.empty
    defaults.decimals, defaults.min_val, defaults.max_val = look.decimals, look.least, look.most
    if look.steps:
        defaults.thresholds = dashboard.ThresholdsConfig(
            mode=dashboard.ThresholdsMode.ABSOLUTE,
            steps=[dashboard.Threshold(value=value, color=color) for value, color in look.steps],
        )
    panel.field_config = config
    return Panel(panel, look.traffic)
