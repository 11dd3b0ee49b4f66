"""Prometheus' targets: as an instant query or a range query, with exemplars where they are asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from collector.grafana.names import OPTIONAL
from collector.grafana.preview._answers import Answer, Series
from collector.grafana.preview._formats import Chosen, plain, prometheus, replace
from collector.grafana.preview._intervals import Intervals, Window, intervals
from collector.grafana.preview._model import Query
from collector.grafana.preview._sources import Sources, ask

__all__ = ["choices", "run"]

_LABEL: Final = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_LABEL_VALUES: Final = re.compile(r"label_values\((?:(.+),\s*)?([a-zA-Z_][a-zA-Z0-9_]*)\)\s*", re.DOTALL)
_QUERY_RESULT: Final = re.compile(r"query_result\((.+)\)\s*", re.DOTALL)
_AUTO: Final = "__auto"
_POINTS: Final = 1000
"""Of no matter to a variable, which may speak of the time that is shown."""


def run(query: Query, scope: Mapping[str, Chosen], steps: Intervals, window: Window, sources: Sources) -> Answer:
    """The answer to a target.

    Raises:
        OSError: Prometheus refuses the query, or does not answer.
        LookupError, ValueError: the query cannot be written.
    """
    body = query.body
    text = replace(body["expr"], {**scope, **steps.scope(window)}, prometheus)
    legend = replace(body.get("legendFormat") or "", scope, plain)
    asked = [("query", text)]
    exemplars: tuple[Mapping[str, Any], ...] = ()
    if body.get("instant"):
        data = _post(sources, "query", [*asked, ("time", f"{window.end:.3f}")])
    else:
        # Both ends are rounded down to a multiple of the step, so that the same points are asked for again and again.
        ends = [math.floor(moment / steps.step) * steps.step for moment in (window.start, window.end)]
        times = [("start", f"{ends[0]:.3f}"), ("end", f"{ends[1]:.3f}"), ("step", f"{steps.step:g}")]
        data = _post(sources, "query_range", [*asked, *times])
    if body.get("exemplar"):
        found = _post(
            sources, "query_exemplars", [*asked, ("start", f"{window.start:.3f}"), ("end", f"{window.end:.3f}")]
        )
        exemplars = tuple({**one, "series": each["seriesLabels"]} for each in found for one in each["exemplars"])
    series = tuple(_series(data, legend))
    # A native histogram is drawn by its own buckets, under no name.
    named = [one for one in series if not one.histograms]
    unresolved = {label for one in named for label in _LABEL.findall(legend) if label not in one.labels}
    missing = tuple(sorted(unresolved - OPTIONAL))
    return Answer(query.ref, text, series=series, exemplars=exemplars, unresolved=missing)


def choices(text: str, scope: Mapping[str, Chosen], window: Window, sources: Sources) -> list[str]:
    """What the query of a variable gives: `label_values(...)` or `query_result(...)`; errors are those of `run`."""
    written = replace(text, {**scope, **intervals(window, _POINTS).scope(window)}, prometheus)
    if match := _LABEL_VALUES.fullmatch(written):
        selector, label = match.groups()
        times = [("start", f"{window.start:.3f}"), ("end", f"{window.end:.3f}")]
        selected = [("match[]", selector)] if selector and selector.replace(" ", "") != "{}" else []
        found = ask(f"{sources.prometheus}/api/v1/label/{label}/values", [*selected, *times])["data"]
        return [str(value) for value in found]
    if match := _QUERY_RESULT.fullmatch(written):
        data = _post(sources, "query", [("query", match[1]), ("time", f"{window.end:.3f}")])
        return [_sample(one) for one in data["result"]]
    raise ValueError(f"{written!r} is neither label_values(...) nor query_result(...)")


def _post(sources: Sources, path: str, fields: list[tuple[str, str]]) -> Any:
    return ask(f"{sources.prometheus}/api/v1/{path}", fields, method="POST")["data"]


def _series(data: Mapping[str, Any], legend: str) -> Iterator[Series]:
    if data["resultType"] == "scalar":
        moment, value = data["result"]
        yield Series(legend or "scalar", {}, np.array([moment], float), np.array([value], float))
        return
    for one in data["result"]:
        labels = one["metric"]
        points = one["values"] if "values" in one else [one["value"]] if "value" in one else []
        native = one["histograms"] if "histograms" in one else [one["histogram"]] if "histogram" in one else []
        yield Series(
            _name(labels, legend),
            labels,
            np.array([moment for moment, _ in points or native], float),
            np.array([value for _, value in points], float),
            tuple(_buckets(histogram) for _, histogram in native),
        )


def _name(labels: Mapping[str, str], legend: str) -> str:
    if legend and legend != _AUTO:
        return _LABEL.sub(lambda match: labels.get(match[1], ""), legend).strip()
    inside = ", ".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}"


def _buckets(histogram: Mapping[str, Any]) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(low), float(high), float(count)) for _, low, high, count in histogram.get("buckets", ()))


def _sample(one: Mapping[str, Any]) -> str:
    labels = dict(one["metric"])
    name = labels.pop("__name__", "")
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    moment, value = one["value"]
    return f"{name}{{{inside}}} {value} {1000 * moment:.0f}"
