"""Writes what is made from the alerts' definitions: `python -m collector.alerts.generate`; a test keeps them equal."""

from __future__ import annotations

from pathlib import Path

from collector.alerts import DEMO, NORMAL, definitions
from collector.alerts._grafana import provisioning
from collector.alerts._prometheus import rules

__all__ = ["files"]

_COLLECTOR = Path(__file__).resolve().parents[1]


def files() -> dict[Path, str]:
    """Every generated file and what is to be in it."""
    found = {
        _COLLECTOR / "prometheus" / "rules" / "alerts.yaml": rules(definitions(NORMAL), NORMAL),
        _COLLECTOR / "prometheus" / "demo" / "alerts.yaml": rules(definitions(DEMO), DEMO),
    }
    alerting = _COLLECTOR / "grafana" / "provisioning" / "alerting"
    for name, content in provisioning(definitions(NORMAL), NORMAL).items():
        found[alerting / name] = content
    return found


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
