"""Groups of rules as text: expressions as blocks, in the lines in which they were written."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bento_observe import semconv

__all__ = ["RESOURCE", "Alert", "Rule", "alert_group", "group"]

RESOURCE: Final = (semconv.SERVICE_NAMESPACE, semconv.SERVICE_NAME, semconv.DEPLOYMENT_ENVIRONMENT_NAME)
"""What is told apart: a service, whatever workers and replicas it has."""


@dataclass(frozen=True)
class Rule:
    """A recording rule, whose series have `labels` besides those of `expr`."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """An alert that `expr` has held for as long as `wait` says; `annotations` may have templates of Prometheus."""

    name: str
    expr: str
    wait: str
    severity: str
    annotations: Mapping[str, str]


def group(name: str, interval: str, rules: Iterable[Rule]) -> str:
    """A group of recording rules, evaluated every `interval`."""
    lines = _head(name, interval)
    for rule in rules:
        lines += [f"      - record: {rule.record}", *_expression(rule.expr)]
        if rule.labels:
            lines.append(f"        labels: {{{', '.join(f'{key}: {value}' for key, value in rule.labels.items())}}}")
    return "\n".join(lines) + "\n"


def alert_group(name: str, interval: str, alerts: Iterable[Alert]) -> str:
    """A group of alerts; where `interval` is empty, evaluated as often as Prometheus is told to by default."""
    lines = _head(name, interval)
    for alert in alerts:
        lines += [
            f"      - alert: {alert.name}",
            *_expression(alert.expr),
            f"        for: {alert.wait}",
            f"        labels: {{severity: {alert.severity}}}",
            "        annotations:",
            *(f"          {key}: {json.dumps(text)}" for key, text in alert.annotations.items()),
        ]
    return "\n".join(lines) + "\n"


def _head(name: str, interval: str) -> list[str]:
    return [f"  - name: {name}", *([f"    interval: {interval}"] if interval else []), "    rules:"]


def _expression(expr: str) -> list[str]:
    return ["        expr: |-", textwrap.indent(expr, " " * 10)]
