"""What the benchmark of the dashboards says of its targets, it says to whatever runs it too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("grafana-foundation-sdk needs Python 3.11", allow_module_level=True)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# Figures in place of a stack that is measured: what is made of them is all that this is about.
_MAIN = (
    "import contextlib, sys, dashboards\n"
    "dashboards.Stack = lambda **_: contextlib.nullcontext()\n"
    "dashboards._measured = lambda *_: {figures}\n"
    "sys.argv = ['dashboards.py']\n"
    "sys.exit(dashboards.main())\n"
)


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        ({"query_s.model": 0.2, "rules_s.all": 0.9}, ""),
        ({"query_s.model": 0.2, "rules_s.all": 1.2}, "rules_s.all is 1.200, more than 1"),
        ({"query_s.model": 1.5}, "query_s.model is 1.500, more than 1"),
    ],
)
def test_a_missed_target_is_an_exit_status(figures: dict[str, float], missed: str) -> None:
    """And is named; the last line stays JSON."""
    result = subprocess.run(
        [sys.executable, "-c", _MAIN.replace("{figures}", repr(figures))],
        cwd=BENCHMARKS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == (1 if missed else 0), result.stderr
    assert missed in result.stdout
    assert json.loads(result.stdout.splitlines()[-1])["figures"] == figures
