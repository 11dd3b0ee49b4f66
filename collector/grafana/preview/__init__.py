"""Grafana's dashboards without Grafana: their queries on the real servers, and pictures of what they show.

`run` opens a dashboard: it finds the variables' values, writes them into the queries as Grafana's data sources do, and
asks Prometheus, Elasticsearch and Jaeger. Tests go by its answers; `python -m collector.grafana.preview` draws them.
"""

from __future__ import annotations

from collector.grafana.preview._answers import Answer, Series
from collector.grafana.preview._intervals import Window
from collector.grafana.preview._model import Dashboard, Panel, Query, load
from collector.grafana.preview._rules import not_since
from collector.grafana.preview._run import Run, Shown, run
from collector.grafana.preview._sources import Sources, ask
from collector.grafana.preview._units import known_unit
from collector.grafana.preview._variables import Variable

__all__ = [
    "Answer",
    "Dashboard",
    "Panel",
    "Query",
    "Run",
    "Series",
    "Shown",
    "Sources",
    "Variable",
    "Window",
    "ask",
    "known_unit",
    "load",
    "not_since",
    "run",
]
