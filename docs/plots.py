"""Draws the pictures of docs/feature-statistics.md: run `python docs/plots.py`, which needs `bento-observe[docs]`.

All numbers come from the package's own functions, on random data with fixed seeds, so a second run writes the same
bytes with the same versions of numpy and matplotlib. `python docs/plots.py DIRECTORY` writes elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from bento_observe import FeatureStatistics, Reference
from bento_observe.features import Snapshot, drift
from bento_observe.features.reference import NumericReference, SignalReference

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

FOLDER: Final = Path(__file__).with_name("plots")
TRAINING_ROWS: Final = 10_000
FEATURES: Final = 100


@dataclass(frozen=True)
class Buckets:
    """One skewed feature and a window of it that moved. `training` and `window` are shares by drift bin."""

    reference: NumericReference
    values: Floats
    served: Floats
    training: Floats
    window: Floats
    psi: float
    critical: float


@dataclass(frozen=True)
class NullPsi:
    """PSI where nothing moved: one row of quantiles (5 %, 50 %, 95 %, 99.95 %) for each window size in `n`."""

    n: Floats
    quantiles: Floats
    critical: Floats
    bins: int


@dataclass(frozen=True)
class Dilution:
    """PSI of all replicas together for each share of them that drifted, by the size of their drift."""

    shares: Floats
    psi: Mapping[float, Floats]
    critical: float


def buckets(rows: int = 20_000) -> Buckets:
    """A lognormal feature, and 3,000 values of it that are a quarter higher."""
    rng = np.random.default_rng(1)
    values = rng.lognormal(3.0, 0.6, rows)
    served = rng.lognormal(3.0, 0.6, 3000) * 1.25
    signal = _reference(values[:, None])
    feature, snapshot = signal.features["0"], _counted(signal, served[:, None])
    if not isinstance(feature, NumericReference):
        raise TypeError("a lognormal column is numeric")
    counts, found = np.array(drift.binned(feature, snapshot.features["0"])), drift.measure(signal, snapshot)
    measured = float(found.values["psi"][0]), float(found.critical["psi"][0])
    return Buckets(feature, values, served, np.array(drift.smoothed(feature)), counts / counts.sum(), *measured)


def null_psi(sizes: Sequence[int] = (50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000), windows: int = 100) -> NullPsi:
    """Of a hundred normal features, each against its own training data, `windows` times for each size."""
    rng = np.random.default_rng(2)
    signal = _reference(rng.normal(size=(TRAINING_ROWS, FEATURES)))
    found = []
    for size in sizes:
        drawn = [psi(signal, _counted(signal, rng.normal(size=(size, FEATURES)))) for _ in range(windows)]
        found.append(np.quantile(np.concatenate(drawn), [0.05, 0.5, 0.95, 0.9995]))
    n = np.array(sizes, np.float64)
    return NullPsi(n, np.array(found), _critical(signal, n), len(drift.smoothed(signal.features["0"])))


def psi(signal: SignalReference, snapshot: Snapshot) -> Floats:
    """PSI of each feature, where `measure` would say that there is not enough data as well."""
    found = []
    for name, feature in signal.features.items():
        counts = np.array(drift.binned(feature, snapshot.features[name]), np.float64)
        p = (counts + drift.SMOOTHING) / (counts.sum() + drift.SMOOTHING * counts.size)
        q = np.array(drift.smoothed(feature))
        found.append(float(((p - q) * np.log(p / q)).sum()))
    return np.array(found)


def power(
    moves: Sequence[float], sizes: Sequence[int] = (300, 1000, 5000), windows: int = 4, *, scale: bool = False
) -> dict[int, dict[str, Floats]]:
    """How often one of a hundred features is called drifted, by window size and method, one element a move.

    The features are normal; a move adds so many standard deviations or, with `scale`, multiplies by that. `psi > 0.1`
    is among the methods, for comparison.
    """
    rng = np.random.default_rng(4 if scale else 3)
    signal = _reference(rng.normal(size=(TRAINING_ROWS, FEATURES)))
    found: dict[int, dict[str, Floats]] = {}
    for size in sizes:
        hits = {name: np.zeros(len(moves)) for name in (*drift.METHODS, "psi > 0.1")}
        for position, move in enumerate(moves):
            for _ in range(windows):
                rows = rng.normal(size=(size, FEATURES))
                measures = drift.measure(signal, _counted(signal, rows * move if scale else rows + move))
                for method in drift.METHODS:
                    hits[method][position] += measures.verdict(method).drifted.mean() / windows
                hits["psi > 0.1"][position] += (measures.values["psi"] > 0.1).mean() / windows
        found[size] = hits
    return found


def dilution(replicas: int = 20, rows: int = 2000, shifts: Sequence[float] = (0.25, 0.5, 1.0)) -> Dilution:
    """Normal features that moved by so many standard deviations on some of the replicas; means over a hundred."""
    rng = np.random.default_rng(5)
    signal = _reference(rng.normal(size=(TRAINING_ROWS, FEATURES)))
    found = {}
    for shift in shifts:
        same = [_counted(signal, rng.normal(size=(rows, FEATURES))) for _ in range(replicas)]
        moved = [_counted(signal, rng.normal(size=(rows, FEATURES)) + shift) for _ in range(replicas)]
        pooled = [sum([*moved[:drifted], *same[drifted:]], Snapshot()) for drifted in range(replicas + 1)]
        found[shift] = np.array([drift.measure(signal, total).values["psi"].mean() for total in pooled])
    return Dilution(np.arange(replicas + 1) / replicas, found, float(_critical(signal, np.array(replicas * rows))))


def _reference(rows: Floats) -> SignalReference:
    return Reference.from_frame(rows).signals["input"]


def _counted(signal: SignalReference, rows: Floats) -> Snapshot:
    statistics = FeatureStatistics(signal)
    statistics.update(rows)
    return statistics.snapshot()


def _critical(signal: SignalReference, n: Floats) -> Floats:
    factor = drift.null_quantiles(signal)["psi"]
    values: Floats = np.maximum(factor[0] * (1 / n + 1 / TRAINING_ROWS), drift.FLOORS["psi"])
    return values


# What follows only draws.

_INK, _FAINT = "#24292f", "#8c959f"
_COLORS: Final = {
    "psi": "#0969da", "js": "#54aeff", "chi2": "#8250df", "ks": "#1a7f37", "wasserstein": "#d4a72c",
    "mean_z": "#cf222e", "variance_ratio": "#24292f", "psi > 0.1": "#8c959f",
}  # fmt: skip
_STYLE: Final = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _FAINT, "axes.labelcolor": _INK,
    "text.color": _INK, "xtick.color": _INK, "ytick.color": _INK, "axes.grid": True, "grid.color": "#eaeef2",
    "axes.axisbelow": True, "axes.titlesize": 10.5, "axes.titlelocation": "left", "font.size": 9.5,
    "font.family": "DejaVu Sans", "legend.frameon": False, "svg.hashsalt": "bento-observe", "svg.fonttype": "path",
    "lines.linewidth": 1.8,
}  # fmt: skip


def draw_buckets(data: Buckets) -> Figure:
    """Edges and drift bins over the training data, with the window on top; below, the shares that PSI compares."""
    from matplotlib import colormaps, pyplot

    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(8, 5.6), height_ratios=(3, 2), layout="constrained")
    edges, bins = data.reference.edges, data.reference.bins
    palette = colormaps["viridis"](np.linspace(0.12, 0.95, data.training.size))
    right = float(np.quantile(data.values, 0.995))
    grid = np.linspace(0, right, 90)
    above = {"va": "top", "ha": "center", "fontsize": 8.5, "transform": top.get_xaxis_transform()}
    for number, color in enumerate(palette):
        inside = np.flatnonzero(bins[1:-1] == number)
        low, high = edges[inside[0]], min(edges[inside[-1] + 1], right)
        top.axvspan(low, high, color=color, alpha=0.28, linewidth=0)
        top.text((low + high) / 2, 0.985, str(number), **above)
    top.hist(data.values, grid, density=True, color=_FAINT, alpha=0.75, label="training data")
    top.hist(data.served, grid[::2], density=True, histtype="step", color=_COLORS["mean_z"], linewidth=1.8,
             label="a window served, all values a quarter higher")  # fmt: skip
    shown = edges[edges <= right]
    top.vlines(shown, 0, 0.05, color=_INK, linewidth=1.1, transform=top.get_xaxis_transform(),
               label=f"bucket edges ({edges.size}, {edges.size - shown.size} of them further right)")  # fmt: skip
    top.set(xlim=(0, right), yticks=[], title="Buckets are narrow where the training data is dense; ten drift bins")
    top.set_ylim(0, top.get_ylim()[1] * 1.1)
    top.grid(visible=False)
    top.legend(loc="center right")
    place = np.arange(data.training.size)
    bottom.bar(place - 0.2, data.training, 0.38, color=palette)
    bottom.bar(place + 0.2, data.window, 0.38, color="white", edgecolor=_COLORS["mean_z"], linewidth=1.5)
    title = f"What PSI compares: training (filled) and window (red); {data.psi:.2f}, critical value {data.critical:.2f}"
    bottom.set(xticks=place, xlabel="drift bin", ylabel="share of values", title=title)
    return figure


def draw_null_psi(data: NullPsi) -> Figure:
    """PSI without any drift against the size of the window."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
    low, middle, high, extreme = data.quantiles.T
    axes.plot(data.n, middle, color=_COLORS["psi"], label="median PSI of features that did not drift")
    axes.fill_between(data.n, low, high, color=_COLORS["psi"], alpha=0.22, linewidth=0, label="90 % of them")
    axes.plot(data.n, extreme, ":", color=_COLORS["psi"], label="one in 2,000 is higher")
    axes.plot(data.n, data.critical, color=_COLORS["mean_z"], label=f"critical value, one of {FEATURES} features")
    for level, text in ((0.1, '0.1  "slight change"'), (0.25, '0.25  "major change"')):
        axes.axhline(level, color=_INK, linestyle="--", linewidth=1)
        axes.annotate(text, (data.n[-1], level), (-2, 3), textcoords="offset points", ha="right", fontsize=9)
    least = drift.MINIMUM_PER_BIN * data.bins
    axes.axvspan(data.n[0], least, color=_FAINT, alpha=0.15, linewidth=0)
    axes.text(float(np.sqrt(data.n[0] * least)), 0.0062, "not enough data", ha="center", color="#57606a")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _ticks(axes.xaxis, 50, 100, 200, 300, 500, 1000, 2000, 5000)
    _ticks(axes.yaxis, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
    axes.set(
        xlim=(data.n[0], data.n[-1]), ylim=(0.005, 2), xlabel="values in the window", ylabel="PSI",
        title=f"PSI without drift: {data.bins} bins, {TRAINING_ROWS:,} rows of training",
    )  # fmt: skip
    axes.legend(loc="upper right", fontsize=9, labelspacing=0.3)
    return figure


def draw_power(rows: Mapping[str, tuple[Sequence[float], Mapping[int, Mapping[str, Floats]]]]) -> Figure:
    """How often drift is found: a row of panels for each kind of move, with the moves and what `power` says of them."""
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(len(rows), 3, figsize=(9.5, 5.8), sharey=True, layout="constrained")
    dashed = {"psi > 0.1": ":", "js": "--", "variance_ratio": "-."}
    for row, (what, (moves, found)) in zip(grid, rows.items(), strict=True):
        for axes, (size, hits) in zip(row, found.items(), strict=True):
            for name, share in hits.items():
                axes.plot(moves, share, dashed.get(name, "-"), color=_COLORS[name], label=name)
            axes.set(xlim=(moves[0], moves[-1]), ylim=(-0.02, 1.02), xlabel=what, title=f"{size:,} values")
        row[0].set_ylabel("share found")
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), columnspacing=1.2)
    return figure


def draw_dilution(data: Dilution) -> Figure:
    """PSI of the pool against the share of replicas that drifted."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    for (shift, values), color in zip(data.psi.items(), ("#54aeff", "#0969da", "#0a3069"), strict=True):
        axes.plot(100 * data.shares, values, "o-", color=color, markersize=3.5)
        axes.annotate(f"shifted by {shift:g} sd", (100, values[-1]), (6, 0), textcoords="offset points", va="center",
                      color=color)  # fmt: skip
    axes.axhline(data.critical, color=_COLORS["mean_z"], linewidth=1.4)
    axes.annotate("critical value", (100, data.critical), (-3, -12), textcoords="offset points", ha="right",
                  color=_COLORS["mean_z"])  # fmt: skip
    axes.set_yscale("log")
    _ticks(axes.yaxis, 0.001, 0.01, 0.1, 1)
    axes.set(
        xlim=(0, 100), ylim=(0.0007, 2), ylabel="PSI of all together", xlabel="share of replicas that drifted, %",
        title=f"A drift on few replicas drowns in the pool ({data.shares.size - 1} replicas)",
    )  # fmt: skip
    return figure


def _ticks(axis: Axis, *values: float) -> None:
    """Labels on a logarithmic axis."""
    axis.set_ticks(values, [f"{value:,}" for value in values])
    axis.set_ticks([], minor=True)


def main(folder: Path) -> None:
    """Writes all pictures as SVG."""
    import matplotlib

    matplotlib.use("svg")
    shifts, spreads = np.linspace(0, 0.6, 13).tolist(), np.linspace(1, 1.8, 17).tolist()
    moves = {
        "shift, standard deviations": (shifts, power(shifts)),
        "spread, times": (spreads, power(spreads, scale=True)),
    }
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figures = {
            "buckets": draw_buckets(buckets()), "null-psi": draw_null_psi(null_psi()), "power": draw_power(moves),
            "dilution": draw_dilution(dilution()),
        }  # fmt: skip
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
