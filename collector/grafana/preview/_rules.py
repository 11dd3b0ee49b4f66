"""Whether Prometheus has recorded what its rules make of something that has just been sent."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from collector.grafana.preview._sources import ask

__all__ = ["not_since"]

_OFTEN_S: Final = 60.0


def not_since(prometheus: str, moment: float) -> set[str]:
    """The groups of rules that were not evaluated since `moment`, seconds since the epoch.

    Those that are evaluated less often than every minute, for windows of a day, are left out.

    Raises:
        OSError: Prometheus does not answer.
    """
    groups = ask(f"{prometheus}/api/v1/rules")["data"]["groups"]
    return {
        group["name"]
        for group in groups
        if group["interval"] <= _OFTEN_S and _seconds(group["lastEvaluation"]) < moment
    }


def _seconds(moment: str) -> float:
    """Full seconds since the epoch, of a date as Go writes it."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", moment).replace("Z", "+00:00")).timestamp()
