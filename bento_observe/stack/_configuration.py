"""What of the servers' configuration is different in each stack, written into its data directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bento_observe.stack._directories import private_directory
from bento_observe.stack._errors import StackError
from bento_observe.stack._ports import LOOPBACK, Ports
from bento_observe.stack._recipes import ALERTMANAGER, PROMETHEUS

_DIRECTORY = "configuration"

# A group of alerts is told of at once, and what joins it soon after.
_DEMO_WAITS = {"ALERT_GROUP_WAIT": "1s", "ALERT_GROUP_INTERVAL": "5s"}


def prometheus_configuration(data: Path) -> Path:
    """Where `write_configuration` puts that of Prometheus."""
    return data / _DIRECTORY / PROMETHEUS / "prometheus.yaml"


def is_configured(data: Path) -> bool:
    """Whether `write_configuration` has been there."""
    return prometheus_configuration(data).exists() and alertmanager_configuration(data).exists()


def alertmanager_configuration(data: Path) -> Path:
    """The same of Alertmanager."""
    return data / _DIRECTORY / ALERTMANAGER / "alertmanager.yaml"


def write_configuration(collector: Path, data: Path, ports: Ports, demo: bool) -> None:
    """Copies that know of each other: Prometheus where Alertmanager is, Alertmanager whom to tell.

    With `demo` the rules of the same names in `prometheus/demo/` take the place of the usual ones.

    Raises:
        StackError: if no receivers can be made of the environment.
    """
    shutil.rmtree(data / _DIRECTORY, ignore_errors=True)
    private_directory(data / _DIRECTORY)
    _write_prometheus(collector / PROMETHEUS, prometheus_configuration(data).parent, ports, demo)
    _write_alertmanager(collector / ALERTMANAGER, alertmanager_configuration(data), _DEMO_WAITS if demo else {})


def _write_prometheus(source: Path, target: Path, ports: Ports, demo: bool) -> None:
    (target / "rules").mkdir(parents=True)
    shutil.copy(source / "prometheus.yaml", target)
    for directory in ("rules", "demo") if demo else ("rules",):
        for file in (source / directory).glob("*.yaml"):
            shutil.copy(file, target / "rules")
    targets = [{"targets": [f"{LOOPBACK}:{ports.alertmanager}"]}]
    (target / "alertmanagers.json").write_text(json.dumps(targets), encoding="utf-8")


def _write_alertmanager(source: Path, target: Path, waits: Mapping[str, str]) -> None:
    shutil.copytree(source / "templates", target.parent / "templates")
    try:
        rendered = subprocess.run(  # noqa: S603
            ["sh", str(source / "render.sh")],  # noqa: S607
            env={**waits, **os.environ},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"the receivers of alerts cannot be told from the environment: {error}") from error
    target.write_text(rendered, encoding="utf-8")
