"""The two kinds of histogram a feature can have, as immutable values that add and subtract."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bento_observe.features._types import FloatArray, IntArray

__all__ = ["MAX_BUCKETS", "MAX_SCALE", "Buckets", "ExplicitHistogram", "ExponentialHistogram"]

MAX_BUCKETS = 160
"""Buckets on each side of zero, as the OpenTelemetry SDKs have by default."""

MAX_SCALE = 8
"""The finest resolution, 256 buckets an octave. It is also the finest of Prometheus' native histograms, which would
throw anything beyond away. The coarsest that 160 buckets can need is -4, which Prometheus still takes."""


class _Arrays:
    """What is read-only here stays so through a pickle, which would forget it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False, slots=True)
class ExplicitHistogram(_Arrays):
    """`counts[i]` counts `edges[i-1] < x <= edges[i]`; the last bucket everything above the last edge.

    Both arrays become read-only.
    """

    edges: FloatArray
    counts: IntArray

    def __post_init__(self) -> None:
        self.edges.flags.writeable = False
        self.counts.flags.writeable = False

    def __add__(self, other: ExplicitHistogram) -> ExplicitHistogram:
        self._check(other)
        return ExplicitHistogram(self.edges, self.counts + other.counts)

    def __sub__(self, other: ExplicitHistogram) -> ExplicitHistogram:
        self._check(other)
        return ExplicitHistogram(self.edges, self.counts - other.counts)

    def _check(self, other: ExplicitHistogram) -> None:
        if self.edges is not other.edges and not np.array_equal(self.edges, other.edges):
            raise ValueError("histograms with different bucket edges do not add up")


@dataclass(frozen=True, eq=False, slots=True)
class Buckets(_Arrays):
    """One side of an exponential histogram: `counts[i]` is the bucket with index `offset + i`, without empty ends.

    `counts` becomes read-only.
    """

    offset: int
    counts: IntArray

    def __post_init__(self) -> None:
        self.counts.flags.writeable = False

    @staticmethod
    def trimmed(offset: int, counts: IntArray) -> Buckets:
        """The same buckets without the empty ones at either end; no buckets at all have offset 0."""
        filled = np.flatnonzero(counts)
        if not filled.size:
            return Buckets(0, counts[:0].copy())
        first, last = int(filled[0]), int(filled[-1])
        return Buckets(offset + first, counts[first : last + 1].copy())

    def coarser(self, shift: int) -> Buckets:
        """Every 2^shift neighbours made one: the same values at a scale lower by `shift`."""
        if not shift or not self.counts.size:
            return self
        index = (self.offset + np.arange(self.counts.size)) >> shift
        counts = np.zeros(int(index[-1] - index[0]) + 1, np.int64)
        np.add.at(counts, index - index[0], self.counts)
        return Buckets(int(index[0]), counts)

    def plus(self, other: Buckets, sign: int = 1) -> Buckets:
        """Bucket by bucket `self + sign * other`, both at the same scale."""
        if not other.counts.size:
            return self
        if not self.counts.size:
            return Buckets.trimmed(other.offset, sign * other.counts)
        low = min(self.offset, other.offset)
        high = max(self.offset + self.counts.size, other.offset + other.counts.size)
        counts = np.zeros(high - low, np.int64)
        counts[self.offset - low :][: self.counts.size] += self.counts
        counts[other.offset - low :][: other.counts.size] += sign * other.counts
        return Buckets.trimmed(low, counts)


@dataclass(frozen=True, eq=False, slots=True)
class ExponentialHistogram:
    """OpenTelemetry's exponential histogram: bucket i of `positive` counts `base**i < x <= base**(i + 1)` with
    `base = 2 ** 2**-scale`; `negative` the same of -x; `zero_count` zeros.
    """

    scale: int
    zero_count: int
    positive: Buckets
    negative: Buckets

    def explicit(self) -> ExplicitHistogram:
        """The same buckets with their edges spelled out, from the most negative up, zeros in the one around zero.

        Exact but for negative values that lie on an edge: exponential buckets are closed towards zero's far side.
        """
        width = 2.0**-self.scale
        below, above = self.negative, self.positive
        left, right = np.zeros(int(below.counts.size > 0), np.int64), np.zeros(int(above.counts.size > 0), np.int64)
        with np.errstate(over="ignore"):
            falling = -np.exp2((below.offset + np.arange(below.counts.size + left.size)[::-1]) * width)
            rising = np.exp2((above.offset + np.arange(above.counts.size + right.size)) * width)
        edges = np.concatenate([falling, rising])
        zeros = np.array([self.zero_count])
        counts: IntArray = np.concatenate([left, below.counts[::-1], zeros, above.counts, right])
        if not edges.size:
            return ExplicitHistogram(np.zeros(1), np.append(counts, 0))
        return ExplicitHistogram(edges, counts)

    def __add__(self, other: ExponentialHistogram) -> ExponentialHistogram:
        return self._combined(other, 1)

    def __sub__(self, other: ExponentialHistogram) -> ExponentialHistogram:
        return self._combined(other, -1)

    def at_most(self, scale: int) -> ExponentialHistogram:
        """The same histogram at `scale`, or as it is where it is no finer than that."""
        shift = max(0, self.scale - scale)
        positive, negative = self.positive.coarser(shift), self.negative.coarser(shift)
        return ExponentialHistogram(self.scale - shift, self.zero_count, positive, negative)

    def _combined(self, other: ExponentialHistogram, sign: int) -> ExponentialHistogram:
        scale = min(self.scale, other.scale)
        while True:
            mine, theirs = self.at_most(scale), other.at_most(scale)
            positive = mine.positive.plus(theirs.positive, sign)
            negative = mine.negative.plus(theirs.negative, sign)
            if max(positive.counts.size, negative.counts.size) <= MAX_BUCKETS:
                zero_count = self.zero_count + sign * other.zero_count
                return ExponentialHistogram(scale, zero_count, positive, negative)
            scale -= 1
