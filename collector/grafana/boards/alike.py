"""Distributions of predictions, each of one reference: buckets that differ cannot be added up.

Two references of a prediction, as around a deployment, have bounds of their own, and so have two predictions. Where
several are chosen, what is shown is the one with the most values, of those that a worker still has; the dashboard of a
feature lets one choose.
"""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.boards import common
from collector.grafana.promql import by, either, feature, increase, rate

__all__ = ["categories", "heat", "quantile", "values"]

Chosen = tuple[str, ...]
_KEY: Final = (names.FEATURE, names.REFERENCE)
_ALL: Final = f'{names.LE}="+Inf"'


def values(*matchers: str, chosen: Chosen) -> tuple[str, str]:
    """The share of the values within the window up to each bound, and that of the training data."""
    counted = _in_window(_buckets(*matchers, _ALL, chosen=chosen))
    now = common.value_shares(*matchers, chosen=chosen, apart=_KEY)
    training = common.training_values(*matchers, chosen=chosen, apart=_KEY)
    return _of_most(now, counted, names.LE), _of_most(training, counted, names.LE)


def categories(*matchers: str, chosen: Chosen) -> tuple[str, str]:
    """The share of each category among the values within the window, and in the training data."""
    series = feature(names.name(semconv.FEATURE_CATEGORY), common.PRESENT, *matchers, chosen=chosen)
    counted = _in_window(series)
    now = common.category_shares(*matchers, chosen=chosen, apart=_KEY)
    training = common.training_shares(*matchers, chosen=chosen, apart=_KEY)
    return _of_most(now, counted, names.CATEGORY), _of_most(training, counted, names.CATEGORY)


def quantile(q: float, *matchers: str, chosen: Chosen) -> str:
    """Of explicit buckets where there are any, at each moment those with the most values; else of native ones."""
    counts = rate(_buckets(*matchers, chosen=chosen), names.LE, *_KEY)
    counted = rate(_buckets(*matchers, _ALL, chosen=chosen), *_KEY)
    native = rate(feature(names.name(semconv.FEATURE_VALUE), *matchers, chosen=chosen))
    return f"histogram_quantile({q}, {either(_of_most(counts, counted, names.LE), native)})"


def heat(*matchers: str, chosen: Chosen) -> str:
    """The same buckets, how many values came into each."""
    counts = increase(_buckets(*matchers, chosen=chosen), names.LE, *_KEY)
    counted = increase(_buckets(*matchers, _ALL, chosen=chosen), *_KEY)
    native = increase(feature(names.name(semconv.FEATURE_VALUE), *matchers, chosen=chosen))
    return either(_of_most(counts, counted, names.LE), native)


def _buckets(*matchers: str, chosen: Chosen) -> str:
    return feature(names.bucket(semconv.FEATURE_VALUE), *matchers, chosen=chosen)


def _in_window(selector: str) -> str:
    """How many values each has within the window; of those in use, if any are: training is told of these alone."""
    counted = increase(selector, *_KEY, window=common.WINDOW)
    return either(f"{counted} and on ({', '.join(_KEY)}) {selector}", counted)


def _of_most(expr: str, counted: str, label: str) -> str:
    """`expr`, which has the labels of a distribution and `label`, of the distribution of which most are `counted`."""
    return f"sum{by(label)} ({expr}\nand on ({', '.join(_KEY)}) topk(1, {counted}))"
