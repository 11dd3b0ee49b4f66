"""The generated documentation is what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_telemetry_page_is_generated_from_semconv() -> None:
    """docs/telemetry.md equals what docs/generate.py writes today."""
    generate = runpy.run_path(str(DOCS / "generate.py"))
    assert (DOCS / "telemetry.md").read_text(encoding="utf-8") == generate["page"]()
