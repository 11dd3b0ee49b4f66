"""The generated dashboards as JSON, and their queries with variables put in, as Grafana puts them in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "collector" / "grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}

# Not `$1`, which is PromQL's: Grafana leaves what it has no variable for.
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!\d)(\w+)")
_OF_GRAFANA = {"__rate_interval": "4m", "__range": "6h"}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All panels but the rows' titles."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is asked of Prometheus, with where: panels, annotations, variables."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            if "expr" in target:
                yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], selector_of(variable)


def selector_of(variable: Mapping[str, Any]) -> str:
    """The series whose label a variable lists, or the query whose answer it is made of."""
    result = re.match(r"^query_result\((.+)\)\s*$", variable["query"]["query"])
    return result[1] if result else label_values(variable)[0]


def label_values(variable: Mapping[str, Any]) -> tuple[str, str]:
    """Selector and label of `label_values(selector, label)`, taken apart as Grafana's data source does."""
    match = re.match(r"^label_values\((?:(.+),\s*)?([a-zA-Z_$][a-zA-Z0-9_]*)\)\s*$", variable["query"]["query"])
    assert match is not None, variable["query"]
    return match[1], match[2]


def used(text: str) -> set[str]:
    """The dashboard's own variables in a text."""
    return {match[1] or match[3] for match in _VARIABLE.finditer(text)} - _OF_GRAFANA.keys()


def put_in(text: str, values: Mapping[str, str | list[str]], everything: Mapping[str, str]) -> str:
    """`text` with variables replaced as Grafana does it in a query.

    Args:
        text: With `${name:regex}`, `${name:raw}`, `${name}`.
        values: What is chosen of each variable; several values as a list.
        everything: What "All" stands for, of variables that are not in `values`: it is put in as it stands.
    """

    def replaced(match: re.Match[str]) -> str:
        name, form = match[1] or match[3], match[2]
        if name in _OF_GRAFANA:
            return _OF_GRAFANA[name]
        if name not in values:
            return everything[name]
        chosen = values[name]
        if form == "regex":
            escaped = [escape_regex(value) for value in ([chosen] if isinstance(chosen, str) else chosen)]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        assert isinstance(chosen, str), f"{name} is no single value"
        assert form in (None, "raw"), form
        return chosen

    return _VARIABLE.sub(replaced, text)


def escape_regex(value: str) -> str:
    """`escapeRegex` of @grafana/data, which the format `regex` is."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value)


def everything(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """What "All" stands for in each variable that has it, and the first option of one with fixed ones."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "custom":
            found[variable["name"]] = variable["options"][0]["value"]
        elif variable["includeAll"]:
            found[variable["name"]] = variable["allValue"]
        else:
            found[variable["name"]] = "some"
    return found
