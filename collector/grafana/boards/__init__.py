"""The five dashboards, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from collector.grafana.board import Board
from collector.grafana.boards import feature, model, predictions, service, telemetry

__all__ = ["BOARDS"]

BOARDS: Final[tuple[Board, ...]] = (model.BOARD, feature.BOARD, predictions.BOARD, service.BOARD, telemetry.BOARD)
