"""The example's model, and the reference that lies with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from bento_observe import Reference
from service_example.wine import FEATURES

ROOT = Path(__file__).resolve().parents[2]


def _train(home: Path, *arguments: str) -> str:
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "service_example.train", *arguments]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_the_reference_lies_with_the_model_and_is_what_the_apis_take_and_give(tmp_path: Path) -> None:
    """The features in the model's order, probabilities with what they are worth; the same bytes every time."""
    tag = _train(tmp_path)
    path = tmp_path / "models" / tag.replace(":", "/") / Reference.FILE
    written, reference = path.read_bytes(), Reference.load(path)
    assert tuple(reference.features) == FEATURES
    assert reference.rows == 124
    assert list(reference.signals["prediction"].features) == ["class", "confidence", "entropy"]
    found = reference.signals["label"].features
    assert [(name, one.kind, one.count) for name, one in found.items()] == [("cultivar", "categorical", 124)]
    calibration = reference.signals["prediction"].calibration
    assert calibration is not None
    assert (calibration.rows, calibration.labels) == (124, ("0", "1", "2"))
    assert 0.9 < calibration.measured["accuracy"] < 1
    assert reference.skipped == {}
    assert _train(tmp_path, "--force") == tag
    assert path.read_bytes() == written
