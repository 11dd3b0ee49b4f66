"""What an alert is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["OF", "VALUE", "Alert", "Link", "Number"]

OF = "__of__"
"""Stands in the selectors of a `Number` for the labels of the alert that is told."""

VALUE = "value"
"""The number that the alert's own expression has."""


@dataclass(frozen=True)
class Number:
    """A number in an alert's text: a figure (0.123), a count, a share (12.3 %), or seconds (2m 3s).

    `expression` has `OF` in its selectors; that of `VALUE` is empty. Where it has no series, nothing is said, neither
    `before` nor `after`.
    """

    kind: str
    expression: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Link:
    """A dashboard, with those of its variables that are set: variable -> label; `traces` are Jaeger's parameters.

    Where the alert lacks the label `needs`, its `overview` is linked to instead.
    """

    dashboard: str
    variables: Mapping[str, str]
    traces: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: as in `docs/runbook.md`.
        group: what it is about: service, features, performance, telemetry.
        severity: page (somebody is woken) or ticket (somebody looks in working hours): its channel; none for the one
            that nobody is to read.
        labels: those of its series. No others leave the expression.
        expression: has a series for each thing that is wrong.
        wait: how long it has to hold.
        summary, description, look_first: texts with `{label}` and `{number}` in them.
        numbers: the numbers in the texts, by name.
        link: where to look.
        keep: how long it goes on after the condition has ended, so that it does not flap.
        more: labels that tell alerts of one name apart.
        least: the least sample that it judges by, for people.
        ends: what is known when it is no longer told. Data that do not come are no good news.
        overview: where else to look, for what the dashboard does not show.
    """

    name: str
    group: str
    severity: str
    labels: tuple[str, ...]
    expression: str
    wait: str
    summary: str
    description: str
    look_first: str
    numbers: Mapping[str, Number]
    link: Link
    least: str
    keep: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    ends: str = "It no longer holds, or there is too little to judge by."
    overview: Link | None = None

    @property
    def key(self) -> str:
        """Name and distinguishing labels: unique."""
        return "-".join((self.name, *self.more.values()))
