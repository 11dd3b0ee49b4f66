"""What Prometheus alerts on now: the alerts of a service, and those of the Collector, on which all else depends.

Asked of Prometheus' own series, since its rules are the ones that are evaluated; Grafana's are at rest unless that is
chosen (docs/operating.md), and its list of alerts would show those.
"""

from __future__ import annotations

from typing import Final

from collector.grafana import foreign, names
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Panel, Query
from collector.grafana.promql import POOL, by
from collector.grafana.tables import rows

__all__ = ["listed"]

_STATES: Final = f'{foreign.ALERT_STATE}=~"firing|pending", {foreign.SEVERITY}!="none"'
"""The watchdog fires always, of severity none: nothing is wrong then."""

_OF_COLLECTOR: Final = f'{names.SERVICE}=~"|{foreign.COLLECTOR}"'
"""Those of no service at all too, such as that there is no Collector."""

_COLOURS: Final = [
    {
        "type": "value",
        "options": {
            "firing": {"text": "firing", "color": "red", "index": 0},
            "pending": {"text": "pending", "color": "orange", "index": 1},
        },
    }
]


def listed(title: str, shows: str, empty: str, columns: dict[str, str], *matchers: str, height: int = 6) -> Panel:
    """A table of those that fire or are pending at the end of the time that is shown.

    Args:
        title: Of the panel.
        shows: What it shows.
        empty: What it says where there is none.
        columns: Labels that a line is for, beside name, severity and state, and what to call them.
        matchers: Which of them.
        height: In units of Grafana's grid.
    """
    key = (foreign.ALERT_STATE, foreign.ALERT, foreign.SEVERITY, *columns)
    series = _chosen(foreign.ALERTS, _STATES, *matchers)
    since = f"({series}) * ignoring ({foreign.ALERT_STATE}) group_left () {foreign.ALERTS_SINCE}"
    return rows(
        Look(title, shows, empty, Traffic.ALARM, "short", 24, height, least=None),
        [Query(f"1000 * min{by(*key)} ({since})"), Query(f"count{by(*key)} ({series})")],
        {
            foreign.ALERT_STATE: "State", foreign.ALERT: "Alert", foreign.SEVERITY: "Severity", **columns,
            "Value #A": "Since", "Value #B": "Instances",
        },
        {
            "State": {"mappings": _COLOURS, "custom.cellOptions": {"type": "color-background", "mode": "basic"}},
            "Since": {"unit": "dateTimeAsIso"},
            "Instances": {"decimals": 0},
        },
        ("State", False),
    )  # fmt: skip


def _chosen(series: str, *matchers: str) -> str:
    own, of_collector = (", ".join((which, *matchers)) for which in (POOL, _OF_COLLECTOR))
    return f"{series}{{{own}}} or {series}{{{of_collector}}}"
