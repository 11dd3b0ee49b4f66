"""Single scores that a real `bentoml serve` answers: an estimate of two classes, and labels held against it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Request

from bento_observe import FeatureStatistics, Reference

ALONE, TOGETHER = 40, 12


def _asked(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, the scores that the service gives them, and labels."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0, 2, rows)
    scores = 1 / (1 + np.exp(-inputs))
    return inputs, scores, np.where(rng.random(rows) < scores, "default", "Repaid")


def test_scores_are_estimated_by_class_and_labels_are_judged(tmp_path: Path) -> None:
    """One a request and several; the sums are those of all rows, and each label is matched and judged once."""
    inputs, scores, labels = _asked(3000, 1)
    held_out = pd.DataFrame({"x": inputs, "score": scores, "answer": labels})
    made = Reference.from_frame(held_out, prediction="score", label="answer")
    assert made.skipped == {}
    made.save(tmp_path / "scores.json")
    inputs, scores, labels = _asked(ALONE + TOGETHER, 2)
    statistics = FeatureStatistics(made.signals["prediction"])
    statistics.update(scores)
    expected = statistics.snapshot().expected
    assert expected is not None
    ids: list[str] = []
    with Sink() as sink:
        env = {**SETTINGS, **sink.environment(), "TEST_REFERENCE": str(tmp_path / "scores.json")}
        with BentoServer("scored:Scored", env) as server:
            scene = Scene(server, sink)
            for x in inputs[:ALONE].tolist():
                ids.append(scene.ask("/risk", x=x).headers["x-prediction-id"])
            many = scene.ask("/risks", rows=inputs[ALONE:].reshape(-1, 1).tolist())
            ids += many.headers["x-prediction-id"].split(",")
            body = json.dumps({"ids": ids, "labels": labels.tolist()}).encode()
            answer = scene.send(Request("labels", "/observe/labels", body))
            assert answer.json() == {"matched": ALONE + TOGETHER, "refused": {}}
            server.stop()
        for k, name in enumerate(("Repaid", "default")):
            assert sum(p.value for p in sink.last("ml.estimate.predictions", ml__class=name)) == expected.predicted[k]
            hits = sum(p.value for p in sink.last("ml.estimate.outcomes", ml__class=name, ml__outcome="hit"))
            assert hits == pytest.approx(expected.hits[k])
        assert sum(p.value for p in sink.last("ml.estimate.judged")) == ALONE + TOGETHER
        right = sum(p.value for p in sink.last("ml.model.confusion", ml__prediction__correct="true"))
        assert right == ((scores > 0.5) == (labels == "default")).sum()
        observed = sum(p.value for p in sink.last("ml.estimate.errors", ml__outcome="observed"))
        assert observed == ALONE + TOGETHER - right
        assert sink.last("bento_observe.errors") == []
