"""On the real servers: a model that is worse than expected, and labels that say otherwise, are told to the receiver."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import stack_signals as otlp
from receiver import DEMO_SECONDS, Receiver
from server import BentoServer
from traffic import Client, Request

from bento_observe import Reference
from bento_observe.stack import Stack
from bento_observe.stack.query import prometheus_query

pytestmark = pytest.mark.stack

ROWS, WORKERS = 50, 2
HELD_OUT = 4000
TOLD = ("EstimatedPerformanceDrop", "ConceptDrift", "ModelAccuracyFell", "ModelErrorRose", "ModelConceptChanged")


def _asked(random: np.random.Generator, rows: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, the probabilities that the service makes of them, and labels that are as those say."""
    inputs = random.normal(0, spread, (rows, 1))
    yes = 1 / (1 + np.exp(-inputs[:, 0]))
    return inputs, np.stack([1 - yes, yes], axis=1), np.where(random.random(rows) < yes, "yes", "no")


class Asking(threading.Thread):
    """Predictions and their labels, ten times a second; once `wrong`, inputs near the boundary and other labels."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.wrong = False
        self.statuses: set[int] = set()
        self._port, self._stopped = port, threading.Event()

    def run(self) -> None:
        random = np.random.default_rng(3)
        client = Client(self._port)
        while not self._stopped.wait(0.1):
            inputs, said, labels = _asked(random, ROWS, 0.5 if self.wrong else 2.0)
            if self.wrong:  # an answer's opposite is right
                labels = np.where(said[:, 1] > 0.5, "no", "yes")
            for path, body in (
                ("/predict", {"rows": inputs.tolist()}),
                ("/feedback", {"said": said.tolist(), "truth": labels.tolist()}),
            ):
                self.statuses.add(client.send(Request(path[1:], path, json.dumps(body).encode())).status)
        client.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@pytest.fixture(scope="module")
def told(
    demo_stack: Stack, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, str]]:
    """Name of the alert -> its annotations, after a while in which nothing was wrong and none of them was told."""
    running = demo_stack.running()
    assert running is not None
    _, said, labels = _asked(np.random.default_rng(1), HELD_OUT, 2.0)
    path = tmp_path_factory.mktemp("answers") / "answers.json"
    frame = pd.DataFrame(said, columns=["no", "yes"])
    Reference.from_frame(np.zeros((HELD_OUT, 1)), prediction=frame, label=labels).save(path)
    env = {
        "TEST_REFERENCE": str(path),
        "OTEL_SERVICE_NAME": otlp.new_service(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    of = f'{{service_name="{env["OTEL_SERVICE_NAME"]}", ml_drift_window="2m"'

    def recorded() -> bool:
        """Whether there is what the alerts go by, computed of enough labels, and nothing is wrong."""
        fell, disagrees = (
            prometheus_query(running.prometheus, f"{series}{of}{more}}}")
            for series, more in (
                ("model:ml_performance_estimate:fell", ', ml_performance_metric="accuracy"'),
                ("model:ml_estimate:disagrees", ""),
            )
        )
        return [one.value for one in (*fell, *disagrees)] == [0, 0]

    with BentoServer("answers:Answers", env, workers=WORKERS) as server:
        asking = Asking(server.port)
        asking.start()
        try:
            otlp.eventually(recorded, True, timeout=60)
            assert not [one for one in TOLD if receiver.firing(one)]
            asking.wrong, since = True, time.monotonic()
            for name in TOLD[:2]:
                otlp.eventually(lambda n=name: bool(receiver.firing(n)), True, timeout=DEMO_SECONDS)  # type: ignore[misc]
                print(f"{name}: {time.monotonic() - since:.0f} s after the first such request")
        finally:
            asking.stop()
        assert asking.statuses == {200}
    return {name: receiver.firing(name)[0][1]["annotations"] for name in TOLD[:2]}


def test_an_estimate_that_fell_is_told_with_what_it_was(told: Mapping[str, Mapping[str, str]]) -> None:
    """Which figure, of how many predictions, with its band, and what the held-out predictions came to."""
    said = re.match(
        r"By the (\d+) predictions within 2m, the (\w+) of the model of \S+/predict is expected to be ([\d.]+) "
        r"\(95% band ([\d.]+) to ([\d.]+)\); the held-out predictions of its reference came to ([\d.]+)\.",
        told["EstimatedPerformanceDrop"]["description"],
    )
    assert said, told["EstimatedPerformanceDrop"]["description"]
    assert said[2] in {"accuracy", "f1", "roc_auc"}
    n, value, low, high, tested = (float(said[group]) for group in (1, 3, 4, 5, 6))
    assert n >= 100
    assert 0.5 < low < value < high < tested < 1
    assert "/d/bento-observe-model?" in told["EstimatedPerformanceDrop"]["overview"]


def test_labels_that_disagree_are_told_with_by_how_much(told: Mapping[str, Mapping[str, str]]) -> None:
    """More than chance makes, of how many labels."""
    said = re.search(
        r"Within 2m: ([\d.]+)% \(by chance up to ([\d.]+)%\)\..* (\d+) labels were compared within 2m",
        told["ConceptDrift"]["description"],
    )
    assert said, told["ConceptDrift"]["description"]
    assert float(said[1]) > float(said[2]) > 0
    assert int(said[3]) >= 50
    assert told["ConceptDrift"]["runbook"] == "docs/runbook.md#conceptdrift"
