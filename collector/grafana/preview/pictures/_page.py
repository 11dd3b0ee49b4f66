"""A dashboard as one picture: its panels on the grid, below its name and what is chosen."""

from __future__ import annotations

from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from collector.grafana.preview._run import Run, Shown
from collector.grafana.preview.pictures import _boxes, _charts
from collector.grafana.preview.pictures._look import INK, PALE, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

mpl.use("Agg")

_WIDTH: Final = 1440
_UNIT: Final = 30
"""Pixels of a row of Grafana's grid, there 38 with the gap."""

_HEAD: Final = 74
_GAP: Final = 8
_DPI: Final = 100
_COLOURS: Final = 200
_BACK: Final = "#e9ecef"


def draw(run: Run, path: Path) -> None:
    """Write the picture of a dashboard as PNG; the colours are few, so that the file is small."""
    height = _HEAD + _UNIT * max(shown.panel.grid[1] + shown.panel.grid[3] for shown in run.panels) + _GAP
    with plt.rc_context({"font.family": ["DejaVu Sans"], "font.size": 8, "axes.edgecolor": "#c9ced6"}):
        figure = plt.figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor=_BACK)
        _headline(figure, run, height)
        for shown in run.panels:
            _panel(figure, shown, run, height)
        picture = BytesIO()
        figure.savefig(picture, dpi=_DPI)
        plt.close(figure)
    picture.seek(0)
    # An octree, since a median cut gives colours that are rare, such as the hottest of a heat map, to others.
    drawn = Image.open(picture).convert("RGB")
    few = drawn.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _headline(figure: Figure, run: Run, height: int) -> None:
    chosen = []
    for name, variable in run.variables.items():
        value = variable.chosen.value
        several = "All" if variable.chosen.literal is not None else ", ".join(value)
        chosen.append(f"{name}: {value if isinstance(value, str) else several or 'none'}")
    start, end = (datetime.fromtimestamp(moment, timezone.utc) for moment in (run.window.start, run.window.end))
    figure.text(0.012, 1 - 24 / height, run.dashboard.title, fontsize=15, color=INK, weight="bold", va="center")
    span = f"{start:%H:%M} to {end:%H:%M} UTC"
    figure.text(0.988, 1 - 24 / height, span, fontsize=9, color=PALE, va="center", ha="right")
    shown = "   ".join(each[:60] for each in chosen)
    figure.text(0.012, 1 - 54 / height, shown, fontsize=8, color=PALE, va="center")


def _panel(figure: Figure, shown: Shown, run: Run, height: int) -> None:
    column, row, wide, high = shown.panel.grid
    unit = (_WIDTH - _GAP) / 24
    left, top = _GAP + column * unit, _HEAD + row * _UNIT
    width, tall = wide * unit - _GAP, high * _UNIT - _GAP
    if shown.panel.kind == "row":
        y = 1 - (top + 0.5 * _UNIT) / height
        figure.text(left / _WIDTH, y, shown.title, fontsize=10, color=INK, weight="bold", va="center")
        return
    corner, size = (left / _WIDTH, 1 - (top + tall) / height), (width / _WIDTH, tall / height)
    figure.add_artist(
        FancyBboxPatch(
            corner, *size, boxstyle="square,pad=0", facecolor="white", edgecolor="#dfe3e8", linewidth=0.8, zorder=-1
        )
    )
    figure.text((left + 9) / _WIDTH, 1 - (top + 13) / height, shown.title, fontsize=9, color=INK, va="center")
    bare = shown.panel.kind in ("stat", "table", "text", "logs", "bargauge") or not shown.has_data
    # Room for the title; with axes for their labels and the legend as well.
    pads = (6, 26, 6, 5) if bare else (58, 28, 14, 58 if high >= 8 else 40)
    inner = (width - pads[0] - pads[2], tall - pads[1] - pads[3])
    axes = figure.add_axes(
        ((left + pads[0]) / _WIDTH, 1 - (top + tall - pads[3]) / height, inner[0] / _WIDTH, inner[1] / height)
    )
    axes.patch.set_alpha(0)
    if bare:
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.axis("off")
    else:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7, color="#c9ced6", labelcolor=PALE, length=2)
    _content(axes, shown, run, inner)


def _content(axes: Axes, shown: Shown, run: Run, pixels: tuple[float, float]) -> None:
    kind = shown.panel.kind
    if kind == "text":
        _boxes.words(axes, shown.panel.json["options"]["content"], pixels)
    elif not shown.has_data:
        _boxes.words(axes, shown.panel.defaults.get("noValue") or "No data", pixels, pale=True)
    elif kind == "stat":
        _boxes.stat(axes, shown, pixels)
    elif kind == "table":
        _boxes.table(axes, shown, pixels)
    elif kind == "bargauge":
        _boxes.gauges(axes, shown)
    elif kind == "logs":
        _boxes.logs(axes, shown, pixels)
    elif kind == "barchart":
        _charts.bars(axes, shown)
    elif kind == "heatmap":
        _charts.heat(axes, shown, run.window)
    elif kind in ("timeseries", "state-timeline"):
        _charts.lines(axes, shown, run.window, _marks(run))
    else:
        raise ValueError(f"panels of type {kind!r} cannot be drawn")


def _marks(run: Run) -> list[tuple[float, str]]:
    """The beginning of each annotation within the time that is shown."""
    colours = {query.ref: named(str(query.body.get("iconColor", "blue"))) for query in run.dashboard.annotations}
    return [
        (float(series.times[0]), colours[answer.ref])
        for answer in run.annotations
        for series in answer.series
        if series.times.size and series.times[0] > run.window.start + 0.01 * run.window.length
    ]
