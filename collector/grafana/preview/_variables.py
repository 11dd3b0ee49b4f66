"""The variables of a dashboard, in its order: what there is to choose from, and what is chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collector.grafana.preview import _elasticsearch, _prometheus
from collector.grafana.preview._formats import Chosen
from collector.grafana.preview._intervals import Window
from collector.grafana.preview._model import Dashboard
from collector.grafana.preview._sources import Sources

__all__ = ["Variable", "resolve"]

_ALL: Final = "$__all"
Wanted = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Variable:
    """One variable: its options, in order, what is chosen of them, and why there are none, if its query failed."""

    name: str
    options: tuple[str, ...]
    chosen: Chosen
    error: str = ""


def resolve(dashboard: Dashboard, wanted: Wanted, window: Window, sources: Sources) -> dict[str, Variable]:
    """All variables, as Grafana finds them when the dashboard is opened with `wanted` in its URL.

    Each may depend on those before it. What is not wanted is the dashboard's own choice if that is among the options,
    else the first of them.
    """
    found: dict[str, Variable] = {}
    for document in dashboard.variables:
        scope = {name: variable.chosen for name, variable in found.items()}
        name, options, error = document["name"], [], ""
        try:
            options = _ordered(_options(document, scope, window, sources), document)
        except (OSError, LookupError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        found[name] = Variable(name, tuple(options), _choice(document, options, wanted.get(name)), error)
    return found


def _options(document: Mapping[str, Any], scope: Mapping[str, Chosen], window: Window, sources: Sources) -> list[str]:
    kind, query = document["type"], document.get("query") or ""
    if kind == "custom":
        parts = re.findall(r"((?:\\,|[^,])+)", query)
        return [part.replace("\\,", ",").strip().rpartition(" : ")[2].strip() for part in parts]
    if kind == "interval":
        return [part.strip() for part in query.split(",") if part.strip() != "auto"]
    if kind in ("constant", "textbox"):
        return [query]
    if kind == "datasource":
        return [query]
    if kind != "query":
        raise ValueError(f"a variable of type {kind!r}")
    text = query if isinstance(query, str) else query.get("query", "")
    source = document["datasource"]["type"]
    if source == "prometheus":
        return _prometheus.choices(text, scope, window, sources)
    if source == "elasticsearch":
        return _elasticsearch.choices(text if isinstance(query, str) else json.dumps(query), scope, window, sources)
    raise ValueError(f"a variable from a data source of type {source!r}")


def _ordered(options: list[str], document: Mapping[str, Any]) -> list[str]:
    pattern = (document.get("regex") or "").strip("/")
    if pattern:
        matches = (re.search(pattern, option) for option in options)
        options = [match[1] if match.re.groups else match.string for match in matches if match]
    sort = document.get("sort") or 0
    keys: dict[int, Callable[[str], Any]] = {1: str, 3: _number, 5: str.lower, 7: _natural}
    if sort:
        options = sorted(options, key=keys[sort - (sort + 1) % 2], reverse=sort % 2 == 0)
    return list(dict.fromkeys(options))


def _number(text: str) -> float:
    match = re.search(r"\d+(?:\.\d+)?", text)
    return float(match[0]) if match else -1.0


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"(\d+)", text)]


def _choice(document: Mapping[str, Any], options: Sequence[str], wanted: str | Sequence[str] | None) -> Chosen:
    name, several, everything = document["name"], bool(document.get("multi")), bool(document.get("includeAll"))
    value: Any = wanted
    if value is None:
        value = (document.get("current") or {}).get("value")
        picked = [value] if isinstance(value, str) else list(value or ())
        if not picked or not all(one in options or (one == _ALL and everything) for one in picked):
            value = options[0] if options else _ALL if everything else ""
    listed = [value] if isinstance(value, str) else list(value)
    escaped = several or everything
    if _ALL in listed:
        literal = document.get("allValue") or None
        return Chosen(name, tuple(options), escaped, literal)
    if several:
        return Chosen(name, tuple(one for one in listed if one), escaped)
    return Chosen(name, listed[0], escaped)
