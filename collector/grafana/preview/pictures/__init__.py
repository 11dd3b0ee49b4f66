"""Pictures of dashboards, drawn with matplotlib from what their queries were answered; needs the extra `docs`."""

from __future__ import annotations

from collector.grafana.preview.pictures._page import draw

__all__ = ["draw"]
