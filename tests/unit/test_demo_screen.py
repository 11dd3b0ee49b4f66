"""What the demonstration prints of drift."""

from __future__ import annotations

import io
import math

from rich.console import Console

from bento_observe.demo._drift import DriftLine, Side
from bento_observe.demo._screen import Screen

NOTHING = Side(41, math.nan, math.nan)


def _printed(lines: list[DriftLine]) -> list[str]:
    file = io.StringIO()
    Screen(Console(file=file, width=80, color_system=None)).drift(lines)
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_each_side_says_whether_it_is_drift_or_not_to_be_told() -> None:
    """In words, for terminals without colours; one line a feature in 80 columns; other signals by their name."""
    lines = [
        DriftLine("input", "nonflavanoid_phenols", 124, Side(2345, 0.03, 0.21), Side(2718, 2.104, 0.2)),
        DriftLine("prediction", "cultivar", 124, NOTHING, Side(300, 0.01, 0.09)),
    ]
    heading, columns, _, phenols, cultivar, *words = _printed(lines)
    assert heading.startswith("How far all of them are from the training data")
    assert columns == "feature before PSI, critical after PSI, critical"
    assert phenols == "nonflavanoid_phenols 2,345 0.03 ≤ 0.21 2,718 2.10 > 0.20 drift"
    assert cultivar == "prediction: cultivar 41 not enough data 300 0.01 ≤ 0.09"
    assert "124 wines to compare with" in " ".join(words)


def test_a_service_without_a_reference_is_told() -> None:
    """An empty table would look as if nothing had drifted."""
    assert _printed([])[-1] == "Nothing to compare with has arrived: the service has no reference."
