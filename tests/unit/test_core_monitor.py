"""`ObserveMonitor` outside of a server: in a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sink import Sink

_SCRIPT = """
import bentoml
for number in range(500):
    with bentoml.monitor("batch job", "bento_observe.monitor.ObserveMonitor", {}) as mon:
        mon.log(number, name="x", role="feature", data_type="numerical")
"""


def _run(directory: Path, **environment: str) -> None:
    script = directory / "job.py"
    script.write_text(_SCRIPT)
    root = str(Path(__file__).parents[2])
    environment = {"PYTHONPATH": root, "BENTOML_HOME": str(directory), "BENTOML_DO_NOT_TRACK": "True", **environment}
    subprocess.run([sys.executable, str(script)], check=True, env=environment, cwd=directory)


def test_a_script_sends_all_that_it_logged_before_it_ends(tmp_path: Path) -> None:
    """Its 500 records are over long before telemetry has started."""
    with Sink() as sink:
        _run(tmp_path, **sink.environment())
        assert sink.count("ml.feature.value", bentoml__api__name="monitor:batch job", ml__signal="feature") == 500


def test_disabled_it_sends_nothing_and_says_nothing(tmp_path: Path) -> None:
    """The monitor takes what it is given, and forgets it."""
    with Sink() as sink:
        _run(tmp_path, **sink.environment(), OTEL_SDK_DISABLED="true")
        assert sink.exports == []
