"""All alerts."""

from __future__ import annotations

from collector.alerts._definition import Alert
from collector.alerts._drift import drift_alerts
from collector.alerts._estimates import estimate_alerts
from collector.alerts._features import feature_alerts
from collector.alerts._performance import performance_alerts
from collector.alerts._policy import Policy
from collector.alerts._service import service_alerts
from collector.alerts._telemetry import telemetry_alerts

__all__ = ["definitions"]


def definitions(policy: Policy) -> list[Alert]:
    """The alerts of a policy, those of services first."""
    return [
        *service_alerts(policy),
        *drift_alerts(policy),
        *feature_alerts(policy),
        *performance_alerts(policy),
        *estimate_alerts(policy),
        *telemetry_alerts(policy),
    ]
