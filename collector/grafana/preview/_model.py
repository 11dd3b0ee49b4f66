"""A dashboard's JSON, as far as it is needed to run and to draw it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Dashboard", "Panel", "Query", "load"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """One target of a panel, one annotation, or the query of a variable.

    `source` is the type of its data source (prometheus, elasticsearch, jaeger), `body` the target's JSON.
    """

    ref: str
    source: str
    body: Json


@dataclass(frozen=True)
class Panel:
    """One panel. `grid` is x, y, width and height in units of Grafana's grid, 24 wide; `repeat` a variable's name."""

    id: int
    title: str
    kind: str
    grid: tuple[int, int, int, int]
    queries: tuple[Query, ...]
    json: Json
    repeat: str = ""

    @property
    def defaults(self) -> Json:
        """What holds for all fields: unit, thresholds, mappings, decimals."""
        found: Json = self.json.get("fieldConfig", {}).get("defaults", {})
        return found

    @property
    def overrides(self) -> Sequence[Json]:
        """What holds for some fields."""
        found: Sequence[Json] = self.json.get("fieldConfig", {}).get("overrides", ())
        return found

    @property
    def units(self) -> tuple[str, ...]:
        """All units that its fields are shown in."""
        own = [self.defaults["unit"]] if self.defaults.get("unit") else []
        properties = [each for override in self.overrides for each in override.get("properties", ())]
        return (*own, *(each["value"] for each in properties if each.get("id") == "unit"))


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `variables` and `annotations` are their JSON, in its order."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Json, ...]
    annotations: tuple[Query, ...]


def load(source: Path | Json) -> Dashboard:
    """The dashboard of a file, or of its JSON."""
    document: Json = json.loads(source.read_text(encoding="utf-8")) if isinstance(source, Path) else source
    return Dashboard(
        uid=document["uid"],
        title=document["title"],
        panels=tuple(_panels(document.get("panels", ()))),
        variables=tuple(document.get("templating", {}).get("list", ())),
        annotations=tuple(_annotations(document.get("annotations", {}).get("list", ()))),
    )


def _panels(panels: Sequence[Json]) -> Iterator[Panel]:
    for panel in panels:
        grid = panel["gridPos"]
        yield Panel(
            id=int(panel["id"]),
            title=panel.get("title", ""),
            kind=panel["type"],
            grid=(grid["x"], grid["y"], grid["w"], grid["h"]),
            queries=tuple(_queries(panel)),
            json=panel,
            repeat=panel.get("repeat") or "",
        )
        # The panels of a row that is folded lie within it.
        yield from _panels(panel.get("panels", ()))


def _queries(panel: Json) -> Iterator[Query]:
    for target in panel.get("targets", ()):
        if not target.get("hide"):
            yield Query(target["refId"], _type(target.get("datasource") or panel.get("datasource")), target)


def _annotations(annotations: Sequence[Json]) -> Iterator[Query]:
    for annotation in annotations:
        if not annotation.get("builtIn") and annotation.get("enable", True):
            body = {**annotation, **(annotation.get("target") or {})}
            yield Query(annotation["name"], _type(annotation.get("datasource")), body)


def _type(datasource: Json | None) -> str:
    return str((datasource or {}).get("type", ""))
