"""What panels ask Prometheus for, and how Grafana lays out the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import prometheus as prometheus_query
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import dashboard, prometheus
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from collector.grafana.look import Look, Panel, Query, finished
from collector.grafana.sources import PROMETHEUS

__all__ = ["as_of_now", "asking", "organised", "over_time"]


def asking(panel: dashboard.Panel, look: Look, targets: Sequence[Any]) -> Panel:
    """`panel` with `targets` for its queries, A, B, C, ..., and with all that `look` says."""
    built: list[variants.Dataquery] = []
    for letter, target in zip("ABCDEFGHIJKLMN", targets, strict=False):
        made = target.build()
        made.ref_id = letter
        built.append(made)
    panel.targets = built
    return finished(panel, look, PROMETHEUS)


def over_time(query: Query) -> prometheus_query.Dataquery:
    """The values of a query at each step."""
    return (
        prometheus_query.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend or "__auto")
        .range()
        .exemplar(query.exemplar)
        .editor_mode(prometheus.QueryEditorMode.CODE)
        .format(prometheus.PromQueryFormat.TIME_SERIES)
        .datasource(PROMETHEUS)
    )


def as_of_now(query: Query, form: prometheus.PromQueryFormat) -> prometheus_query.Dataquery:
    """Its values at the end of the time that is shown."""
    return over_time(query).instant().exemplar(False).format(form)


def organised(columns: dict[str, str], hidden: Sequence[str] = ()) -> DataTransformerConfig:
    """Fields in the order of `columns`, called as these say; those that are `hidden` are left out."""
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(hidden, True),
            "indexByName": {name: position for position, name in enumerate(columns)},
            "renameByName": {old: new for old, new in columns.items() if old != new},
        },
    )
