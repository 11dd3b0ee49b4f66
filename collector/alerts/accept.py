"""Puts into collector/prometheus/tests/*.yaml what the alerts say now: `python -m collector.alerts.accept PROMTOOL`.

Series, times and names of alerts stand there as they were written; what changes is to be looked at before it is
committed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from collector.alerts._yaml import document

_TESTS = Path(__file__).resolve().parents[1] / "prometheus" / "tests"
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def accept(promtool: str, path: Path) -> None:
    """Rewrite one file of tests."""
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    tests: dict[str, Any] = yaml.safe_load(text)
    checks = [check for test in tests["tests"] for check in test["alert_rule_test"]]
    for check in checks:
        check["exp_alerts"] = []
    told = _told(promtool, path, tests)
    for test in tests["tests"]:
        for check in test["alert_rule_test"]:
            check["exp_alerts"] = told.get((test["name"], check["alertname"], _duration(check["eval_time"])), [])
    path.write_text(head + document(tests), encoding="utf-8")


def _told(promtool: str, path: Path, tests: dict[str, Any]) -> dict[tuple[str, str, int], list[dict[str, Any]]]:
    """By test, alert and time what promtool says it got where nothing was expected."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=path.parent) as file:
        file.write(document(tests))
        file.flush()
        run = subprocess.run([promtool, "test", "rules", file.name], capture_output=True, text=True, check=False)  # noqa: S603
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    name = key = None
    for line in (run.stdout + run.stderr).splitlines():
        if match := re.match(r" +name: (.*),$", line):
            name = match[1]
        elif match := re.match(r" +alertname: (\w+), time: (\w+)", line):
            key = (str(name), match[1], _duration(match[2]))
            found[key] = []
        elif key and (match := re.match(r" +Labels:{(.*)}$", line)):
            labels = _pairs(match[1])
            found[key].append({"exp_labels": {k: v for k, v in labels.items() if k != "alertname"}})
        elif key and (match := re.match(r" +Annotations:{(.*)}", line)):
            found[key][-1]["exp_annotations"] = _pairs(match[1])
    return found


def _pairs(text: str) -> dict[str, str]:
    # Quoted as Go does, which for the characters that there are is as Python does.
    return {key: yaml.safe_load(value) for key, value in _PAIR.findall(text)}


def _duration(text: str) -> int:
    units = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([wdhms])", text))


if __name__ == "__main__":
    for tests in sorted(_TESTS.glob("*.yaml")):
        accept(sys.argv[1], tests)
