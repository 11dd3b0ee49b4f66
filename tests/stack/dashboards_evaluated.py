"""Queries of the dashboards over series that are written down, by Prometheus' own `promtool`: hours in seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bento_observe.stack._assets import collector_dir
from collector.grafana.preview import Dashboard, load
from collector.grafana.preview._formats import Chosen, prometheus, replace

__all__ = ["RULES", "Check", "evaluate", "newest", "query"]

RULES: Final = collector_dir() / "prometheus" / "rules"
_OF_GRAFANA: Final = {"__rate_interval": "240s", "__range": "6h"}


@dataclass(frozen=True)
class Check:
    """What an expression has to be at a minute: by labels, written as in PromQL, a value. Nothing is no series."""

    minute: float
    expr: str
    expected: Mapping[str, float]


def query(board: str, title: str, ref: str = "A", **wanted: str) -> str:
    """An expression of a panel with variables put in: those that are not `wanted` are at All, or the first option."""
    dashboard = _load(board)
    (panel,) = [panel for panel in dashboard.panels if panel.title == title and panel.queries]
    (target,) = [query for query in panel.queries if query.ref == ref]
    return _put_in(dashboard, target.body["expr"], wanted)


def newest(board: str, **wanted: str) -> str:
    """What the variable `reference` is chosen from: the first of what this gives."""
    dashboard = _load(board)
    (variable,) = [variable for variable in dashboard.variables if variable["name"] == "reference"]
    text = variable["query"]["query"]
    assert text.startswith("query_result(")
    return _put_in(dashboard, text.removeprefix("query_result(").removesuffix(")"), wanted)


def evaluate(
    promtool: Path, folder: Path, series: Mapping[str, str], checks: Sequence[Check], rules: Sequence[str] = ()
) -> str:
    """Evaluates `checks` over `series`, a sample a minute in promtool's notation, with these files of rules.

    Returns:
        What is wrong; nothing is the empty string.
    """
    document = {
        "rule_files": [str(RULES / name) for name in rules],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": check.expr,
                        "eval_time": f"{60 * check.minute:.0f}s",
                        "exp_samples": [{"labels": key, "value": value} for key, value in check.expected.items()],
                    }
                    for check in checks
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = subprocess.run(
        [str(promtool), "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def _load(board: str) -> Dashboard:
    return load(collector_dir() / "grafana" / "dashboards" / f"{board}.json")


def _put_in(dashboard: Dashboard, text: str, wanted: Mapping[str, str]) -> str:
    scope = {name: Chosen(name, value) for name, value in _OF_GRAFANA.items()}
    for variable in dashboard.variables:
        scope[variable["name"]] = _chosen(variable, wanted.get(variable["name"]))
    return replace(text, scope, prometheus)


def _chosen(variable: Mapping[str, Any], value: str | None) -> Chosen:
    if value is None and variable["type"] == "custom":
        return Chosen(variable["name"], variable["query"].split(",")[0])
    return Chosen(variable["name"], value or "", literal=variable.get("allValue") if value is None else None)
