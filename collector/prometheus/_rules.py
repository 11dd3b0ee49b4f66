"""Groups of recording rules as text: expressions as blocks, in the lines in which they were written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bento_observe import semconv

__all__ = ["RESOURCE", "Rule", "group"]

RESOURCE: Final = (semconv.SERVICE_NAMESPACE, semconv.SERVICE_NAME, semconv.DEPLOYMENT_ENVIRONMENT_NAME)
"""What is told apart: a service, whatever workers and replicas it has."""


@dataclass(frozen=True)
class Rule:
    """A recording rule, whose series have `labels` besides those of `expr`."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


def group(name: str, interval: str, rules: Iterable[Rule]) -> str:
    """A group of recording rules, evaluated every `interval`."""
    lines = [f"  - name: {name}", f"    interval: {interval}", "    rules:"]
    for rule in rules:
        lines += [f"      - record: {rule.record}", *_expression(rule.expr)]
        if rule.labels:
            lines.append(f"        labels: {{{', '.join(f'{key}: {value}' for key, value in rule.labels.items())}}}")
    return "\n".join(lines) + "\n"


def _expression(expr: str) -> list[str]:
    return ["        expr: |-", textwrap.indent(expr, " " * 10)]
