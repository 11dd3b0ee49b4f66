"""What every benchmark prints: a table for people, and as the last line one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

__all__ = ["json_line", "progress", "table"]

_DIGITS = 4


def progress(text: str) -> None:
    """One line on what is going on, at once."""
    print(text, flush=True)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; the first column is text, the others are numbers."""
    drawn = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        drawn.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    # A fixed width, so that a log file holds whole lines; nothing is cut where the terminal is narrower.
    Console(width=140).print(drawn)


def json_line(benchmark: str, figures: Mapping[str, float], ratios: Mapping[str, float]) -> None:
    """The last line. Figures carry their unit in the key; all numbers are cut to four significant digits."""
    line = {"benchmark": benchmark, "figures": _short(figures), "ratios": _short(ratios)}
    print(json.dumps(line), flush=True)


def _short(numbers: Mapping[str, float]) -> dict[str, float]:
    return {key: float(f"{number:.{_DIGITS}g}") for key, number in numbers.items()}
