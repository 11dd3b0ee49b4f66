"""What the transformations of a panel make of its answers: the rows of a table, the columns of a bar chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

from collector.grafana.preview._answers import Series
from collector.grafana.preview._model import Panel
from collector.grafana.preview._run import Shown

__all__ = ["bounded", "joined", "moment", "side_by_side"]

Options = Mapping[str, Any]
Row = dict[str, Any]


def joined(shown: Shown) -> list[Row]:
    """Rows of all answers with the same labels, or a matrix of them, with the columns that the panel names."""
    renaming = _options(shown.panel, "organize")
    hidden = {"Time": True, **(renaming.get("excludeByName") or {})}
    order = renaming.get("indexByName") or {}
    renamed = renaming.get("renameByName") or {}
    matrix = _options(shown.panel, "groupingToMatrix")
    rows = _matrix(shown, matrix) if matrix else _rows(shown)
    fields = sorted({name: None for row in rows for name in row}, key=lambda name: order.get(name, len(order)))
    fields = [name for name in fields if not hidden.get(name)]
    return [{renamed.get(name, name): row.get(name, "") for name in fields} for row in rows]


def side_by_side(shown: Shown) -> tuple[Mapping[str, npt.NDArray[np.float64]], list[str]]:
    """Of two or more distributions the values by their title, and what each value is called, in the panel's order."""
    field = (shown.panel.json.get("options") or {}).get("xField")
    titles: Mapping[str, str] = _options(shown.panel, "organize").get("renameByName") or {}
    wanted = list(dict.fromkeys(name for name in titles.values() if name != field))
    wanted = wanted or [answer.ref for answer in shown.answers]
    found: dict[str, dict[str, float]] = {}
    for position, answer in enumerate(shown.answers):
        title = wanted[min(position, len(wanted) - 1)]
        found[title] = _between(answer.series) if bounded(shown) else _by_label(answer.series, field)
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    if bounded(shown):
        names.sort(key=float)
    for order in _options(shown.panel, "sortBy").get("sort") or ():
        names.sort(reverse=bool(order.get("desc")))
        if by := found.get(order["field"]):
            names.sort(key=lambda name, by=by: by.get(name, 0.0), reverse=bool(order.get("desc")))  # type: ignore[misc]
    return {title: np.array([values.get(name, 0.0) for name in names]) for title, values in found.items()}, names


def bounded(shown: Shown) -> bool:
    """Whether the values of a bar chart are called by the upper bounds of buckets."""
    return bool(shown.panel.queries[0].body.get("format") == "heatmap")


def moment(stamp: Any) -> str:
    """Time of day, of milliseconds since the epoch or of a date as text."""
    try:
        return datetime.fromtimestamp(float(stamp) / 1000, timezone.utc).strftime("%H:%M:%S.%f")[:-3]
    except (TypeError, ValueError):
        return str(stamp)[11:23]


def _options(panel: Panel, kind: str) -> Options:
    """Those of the last transformation of a kind; empty where there is none."""
    found: Options = {}
    for each in panel.json.get("transformations") or ():
        if each["id"] == kind:
            found = each["options"]
    return found


def _rows(shown: Shown) -> list[Row]:
    rows: dict[tuple[tuple[str, str], ...], Row] = {}
    several = len(shown.answers) > 1
    for answer in shown.answers:
        for one in answer.series:
            row = rows.setdefault(tuple(sorted(one.labels.items())), dict(one.labels))
            row[f"Value #{answer.ref}" if several else "Value"] = one.last
        for document in answer.rows:
            rows[(("", str(len(rows))),)] = _document(document)
    return list(rows.values())


def _matrix(shown: Shown, options: Options) -> list[Row]:
    row, column = options["rowField"], options["columnField"]
    corner = f"{row}\\{column}"
    rows: dict[str, Row] = {}
    series = [one for answer in shown.answers for one in answer.series]
    for one in sorted(series, key=lambda one: (one.labels[column], one.labels[row])):
        rows.setdefault(one.labels[row], {corner: one.labels[row]})[one.labels[column]] = one.last
    return [rows[name] for name in sorted(rows)]


def _document(document: Mapping[str, Any]) -> Row:
    if "spans" not in document:
        return {key: value for key, value in document.items() if isinstance(value, (str, int, float))}
    root = min(document["spans"], key=lambda span: span["startTime"])
    service = document["processes"][root["processID"]]["serviceName"]
    return {
        "Trace ID": document["traceID"],
        "Trace name": f"{service}: {root['operationName']}",
        "Start time": moment(root["startTime"] / 1000),
        "Duration": f"{root['duration'] / 1e6:.2f} s",
    }


def _between(series: Sequence[Series]) -> dict[str, float]:
    """The shares between bounds, of those up to each bound."""
    ordered = sorted(series, key=lambda one: float(one.labels["le"]))
    totals = [one.last for one in ordered]
    return {
        one.labels["le"]: total - before for one, total, before in zip(ordered, totals, [0.0, *totals], strict=False)
    }


def _by_label(series: Sequence[Series], label: Any) -> dict[str, float]:
    ordered = sorted(series, key=lambda one: -one.last)
    return {one.labels.get(label, one.name): one.last for one in ordered}
