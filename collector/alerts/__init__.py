"""The alerts, as data: what each watches, when it speaks up, and what it then says.

`definitions(policy)` has them all. From these definitions `generate.py` writes the rules of Prometheus and the
provisioning of Grafana's alerting; `docs/runbook.md` has a section for each.

- `_policy`: thresholds, windows and waits; change these, and generate.
- `_service`; `_drift`, `_features`; `_performance`, `_estimates`; `_telemetry`: the alerts.
- `_recording`: what they are computed from, where it is not in `prometheus/generate.py`.
- `_prometheus`, `_grafana`: the files.
"""

from collector.alerts._definition import Alert, Link, Number
from collector.alerts._definitions import definitions
from collector.alerts._policy import DEMO, NORMAL, Burn, Policy

__all__ = ["DEMO", "NORMAL", "Alert", "Burn", "Link", "Number", "Policy", "definitions"]
