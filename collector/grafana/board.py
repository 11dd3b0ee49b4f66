"""A dashboard: rows of panels, with the variables, links and annotations that all five have in the same form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from bento_observe import semconv
from collector.grafana import names
from collector.grafana.expectations import Traffic
from collector.grafana.look import Panel
from collector.grafana.promql import legend, select
from collector.grafana.sources import PROMETHEUS
from collector.grafana.variables import labels_of, variables

__all__ = ["TAG", "Board"]

TAG: Final = "bento-observe"


@dataclass(frozen=True)
class Board:
    """A dashboard.

    Attributes:
        file: the name of its file, without `.json`; with the tag before it, its uid.
        title: what Grafana lists it under.
        shows: what it answers.
        chosen: its variables.
        rows: of each a title and its panels, from the left.
        since: how far back it looks at first.
    """

    file: str
    title: str
    shows: str
    chosen: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Panel]]]
    since: str = "now-3h"

    @property
    def uid(self) -> str:
        return f"{TAG}-{self.file}"

    def traffic(self) -> dict[str, Traffic]:
        """By the title of each panel with queries, what fills it.

        Raises:
            ValueError: two panels have the same title.
        """
        found: dict[str, Traffic] = {}
        for _, panels in self.rows:
            for panel in panels:
                title = panel.model.title or ""
                if title in found:
                    raise ValueError(f"{self.uid} has two panels {title!r}")
                if panel.traffic is not None:
                    found[title] = panel.traffic
        return found

    def model(self) -> dashboard.Dashboard:
        """All of it, as the SDK's type."""
        made = (
            Dashboard(self.title)
            .uid(self.uid)
            .description(self.shows)
            .tags([TAG])
            .editable()
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .timezone("browser")
            .refresh("1m")
            .variables(variables(*self.chosen))
            .annotations([_versions(), *([_references()] if "model" in self.chosen else [])])
            .links([_others()])
        )
        number = 0
        for title, panels in self.rows:
            number += 1
            made = made.with_row(Row(title).id(number))
            for panel in panels:
                number += 1
                panel.model.id_val = number
                made = made.with_panel(_Built(panel.model))
        return made.build()

    def document(self) -> str:
        """The file."""
        return json.dumps(self.model(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


class _Built(Builder[dashboard.Panel]):
    """A panel that is made already, for the builder of a dashboard."""

    def __init__(self, panel: dashboard.Panel) -> None:
        self._panel = panel

    def build(self) -> dashboard.Panel:
        return self._panel


class Annotation(dashboard.AnnotationQuery):
    """Marks in time out of a Prometheus query: where it has a value above 0.

    The SDK's type lacks what the Prometheus data source reads: `titleFormat` and `textFormat`, and `target` in the form
    of a query, which newer versions take instead of `expr`.
    """

    def __init__(self, name: str, color: str, expr: str, title: str) -> None:
        super().__init__(name=name, datasource=PROMETHEUS, enable=True, hide=False, icon_color=color, expr=expr)
        self._title = title

    def to_json(self) -> dict[str, object]:
        made = super().to_json()
        target: dict[str, Any] = {
            "refId": "Anno",
            "expr": self.expr,
            "interval": "60s",
            "range": True,
            "instant": False,
        }
        return made | {"titleFormat": self.name, "textFormat": self._title, "step": "60s", "target": target}


class _Annotated(Builder[dashboard.AnnotationQuery]):
    def __init__(self, made: Annotation) -> None:
        self._made = made

    def build(self) -> dashboard.AnnotationQuery:
        return self._made


def _appeared(series: str, label: str) -> str:
    """The values of `label` that were not there five minutes before."""
    seen = f"count by ({label}) ({series})"
    before = f"count by ({label}) ({series} offset 5m)"
    return f"{seen} unless {before}"


def _versions() -> _Annotated:
    series = select(names.name(semconv.PROCESS_MEMORY_USAGE), f'{names.VERSION}!=""')
    return _Annotated(
        Annotation("Version", "blue", _appeared(series, names.VERSION), f"version {legend(names.VERSION)}")
    )


def _references() -> _Annotated:
    series = select(names.name(semconv.FEATURE_REFERENCE_COUNT), labels_of("model", "api"))
    return _Annotated(
        Annotation("Reference", "purple", _appeared(series, names.REFERENCE), f"reference {legend(names.REFERENCE)}")
    )


def _others() -> DashboardLink:
    return (
        DashboardLink("bento-observe")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
        .target_blank(False)
        .tooltip("The other dashboards, for the same service and time")
    )
