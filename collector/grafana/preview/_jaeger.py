"""Jaeger's targets: a search for traces, one trace, or the graph of services."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from collector.grafana.preview._answers import Answer
from collector.grafana.preview._formats import Chosen, plain, replace
from collector.grafana.preview._intervals import Window
from collector.grafana.preview._model import Query
from collector.grafana.preview._sources import Sources, ask

__all__ = ["run"]

_FIELDS: Final = ("service", "operation", "minDuration", "maxDuration")
_ALL_OPERATIONS: Final = "All"
_LIMIT: Final = 20


def run(query: Query, scope: Mapping[str, Chosen], window: Window, sources: Sources) -> Answer:
    """The answer to a target; see `_prometheus.run` for the errors."""
    body = {key: replace(value, scope, plain) for key, value in query.body.items() if isinstance(value, str)}
    kind = body.get("queryType") or "traceID"
    if kind == "traceID":
        text = f"/api/traces/{body['query']}"
        return Answer(query.ref, text, rows=tuple(ask(f"{sources.jaeger}{text}")["data"]))
    if kind == "dependencyGraph":
        times = [("endTs", f"{1000 * window.end:.0f}"), ("lookback", f"{1000 * window.length:.0f}")]
        return Answer(query.ref, kind, rows=tuple(ask(f"{sources.jaeger}/api/dependencies", times)["data"]))
    if kind != "search":
        raise ValueError(f"a query of type {kind!r}")
    fields = [(name, body[name]) for name in _FIELDS if body.get(name) and body[name] != _ALL_OPERATIONS]
    if body.get("tags"):
        fields.append(("tags", json.dumps(_logfmt(body["tags"]))))
    fields += [
        ("limit", str(query.body.get("limit") or _LIMIT)),
        ("start", f"{1e6 * window.start:.0f}"),
        ("end", f"{1e6 * window.end:.0f}"),
        ("lookback", "custom"),
    ]
    return Answer(query.ref, str(fields), rows=tuple(ask(f"{sources.jaeger}/api/traces", fields)["data"] or ()))


def _logfmt(text: str) -> dict[str, str]:
    found = re.findall(r'([^\s=]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', text)
    return {key: quoted.replace('\\"', '"') if quoted else bare for key, quoted, bare in found}
