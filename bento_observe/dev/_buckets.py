"""Histograms as OTLP sends them, made comparable: added, subtracted, and put into a few bins that a person can read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Buckets", "Exponential", "readable_edges", "rebin"]

_FLOAT_MAX: Final = float(np.finfo(np.float64).max)
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Buckets:
    """`counts[i]` values, shape (n,), lie between `edges[i]` and `edges[i + 1]`, shape (n + 1,), strictly ascending.

    Where it is `open_ended`, the outer two reach as far as that, but how their values lie in there is not known.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]
    open_ended: bool = False

    @classmethod
    def explicit(
        cls, bounds: Sequence[float], counts: Sequence[float], low: float | None = None, high: float | None = None
    ) -> Buckets:
        """OTLP's explicit buckets, `len(counts) == len(bounds) + 1`.

        The outer two are closed by `low` and `high`, the smallest and largest value seen; where these aren't known or
        lie inside, by the width of the bucket next to them.
        """
        inner = np.asarray(bounds, dtype=np.float64)
        if not inner.size:
            inner = np.array([0.0 if low is None or high is None else (low + high) / 2])
        first, last = float(inner[0]), float(inner[-1])
        width_first = float(inner[1]) - first if inner.size > 1 else max(abs(first), 1.0)
        width_last = last - float(inner[-2]) if inner.size > 1 else max(abs(last), 1.0)
        bottom = low if low is not None and low < first else first - width_first
        top = high if high is not None and high > last else last + width_last
        values = np.asarray(counts if len(counts) else [0] * (inner.size + 1), dtype=np.float64)
        if values.size == 1:
            values = np.array([values[0] / 2, values[0] / 2])
        return cls(np.array([bottom, *inner, top]), values, open_ended=True)

    @property
    def total(self) -> float:
        """Values counted."""
        return float(self.counts.sum())

    @property
    def closed(self) -> Buckets:
        """Without open ends."""
        return Buckets(self.edges[1:-1], self.counts[1:-1]) if self.open_ended else self

    def quantile(self, q: float) -> float:
        """A value that about the share `q` lies below, to the width of a bucket."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.counts)])
        return float(np.interp(q * self.total, cumulative, self.edges / 4.0) * 4.0)

    def width_at(self, q: float) -> float:
        """The width of the bucket that holds `quantile(q)`."""
        index = int(np.searchsorted(np.cumsum(self.counts), q * self.total))
        return float(self.edges[index + 1] - self.edges[index])


@dataclass(frozen=True)
class Exponential:
    """OTLP's exponential buckets: of index i, the values in (base**i, base**(i + 1)], base = 2**(2**-scale).

    Source: OpenTelemetry metrics data model, "ExponentialHistogram".
    """

    scale: int
    zero: int = 0
    positive: Mapping[int, int] = field(default_factory=dict)
    negative: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        scale: int,
        zero: int,
        positive: tuple[int, Sequence[int]],
        negative: tuple[int, Sequence[int]],
    ) -> Exponential:
        """From each side's offset and dense counts, as a data point has them."""
        return cls(scale, zero, _sparse(*positive), _sparse(*negative))

    @classmethod
    def total_of(cls, parts: Iterable[Exponential]) -> Exponential:
        """The sum, at the coarsest scale among the parts (scale 20 with no parts)."""
        parts = list(parts)
        scale = min((part.scale for part in parts), default=20)
        positive: Counter[int] = Counter()
        negative: Counter[int] = Counter()
        for part in parts:
            at_scale = part.at(scale)
            positive.update(at_scale.positive)
            negative.update(at_scale.negative)
        return cls(scale, sum(part.zero for part in parts), positive, negative)

    def at(self, scale: int) -> Exponential:
        """The same counts at a coarser scale: 2**k neighbours become one bucket, exactly."""
        shift = self.scale - scale
        return Exponential(scale, self.zero, _merged(self.positive, shift), _merged(self.negative, shift))

    def since(self, earlier: Exponential) -> Exponential:
        """What this cumulative histogram counted after `earlier`, an earlier state of the same series."""
        scale = min(self.scale, earlier.scale)
        now, then = self.at(scale), earlier.at(scale)
        positive, negative = Counter(now.positive), Counter(now.negative)
        positive.subtract(then.positive)
        negative.subtract(then.negative)
        return Exponential(scale, now.zero - then.zero, positive, negative)

    def buckets(self) -> Buckets:
        """As edges and counts, from the lowest negative to the highest positive; zeros lie just above 0."""
        negative = sorted((index for index, count in self.negative.items() if count), reverse=True)
        positive = sorted(index for index, count in self.positive.items() if count)
        pieces = [(-self._bound(i + 1), -self._bound(i), self.negative[i]) for i in negative]
        if self.zero:
            nearest = [self._bound(side[0]) for side in (negative[::-1], positive) if side]
            pieces.append((0.0, min(nearest) / 1000 if nearest else 1.0, self.zero))
        pieces += [(self._bound(i), self._bound(i + 1), self.positive[i]) for i in positive]
        edges: list[float] = []
        counts: list[float] = []
        for low, high, count in pieces:
            if not edges:
                edges.append(low)
            elif low > edges[-1]:
                edges.append(low)
                counts.append(0.0)
            # The next float where both ends of a bucket are out of a float's range.
            edges.append(max(high, math.nextafter(edges[-1], math.inf)))
            counts.append(float(count))
        return Buckets(np.array(edges or [0.0, 1.0]), np.array(counts or [0.0]))

    def _bound(self, index: int) -> float:
        exponent = index * 2.0**-self.scale
        return _FLOAT_MAX if exponent >= 1024 else 2.0**exponent


def rebin(buckets: Buckets, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Counts between `edges`, shape (k,), and below and above them: shape (k + 1,), the same total.

    A bucket that an edge cuts is shared out as if its values were spread evenly in it.
    """
    cumulative = np.concatenate([[0.0], np.cumsum(buckets.counts)])
    # In units of the largest edge: next to the ends of a float's range differences and slopes would leave it.
    unit = float(np.abs(buckets.edges).max())
    below = np.interp(edges / unit, buckets.edges / unit, cumulative)
    return np.diff(np.concatenate([[0.0], below, [buckets.total]]))


def readable_edges(histograms: Sequence[Buckets], bins: int = 16) -> npt.NDArray[np.float64]:
    """At most about `bins` round edges over the middle 99 % of all `histograms`.

    Equally wide, or 1-2-5 a decade where all is positive and spans more than two decades; but none within the open
    end of a histogram, where the outermost edge is then the end's.
    """
    filled = [histogram for histogram in histograms if histogram.total > 0]
    if not filled:
        return np.array([0.0, 1.0])
    ends = [histogram.closed.edges for histogram in filled if histogram.open_ended]
    first = max((float(edges[0]) for edges in ends), default=-math.inf)
    last = min((float(edges[-1]) for edges in ends), default=math.inf)
    if first >= last:
        return np.array([first])
    low = max(first, min(histogram.quantile(0.005) for histogram in filled))
    high = min(last, max(histogram.quantile(0.995) for histogram in filled))
    if low >= high:  # all of it in one open end
        return np.array([first, last])
    # Never finer than the buckets themselves, which would draw detail that was not measured.
    edges = _round_edges(low, high, bins, max(histogram.closed.width_at(0.5) for histogram in filled))
    if not ends:
        return edges
    sliver = float(np.diff(edges).min()) / 2
    edges = np.clip(edges, first, last)
    inner = edges[(edges > edges[0] + sliver) & (edges < edges[-1] - sliver)]
    return np.array([edges[0], *inner, edges[-1]])


def _round_edges(low: float, high: float, bins: int, finest: float) -> npt.NDArray[np.float64]:
    if low > 0 and high / low > 100 and finest < high / 100:
        return _decades(low, high, bins)
    raw = max(high / bins - low / bins, finest)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(magnitude * factor for factor in _STEPS if magnitude * factor >= raw * (1 - 1e-9))
    # Whole multiples of the step, so that the edges are round in decimal too.
    multiples = np.arange(math.floor(low / step), math.ceil(high / step) + 1, dtype=np.float64)
    with np.errstate(over="ignore"):
        return np.unique(np.clip(multiples * step, -_FLOAT_MAX, _FLOAT_MAX))


def _decades(low: float, high: float, bins: int) -> npt.NDArray[np.float64]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = last - first
    if decades * 3 <= bins * 1.5:
        edges = [m * 10.0**e for e in range(first, last) for m in (1, 2, 5)] + [10.0**last]
    else:
        every = math.ceil(decades / bins)
        edges = [10.0**e for e in range(first, last + every, every) if e <= 308]
    inside = [i for i, edge in enumerate(edges) if low < edge < high]
    return np.array(edges[max(inside[0] - 1, 0) : inside[-1] + 2])


def _sparse(offset: int, counts: Sequence[int]) -> dict[int, int]:
    return {offset + i: count for i, count in enumerate(counts) if count}


def _merged(counts: Mapping[int, int], shift: int) -> Counter[int]:
    merged: Counter[int] = Counter()
    for index, count in counts.items():
        merged[index >> shift] += count
    return merged
