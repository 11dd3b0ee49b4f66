"""Panels with axes: values over time, bars side by side, heat maps."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from collector.grafana.preview._answers import Series
from collector.grafana.preview._intervals import Window
from collector.grafana.preview._run import Shown
from collector.grafana.preview._units import written
from collector.grafana.preview.pictures._look import GRID, INK, PALETTE, field, named
from collector.grafana.preview.pictures._transformed import bounded, side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bars", "heat", "lines"]

_MOST_NAMES: Final = 6
_MOST_LINES: Final = 40
_TICKS: Final = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800, 10**9)
_LONGEST: Final = 34
_LINES: Final = 2
_MORE: Final = 6
_NO_NAME: Final = "_nolegend_"
_UUID: Final = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_NAME_PX, _HANDLE_PX = 5.2, 26.0
_HEAT: Final = LinearSegmentedColormap.from_list("heat", ["#fff5eb", "#fdbe85", "#fd8d3c", "#d94701", "#7f2704"])


def lines(axes: Axes, shown: Shown, window: Window, marks: Sequence[tuple[float, str]]) -> None:
    """Every series over time; stacked, as bars or dashed as the panel says. `marks` are moments with their colours."""
    custom = shown.panel.defaults.get("custom") or {}
    series = [one for answer in shown.answers for one in answer.series if not one.empty]
    stacked = (custom.get("stacking") or {}).get("mode") == "normal"
    below: dict[float, float] = {}
    for position, one in enumerate(series[:_MOST_LINES]):
        settings = field(shown.panel, one.name)
        fixed = (settings.get("color") or {}).get("fixedColor")
        colour = named(fixed) if fixed else PALETTE[position % len(PALETTE)]
        style = settings.get("custom.lineStyle") or {}
        dashes = (0, (4, 3)) if style.get("fill") == "dash" else "-"
        if stacked:
            base = np.array([below.get(float(moment), 0.0) for moment in one.times])
            top = base + np.nan_to_num(one.values)
            below.update(zip(one.times.tolist(), top.tolist(), strict=True))
            if custom.get("drawStyle") == "bars":
                axes.bar(one.times, top - base, _step(one.times), base, color=colour, align="edge", label=one.name)
                continue
            axes.fill_between(one.times, base, top, color=colour, alpha=0.35, linewidth=0)
            axes.plot(one.times, top, color=colour, linewidth=1.1, label=one.name)
            continue
        kept = ~np.isnan(one.values)
        alone = "." if kept.sum() < 3 else None
        axes.plot(
            one.times[kept], one.values[kept], marker=alone, linestyle=dashes, color=colour,
            linewidth=1.3 * float(settings.get("custom.lineWidth", 1)),
            label=_NO_NAME if (settings.get("custom.hideFrom") or {}).get("legend") else one.name,
        )  # fmt: skip
        other = next((each for each in series if each.name == settings.get("custom.fillBelowTo")), None)
        if other is not None and len(other.values) == len(one.values):
            axes.fill_between(one.times, other.values, one.values, color=colour, alpha=0.12, linewidth=0)
        elif len(series) <= 3 and not alone and dashes == "-":
            axes.fill_between(one.times[kept], 0, one.values[kept], color=colour, alpha=0.07, linewidth=0)
    for answer in shown.answers:
        points = [(float(each["timestamp"]), float(each["value"])) for each in answer.exemplars]
        if points:
            moments, values = zip(*points, strict=True)
            axes.plot(moments, values, "D", color="#c015c0", markersize=2.5, alpha=0.6, linestyle="none")
    for moment, colour in marks:
        axes.axvline(moment, color=colour, linewidth=0.9, linestyle=(0, (2, 2)))
    for step in (shown.panel.defaults.get("thresholds") or {}).get("steps") or ():
        if custom.get("thresholdsStyle") and step.get("value") is not None:
            axes.axhline(step["value"], color=named(step["color"]), linewidth=0.9, linestyle=(0, (4, 3)))
    _over_time(axes, window)
    _scaled(axes, shown.panel.defaults)
    _names(axes)


def bars(axes: Axes, shown: Shown) -> None:
    """Two or more distributions side by side."""
    columns, names = side_by_side(shown)
    if bounded(shown):
        names = [_bound(float(name), "") for name in names]
    width = 0.84 / max(1, len(columns))
    positions = np.arange(len(names))
    for number, (title, values) in enumerate(columns.items()):
        colour = PALETTE[number % len(PALETTE)]
        axes.bar(positions + (number - (len(columns) - 1) / 2) * width, values, width, color=colour, label=title)
    axes.set_xticks(positions, [_short(name, 14) for name in names])
    if len(names) > 8 or any(len(name) > 12 for name in names):
        axes.tick_params(axis="x", rotation=45)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    if len(names) > 26:
        for number, label in enumerate(axes.get_xticklabels()):
            label.set_visible(number % 2 == 0)
    axes.margins(y=0.18)  # room for the names
    _scaled(axes, shown.panel.defaults)
    _names(axes, inside=True)


def heat(axes: Axes, shown: Shown, window: Window) -> None:
    """How many values were in which bucket, over time; cumulative buckets by `le`, or native histograms."""
    series = [one for answer in shown.answers for one in answer.series if not one.empty]
    native = [one for one in series if one.histograms]
    times, edges, counts = _native(native[0]) if native else _cumulative(series)
    positions = np.arange(len(edges), dtype=float)
    steps = np.append(times, times[-1] + _step(times))
    norm = PowerNorm(0.5, vmin=0, vmax=max(float(np.nanmax(counts)), 1e-9))
    masked = np.ma.masked_less_equal(counts, 1e-9)
    axes.pcolormesh(steps, positions, masked, cmap=_HEAT, norm=norm, rasterized=True)
    unit = ((shown.panel.json.get("options") or {}).get("yAxis") or {}).get("unit") or ""
    seen = np.flatnonzero(np.nansum(counts, axis=1) > 0)
    low, high = (max(0, seen[0] - 1), min(len(edges) - 1, seen[-1] + 2)) if seen.size else (0, len(edges) - 1)
    ticks = range(low, high + 1, max(1, math.ceil((high - low) / 7)))
    axes.set_yticks(positions[ticks], [_bound(edges[tick], unit) for tick in ticks])
    axes.set_ylim(low, high)
    _over_time(axes, window)


Grid = tuple[npt.NDArray[np.float64], list[float], npt.NDArray[np.float64]]


def _cumulative(series: Sequence[Series]) -> Grid:
    ordered = sorted(series, key=lambda one: float(one.labels["le"]))
    times = np.array(sorted({float(moment) for one in ordered for moment in one.times}))
    table = np.zeros((len(ordered), len(times)))
    for number, one in enumerate(ordered):
        table[number, np.searchsorted(times, one.times)] = one.values
    bounds = [float(one.labels["le"]) for one in ordered]
    return times, [-math.inf, *bounds], np.diff(table, axis=0, prepend=0.0)


def _native(one: Series) -> Grid:
    bounds = sorted({bucket[:2] for histogram in one.histograms for bucket in histogram})
    edges = [bounds[0][0], *(upper for _, upper in bounds)]
    table = np.zeros((len(bounds), len(one.times)))
    for column, histogram in enumerate(one.histograms):
        for low, high, count in histogram:
            table[bounds.index((low, high)), column] = count
    return one.times, edges, table


def _bound(edge: float, unit: str) -> str:
    if math.isinf(edge):
        return "∞" if edge > 0 else ""
    return written(edge, unit) if unit else f"{edge:.4g}"


def _step(times: npt.NDArray[np.float64]) -> float:
    return float(np.diff(times).min()) if len(times) > 1 else 15.0


def _over_time(axes: Axes, window: Window) -> None:
    axes.set_xlim(window.start, window.end)
    step = next(step for step in _TICKS if window.length / step <= 6)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    form = "%H:%M:%S" if step % 60 else "%H:%M"
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda moment, _: datetime.fromtimestamp(moment, timezone.utc).strftime(form))
    )


def _scaled(axes: Axes, settings: Mapping[str, Any]) -> None:
    low, high = axes.get_ylim()
    if settings.get("min") is not None:
        axes.set_ylim(bottom=float(settings["min"]), top=high if high > float(settings["min"]) else None)
    if settings.get("max") is not None:
        axes.set_ylim(top=float(settings["max"]))
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    unit = settings.get("unit") or ""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(round(value, 12), unit)))
    if high - low < 1e-12:
        axes.set_ylim(low, low + 1)


def _names(axes: Axes, inside: bool = False) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    kept = [_short(_UUID.sub(r"\1…", name), _LONGEST) for name in names[:_MOST_NAMES]]
    longest = max(map(len, kept)) + (_MORE if len(names) > len(kept) else 0)
    room = axes.get_window_extent().width / (_NAME_PX * longest + _HANDLE_PX)
    columns = max(1, min(len(kept), int(room)))
    kept = kept[: _LINES * columns]
    if len(names) > len(kept):
        kept[-1] += f"  … {len(names) - len(kept)} more"
    place = {"loc": "upper right"} if inside else {"loc": "upper center", "bbox_to_anchor": (0.5, -0.11)}
    axes.legend(
        handles[: len(kept)], kept, ncols=columns, fontsize=7, frameon=False,
        handlelength=1.2, columnspacing=1.2, labelcolor=INK, **place,
    )  # fmt: skip


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
