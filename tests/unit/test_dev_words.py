"""The live line of `bento-observe dev`."""

from __future__ import annotations

from bento_observe.cli._dev_words import Rates
from bento_observe.dev import DevReceiver


def test_the_live_line_goes_on_when_the_file_was_removed(tmp_path):
    """It says so instead of the size."""
    path = tmp_path / "dev.duckdb"
    with DevReceiver(path) as dev:
        rates = Rates(dev)
        assert " MB " in rates.line(path)
        path.unlink()
        assert f"{path} was removed" in rates.line(path)
