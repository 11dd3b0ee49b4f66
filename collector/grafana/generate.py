"""Writes `dashboards/*.json`: run `python -m collector.grafana.generate`; a test keeps the two equal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from collector.grafana.boards import BOARDS

DASHBOARDS: Final = Path(__file__).with_name("dashboards")


def documents() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"{board.file}.json": board.document() for board in BOARDS}


if __name__ == "__main__":
    for name, text in documents().items():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")
