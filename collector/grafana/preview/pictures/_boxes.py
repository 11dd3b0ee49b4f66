"""Panels without axes: a number, a table, bars that are gauges, log lines, words."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from matplotlib.patches import Rectangle

from collector.grafana.preview._run import Shown
from collector.grafana.preview._units import written
from collector.grafana.preview.pictures._look import GRID, INK, PALE, field, named, on, shown
from collector.grafana.preview.pictures._transformed import joined, moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gauges", "logs", "stat", "table", "words"]

_ROW_PX: Final = 19.0
_CHARACTER_PX: Final = 5.6
_SEVERITIES: Final = {"ERROR": "red", "FATAL": "red", "WARN": "orange", "WARNING": "orange", "INFO": "green"}


def stat(axes: Axes, panel: Shown, pixels: tuple[float, float]) -> None:
    """One number, on the colour of its thresholds."""
    value = next((one.last for answer in panel.answers for one in answer.series), math.nan)
    settings = field(panel.panel, "")
    text, colour = shown(settings, value)
    filled = colour is not None and (panel.panel.json.get("options") or {}).get("colorMode") == "background"
    if filled:
        axes.add_patch(Rectangle((0, 0), 1, 1, color=colour, linewidth=0))
    size = min(24.0, pixels[0] / max(4, len(text)) * 1.1)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=size, color="white" if filled else colour or INK)


def table(axes: Axes, panel: Shown, pixels: tuple[float, float]) -> None:
    """Rows of all answers with the same labels, joined, sorted and named as the panel says."""
    rows = joined(panel)
    if not rows:
        return
    titles = list(dict.fromkeys(title for row in rows for title in row))
    for sort in reversed((panel.panel.json.get("options") or {}).get("sortBy") or ()):
        rows.sort(key=lambda row: _key(row.get(sort["displayName"])), reverse=bool(sort.get("desc")))
    room = int(pixels[1] / _ROW_PX) - 1
    kept = rows[:room] if len(rows) <= room else rows[: room - 1]
    cells = [[_cell(panel, title, row.get(title)) for title in titles] for row in kept]
    widths = [max(len(title), *(len(row[number][0]) for row in cells)) + 2 for number, title in enumerate(titles)]
    scale = 1 / max(sum(widths), pixels[0] / _CHARACTER_PX * 0.6)
    spare = max(0.0, 1 - sum(widths) * scale) / len(widths)
    height = _ROW_PX / pixels[1]
    size = min(8.0, 8.0 * pixels[0] / (_CHARACTER_PX * sum(widths)))
    left = 0.0
    for number, title in enumerate(titles):
        width = widths[number] * scale + spare
        right = any(isinstance(row.get(title), float) for row in kept)
        x, align = (left + width - 0.008, "right") if right else (left + 0.006, "left")
        axes.text(x, 1 - height / 2, title, ha=align, va="center", fontsize=size, color="#1f60c4", weight="bold")
        for position, row in enumerate(cells):
            text, colour, filled = row[number]
            y = 1 - (position + 1.5) * height
            if filled is not None and colour is not None:
                part = 1.0 if filled < 0 else min(1.0, filled)
                box = Rectangle((left + 0.002, y - 0.42 * height), (width - 0.004) * part, 0.84 * height, linewidth=0)
                box.set(color=colour, alpha=0.9 if filled < 0 else 0.35)
                axes.add_patch(box)
            ink = on(colour) if filled == -1 and colour else INK if filled is not None else colour or INK
            axes.text(x, y, text, ha=align, va="center", fontsize=size, color=ink)
        left += width
    for position in range(len(kept) + 1):
        axes.axhline(1 - (position + 1) * height, color=GRID, linewidth=0.6)
    if len(kept) < len(rows):
        more = f"… {len(rows) - len(kept)} more"
        axes.text(0.006, 1 - (len(kept) + 1.5) * height, more, va="center", fontsize=size, color=PALE)


def gauges(axes: Axes, panel: Shown) -> None:
    """A bar for each series."""
    series = sorted((one for answer in panel.answers for one in answer.series if not one.empty), key=lambda s: -s.last)
    most = max((one.last for one in series), default=1.0) or 1.0
    height = 1 / max(4, len(series))
    for number, one in enumerate(series[:14]):
        y = 1 - (number + 0.5) * height
        axes.add_patch(Rectangle((0.35, y - 0.3 * height), 0.5 * one.last / most, 0.6 * height, color="#56a64b"))
        axes.text(0.33, y, one.name[:40], ha="right", va="center", fontsize=7, color=INK)
        axes.text(
            0.99, y, written(one.last, panel.panel.defaults.get("unit") or ""), ha="right", va="center", fontsize=8
        )


def logs(axes: Axes, panel: Shown, pixels: tuple[float, float]) -> None:
    """The newest lines, each with its time and the colour of its severity."""
    rows = [row for answer in panel.answers for row in answer.rows]
    room = int(pixels[1] / _ROW_PX)
    for number, row in enumerate(rows[:room]):
        y = 1 - (number + 0.5) * _ROW_PX / pixels[1]
        severity = str(row.get("severity_text", ""))
        colour = named(_SEVERITIES.get(severity.upper(), "text"))
        axes.add_patch(Rectangle((0, y - 0.4 * _ROW_PX / pixels[1]), 0.004, 0.8 * _ROW_PX / pixels[1], color=colour))
        line = f"{moment(row.get('@timestamp'))}  {severity:<5}  {_message(row)}"
        axes.text(0.012, y, line[:400], va="center", fontsize=7, color=INK, family="monospace", clip_on=True)


def words(axes: Axes, text: str, pixels: tuple[float, float], *, pale: bool = False) -> None:
    """Text, broken into lines."""
    plain = re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", lambda match: match[1] or "", text)
    lines = [
        line
        for paragraph in plain.splitlines()
        for line in textwrap.wrap(paragraph, max(16, int(pixels[0] / 6.4))) or [""]
    ]
    x, align, y, down = (0.5, "center", 0.5, "center") if pale else (0.015, "left", 0.97, "top")
    axes.text(x, y, "\n".join(lines), ha=align, va=down, fontsize=8, color=PALE if pale else INK, linespacing=1.4)


def _cell(panel: Shown, title: str, value: Any) -> tuple[str, str | None, float | None]:
    """Text, colour, and how much of the cell it fills: -1 for all of it as background, None for nothing."""
    if not isinstance(value, float):
        return str(value or ""), None, None
    settings = field(panel.panel, title)
    text, colour = shown(settings, value)
    cells = settings.get("custom.cellOptions") or (settings.get("custom") or {}).get("cellOptions") or {}
    kind = cells.get("type")
    if kind == "color-background":
        return text, colour, -1
    if kind == "gauge" and not math.isnan(value):
        return text, colour, value / float(settings.get("max") or 1)
    return text, colour if kind == "color-text" else None, None


def _key(value: Any) -> tuple[bool, float, str]:
    number = value if isinstance(value, float) and not math.isnan(value) else -math.inf
    return isinstance(value, float), number, str(value)


def _message(row: Mapping[str, Any]) -> str:
    body = row.get("body") or {}
    return str(body.get("text") or body.get("structured") or "").replace("\n", " ")
