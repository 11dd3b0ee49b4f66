"""What the pictures show, read from the tables: by SQL through whatever answers it, a receiver or a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from bento_observe import semconv
from bento_observe.dev._buckets import Buckets, Exponential
from bento_observe.dev._database import Parameters
from bento_observe.dev._waterfall import Bar

__all__ = ["Ask", "read_categories", "read_histograms", "read_trace"]

Ask: TypeAlias = Callable[[str, Parameters], Sequence[tuple[Any, ...]]]
"""Such as `DevReceiver.query`."""

_TRACE = """
SELECT span_id, parent_span_id, name, coalesce(service_name, ''), start_ns, end_ns, status_code = 'error',
    coalesce(status_message, events->0->'attributes'->>'exception.message')
FROM spans WHERE trace_id = ? AND start_ns IS NOT NULL AND end_ns IS NOT NULL ORDER BY start_ns
"""

# Of every series what it had counted by the split and what it has counted now; delta points are sorted by time instead.
# What a slice has counted is in the whole as well.
_LAST = """
WITH points AS (
    SELECT *, rowid AS arrival, attributes->>'ml.signal' AS signal FROM metric_points
    WHERE name = ? AND (attributes->>'ml.feature.name') = ? AND (attributes->>'ml.slice.name') IS NULL
), split AS (SELECT coalesce(?, (min(time_ns) + max(time_ns)) // 2) AS at FROM points), sided AS (
    SELECT points.*, time_ns <= split.at AS early FROM points, split
), last AS (
    SELECT * FROM sided
    QUALIFY temporality = 'delta' OR row_number() OVER (
        PARTITION BY service_instance_id, scope_name, attributes, kind, early ORDER BY time_ns DESC, arrival DESC
    ) = 1
)
"""
_POINTS = f"""{_LAST}
SELECT early, temporality = 'delta', coalesce(service_instance_id, '') || attributes::VARCHAR, signal,
    kind, bounds, bucket_counts, "min", "max",
    scale, zero_count, positive_offset, positive_counts, negative_offset, negative_counts
FROM last WHERE coalesce(signal = ?, true) AND kind LIKE '%histogram' ORDER BY time_ns DESC
"""  # noqa: S608 - a text of this module
_CATEGORIES = f"""{_LAST}
SELECT early, temporality = 'delta', coalesce(service_instance_id, '') || attributes::VARCHAR, signal,
    attributes->>'ml.reference.id', attributes->>'ml.feature.category', value
FROM last WHERE coalesce(signal = ?, true) AND kind = 'sum' ORDER BY time_ns DESC
"""  # noqa: S608 - a text of this module


class _Point(NamedTuple):
    """A row of `_POINTS`."""

    early: bool
    delta: bool
    series: str
    signal: str | None
    kind: str
    bounds: list[float] | None
    counts: list[int]
    low: float | None
    high: float | None
    scale: int
    zero: int
    positive_offset: int
    positive: list[int]
    negative_offset: int
    negative: list[int]


class _Category(NamedTuple):
    """A row of `_CATEGORIES`."""

    early: bool
    delta: bool
    series: str
    signal: str | None
    reference: str | None
    category: str
    value: float


_P = TypeVar("_P", _Point, _Category)


def read_trace(ask: Ask, trace_id: str | None = None) -> tuple[str, list[Bar]]:
    """A trace's full id and its spans: the trace whose id begins with `trace_id`, or the last one that began.

    `LookupError` when there is none.
    """
    found = ask(
        "SELECT trace_id FROM traces WHERE starts_with(trace_id, ?) ORDER BY start_ns DESC NULLS LAST LIMIT 1",
        [(trace_id or "").lower()],
    )
    if not found:
        raise LookupError(f"no trace begins with {trace_id}" if trace_id else "no trace has arrived yet")
    return found[0][0], [Bar(*row) for row in ask(_TRACE, [found[0][0]])]


def read_histograms(
    ask: Ask, feature: str, *, signal: str | None = None, split_ns: int | None = None
) -> tuple[Buckets, Buckets]:
    """The values of `feature` counted until `split_ns` and after it, over all worker processes.

    Without a split: halfway through the time in which it was seen. Without a signal (input, feature, prediction,
    label): the one last seen. Where explicit bounds changed on the way, only what was counted with the last ones.
    `LookupError` when no histogram of that feature has arrived.
    """
    points = [_Point(*row) for row in ask(_POINTS, [semconv.FEATURE_VALUE.name, feature, split_ns, signal])]
    if not points:
        raise LookupError(f"no histogram of a feature named {feature!r} has arrived")
    newest = points[0]
    points = [
        point
        for point in points
        if (point.signal, point.kind, point.bounds) == (newest.signal, newest.kind, newest.bounds)
    ]
    combine = _explicit if newest.kind == "histogram" else _exponential
    early, late, counted = _sides(points)
    return combine(early, []), combine(late, counted)


def read_categories(
    ask: Ask, feature: str, *, signal: str | None = None, split_ns: int | None = None
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """The values of the categorical `feature` by category, likewise; where the reference changed on the way, only what
    was counted against the last one.

    `LookupError` when none has arrived.
    """
    points = [_Category(*row) for row in ask(_CATEGORIES, [semconv.FEATURE_CATEGORY.name, feature, split_ns, signal])]
    if not points:
        raise LookupError(f"nothing of a feature named {feature!r} has arrived")
    newest = (points[0].signal, points[0].reference)
    early, late, counted = _sides([point for point in points if (point.signal, point.reference) == newest])
    return _counts(early, []), _counts(late, counted)


def _sides(points: Sequence[_P]) -> tuple[list[_P], list[_P], list[_P]]:
    """Those until the split, those after it, and of the former what cumulative series of the latter still count."""
    early = [point for point in points if point.early]
    late = [point for point in points if not point.early]
    continued = {point.series for point in late}
    return early, late, [point for point in early if not point.delta and point.series in continued]


def _counts(points: Sequence[_Category], minus: Sequence[_Category]) -> Mapping[str, float]:
    counts: defaultdict[str, float] = defaultdict(float)
    for sign, side in ((1, points), (-1, minus)):
        for point in side:
            counts[point.category] += sign * point.value
    return counts


def _explicit(points: Sequence[_Point], minus: Sequence[_Point]) -> Buckets:
    bounds = next((point.bounds for point in points if point.bounds), [0.0])
    counts = [0] * (len(bounds) + 1)
    for sign, side in ((1, points), (-1, minus)):
        for point in side:
            for index, count in enumerate(point.counts):
                counts[index] += sign * count
    low = min((point.low for point in points if point.low is not None), default=None)
    high = max((point.high for point in points if point.high is not None), default=None)
    return Buckets.explicit(bounds, counts, low, high)


def _exponential(points: Sequence[_Point], minus: Sequence[_Point]) -> Buckets:
    return _total(points).since(_total(minus)).buckets()


def _total(points: Sequence[_Point]) -> Exponential:
    return Exponential.total_of(
        Exponential.from_arrays(
            point.scale,
            point.zero,
            (point.positive_offset, point.positive),
            (point.negative_offset, point.negative),
        )
        for point in points
    )
