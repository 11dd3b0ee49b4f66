"""A feature's values in the terminal: horizontal bars, before and after side by side."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bento_observe import semconv
from bento_observe.dev._buckets import Buckets, readable_edges, rebin
from bento_observe.dev._strokes import Strip, Words

__all__ = ["category_bars", "histogram_bars"]

_MOST_BOUNDS: Final = 24
_MANY: Final = (semconv.CATEGORY_OTHER, semconv.CATEGORY_UNSEEN, semconv.CATEGORY_MISSING)
_NEGLIGIBLE: Final = 0.0005
"""A share that would be shown as 0.0 %."""


def histogram_bars(name: str, before: Buckets, after: Buckets | None = None) -> RenderableType:
    """A histogram as horizontal bars, shares of its own total; two of them side by side with the change in points.

    Up to 24 buckets with equal edges are drawn as they are, others put together into round bins.
    """
    both = [before] if after is None else [before, after]
    bounds = _common_bounds(both)
    if bounds is not None:
        return _bars(name, _labels(bounds), [histogram.counts for histogram in both])
    edges = readable_edges(both)
    labels = _labels(edges)
    return _bars(name, labels, [rebin(histogram, edges) for histogram in both], spare=(0, len(labels) - 1))


def category_bars(name: str, before: Mapping[str, float], after: Mapping[str, float] | None = None) -> RenderableType:
    """Values by category as horizontal bars, the most frequent first, then those that stand for many."""
    both = [before] if after is None else [before, after]
    totals = {category: sum(side.get(category, 0.0) for side in both) for side in both for category in side}
    categories = sorted(totals, key=lambda category: (category in _MANY, -totals[category], category))
    counts = [np.array([side.get(category, 0.0) for category in categories]) for side in both]
    spare = [row for row, category in enumerate(categories) if category in _MANY]
    return _bars(name, categories, counts, spare)


def _bars(
    name: str, labels: Sequence[str], counts: Sequence[npt.NDArray[np.float64]], spare: Collection[int] = ()
) -> RenderableType:
    """One or two columns of `counts` as shares of their totals, one of them a label; `spare` rows only if not empty."""
    shares = [some / max(some.sum(), 1) for some in counts]
    longest = max(float(share.max(initial=0.0)) for share in shares) or 1.0
    compared = len(counts) == 2

    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    table.add_column(no_wrap=True, justify="right")
    for _ in counts:
        table.add_column(no_wrap=True, justify="right", min_width=7)
        table.add_column(no_wrap=True, ratio=1)
    headings: list[RenderableType] = []
    for heading, some in zip(("before: ", "after: ") if compared else ("",), counts, strict=True):
        headings += ["", Words(f"{heading}{some.sum():,.0f} values", "bold")]
    change_title = []
    if compared:
        table.add_column(no_wrap=True, justify="right")
        change_title = [Text("change", "dim")]
    table.add_row(Text(name, "bold"), *headings, *change_title)
    for row, label in enumerate(labels):
        if row in spare and all(share[row] < _NEGLIGIBLE for share in shares):
            continue
        cells: list[RenderableType] = []
        for share, style in zip(shares, ("cyan", "magenta"), strict=False):
            cells += [f"{share[row]:.1%}", Strip(0.0, float(share[row]) / longest, style)]
        change = [_change(float(shares[1][row] - shares[0][row]) * 100)] if compared else []
        table.add_row(Words(label), *cells, *change)
    return table


def _common_bounds(histograms: Sequence[Buckets]) -> npt.NDArray[np.float64] | None:
    """The inner edges that all `histograms` share, when there are few enough to show."""
    inner = histograms[0].edges[1:-1]
    same = all(np.array_equal(histogram.edges[1:-1], inner) for histogram in histograms)
    return inner if same and 0 < len(inner) < _MOST_BOUNDS else None


def _labels(edges: npt.NDArray[np.float64]) -> list[str]:
    """What the bins below, between and above `edges` hold; as many decimals as tell the edges apart.

    Where the first two are neighbouring floats, as a reference's are, the bin between holds its lowest value only.
    """
    if len(edges) > 1 and edges[1] <= math.nextafter(float(edges[0]), math.inf):
        first, *others = _labels(edges[1:])
        lowest = first.removeprefix("≤ ")
        return [f"< {lowest}", lowest, *others]
    step = float(np.diff(edges).min()) if len(edges) > 1 else abs(float(edges[0])) or 1.0
    largest = float(np.abs(edges).max())
    decimals = max(0, 1 - math.floor(math.log10(step)))
    edges = np.where(np.abs(edges) < step / 1e6, 0.0, edges)  # no "-0.0" for the float below 0
    if largest >= 1e7 or decimals > 6:
        numbers = [f"{edge:.3g}" for edge in edges]
    elif largest / step > 1000:  # decades: each with the decimals it needs
        edges = np.array([float(f"{edge:.3g}") for edge in edges])
        numbers = [f"{edge:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{edge:,.0f}" for edge in edges]
    else:
        numbers = [f"{edge:,.{decimals}f}" for edge in edges]
        while all("." in number and number.endswith("0") for number in numbers):
            numbers = [number[:-1].removesuffix(".") for number in numbers]
    between = [f"{low} – {high}" for low, high in pairwise(numbers)]
    return [f"≤ {numbers[0]}", *between, f"> {numbers[-1]}"]


def _change(points: float) -> Text:
    words = f"{points:+.1f}" if abs(points) >= 0.05 else "0.0"
    return Text(words, "bold" if abs(points) >= 1 else "dim")
