"""docs/performance-estimation.md says what is so: its code runs and prints that, and its names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from bento_observe import semconv
from bento_observe.prometheus_names import label_name, metric_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "performance-estimation.md").read_text(encoding="utf-8")
RULES = ROOT / "collector" / "prometheus" / "rules"


def test_the_snippets_run_and_print_what_the_page_says(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    told = "".join(re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()] == told.splitlines()


def test_all_names_exist() -> None:
    """Of series, and of labels."""
    known = {metric_name(metric) for metric in semconv.METRICS}
    known |= {label_name(attribute) for metric in semconv.METRICS for attribute in metric.attributes}
    for file in RULES.glob("*.yaml"):
        groups = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        known |= {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    asked = set(re.findall(r"`((?:\w+:)?ml_\w+(?::\w+)?)", PAGE))
    assert len(asked) > 15
    assert asked <= known
