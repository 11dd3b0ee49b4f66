"""Runs everything that a dashboard asks for, as Grafana would with the dashboard open."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from collector.grafana.preview import _elasticsearch, _formats, _jaeger, _prometheus
from collector.grafana.preview._answers import Answer
from collector.grafana.preview._formats import Chosen
from collector.grafana.preview._intervals import Intervals, Window, intervals
from collector.grafana.preview._model import Dashboard, Panel, Query
from collector.grafana.preview._sources import Sources
from collector.grafana.preview._variables import Variable, Wanted, resolve

__all__ = ["Run", "Shown", "run"]

_PIXELS_A_COLUMN = 50
"""Of a panel on a screen, which is how many points its series have at most; Grafana's grid has 24 columns."""


@dataclass(frozen=True)
class Shown:
    """A panel with the answers to its queries, in their order. `title` has its variables replaced."""

    panel: Panel
    title: str
    answers: tuple[Answer, ...]

    @property
    def has_data(self) -> bool:
        """Whether any query of it brought something."""
        return any(answer.has_data for answer in self.answers)


@dataclass(frozen=True)
class Run:
    """A dashboard with all that was answered, the variables as they were chosen, and the time it shows."""

    dashboard: Dashboard
    window: Window
    variables: Mapping[str, Variable]
    panels: tuple[Shown, ...]
    annotations: tuple[Answer, ...]

    @property
    def seconds(self) -> float:
        """How long all queries took, one after the other."""
        return sum(answer.seconds for shown in self.panels for answer in shown.answers) + sum(
            answer.seconds for answer in self.annotations
        )


def run(dashboard: Dashboard, sources: Sources, window: Window, wanted: Wanted | None = None) -> Run:
    """Open `dashboard` at `window` with the variables `wanted`; whatever a query fails with is in its answer."""
    variables = resolve(dashboard, wanted or {}, window, sources)
    scope = {name: variable.chosen for name, variable in variables.items()}
    panels = []
    for panel, within in _repeated(dashboard.panels, scope):
        points = int(panel.json.get("maxDataPoints") or _PIXELS_A_COLUMN * panel.grid[2])
        least = panel.json.get("interval") or ""
        answers = [_answer(query, within, window, sources, points, least) for query in panel.queries]
        panels.append(Shown(panel, _formats.replace(panel.title, within, _formats.plain), tuple(answers)))
    annotations = [_answer(query, scope, window, sources, 24 * _PIXELS_A_COLUMN, "") for query in dashboard.annotations]
    return Run(dashboard, window, variables, tuple(panels), tuple(annotations))


def _repeated(panels: tuple[Panel, ...], scope: Mapping[str, Chosen]) -> Iterator[tuple[Panel, Mapping[str, Chosen]]]:
    for panel in panels:
        chosen = scope.get(panel.repeat)
        if chosen is None:
            yield panel, scope
            continue
        for value in (chosen.value,) if isinstance(chosen.value, str) else chosen.value:
            yield panel, {**scope, panel.repeat: Chosen(panel.repeat, value, chosen.escaped)}


def _answer(
    query: Query, scope: Mapping[str, Chosen], window: Window, sources: Sources, points: int, least: str
) -> Answer:
    began = time.perf_counter()
    try:
        steps = intervals(
            window, points, panel=least, query=query.body.get("interval") or query.body.get("step") or "",
            source=sources.interval,
        )  # fmt: skip
        answer = _ask(query, scope, steps, window, sources)
    except (OSError, LookupError, ValueError) as failure:
        text = str(query.body.get("expr") or query.body.get("query") or "")
        answer = Answer(query.ref, text, error=f"{type(failure).__name__}: {failure}")
    return replace(answer, seconds=time.perf_counter() - began)


def _ask(query: Query, scope: Mapping[str, Chosen], steps: Intervals, window: Window, sources: Sources) -> Answer:
    if query.source == "prometheus":
        return _prometheus.run(query, scope, steps, window, sources)
    if query.source == "elasticsearch":
        return _elasticsearch.run(query, scope, steps, window, sources)
    if query.source == "jaeger":
        return _jaeger.run(query, scope, window, sources)
    raise ValueError(f"a data source of type {query.source!r}")
