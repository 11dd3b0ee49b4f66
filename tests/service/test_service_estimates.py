"""What performance is to be expected leaves a real `bentoml serve`, and what labels say of that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from server import BentoServer
from sink import Sink
from traffic import Request, send_all

from bento_observe import FeatureStatistics, Reference
from bento_observe.features.estimate import performance

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
ROWS, BATCH, JUDGED = 3000, 50, 400


def asked(rows: int, seed: int) -> tuple[np.ndarray[Any, Any], pd.DataFrame, np.ndarray[Any, Any]]:
    """Inputs, the probabilities that the service makes of them, and labels."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0, 2, (rows, 1))
    yes = 1 / (1 + np.exp(-inputs[:, 0]))
    return inputs, pd.DataFrame({"no": 1 - yes, "yes": yes}), np.where(rng.random(rows) < yes, "yes", "no")


@pytest.fixture(scope="module")
def reference() -> Reference:
    inputs, said, labels = asked(4000, 1)
    return Reference.from_frame(inputs, prediction=said, label=labels)


@pytest.fixture(scope="module")
def sink(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """Two workers have predicted some thousands of rows; of a few, labels came that are all wrong, and a bad one."""
    path = tmp_path_factory.mktemp("estimates") / "answers.json"
    reference.save(path)
    inputs, said, labels = asked(ROWS, 2)
    requests = [
        Request("predict", "/predict", json.dumps({"rows": inputs[start : start + BATCH].tolist()}).encode())
        for start in range(0, ROWS, BATCH)
    ]
    wrong = np.where(labels == "yes", "no", "yes")[:JUDGED]
    for truth in (wrong.tolist(), ["maybe"] * JUDGED):
        body = {"said": said.to_numpy()[:JUDGED].tolist(), "truth": truth}
        requests.append(Request("feedback", "/feedback", json.dumps(body).encode()))
    with Sink() as found:
        env = {**FAST, **found.environment(), "TEST_REFERENCE": str(path)}
        with BentoServer("answers:Answers", env, workers=2) as server:
            assert {answer.status for answer in send_all(server.port, requests)} == {200}
            server.stop()
        yield found


def last(sink: Sink, metric: str, **attributes: str) -> list[float]:
    """The last value of each series with these attributes, of all workers."""
    wanted = {name.replace("_", "__"): value for name, value in attributes.items()}
    return [point.value for point in sink.last(metric, **wanted)]


def test_the_sums_of_all_workers_are_those_of_all_rows(sink: Sink, reference: Reference) -> None:
    """By class and outcome, to the last digits; and so is what they are expected to come to."""
    signal = reference.signals["prediction"]
    statistics = FeatureStatistics(signal)
    statistics.update(asked(ROWS, 2)[1].to_numpy())
    expected = statistics.snapshot().expected
    assert expected is not None
    for k, name in enumerate(("no", "yes")):
        predictions = last(sink, "ml.estimate.predictions", ml_class=name, bentoml_api_name="predict")
        assert len(predictions) == 2
        assert sum(predictions) == expected.predicted[k]
        for outcome, sums in (("hit", expected.hits), ("miss", expected.misses)):
            found = last(sink, "ml.estimate.outcomes", ml_class=name, ml_outcome=outcome, bentoml_api_name="predict")
            assert sum(found) == pytest.approx(sums[k])
    assert performance(expected, 4000)["accuracy"].value == pytest.approx(0.8, abs=0.05)
    bounds = {
        bound: {
            point.resource["process.pid"]: point.value
            for point in sink.last(
                "ml.performance.estimate", ml__performance__metric="accuracy", ml__performance__bound=bound
            )
        }
        for bound in ("low", "value", "high")
    }
    assert bounds["value"]
    # How near the truth a worker comes depends on how many of the requests it got.
    for worker, value in bounds["value"].items():
        assert bounds["low"][worker] < value < bounds["high"][worker]
        assert bounds["low"][worker] < 0.8 + 0.05
        assert bounds["high"][worker] > 0.8 - 0.05


def test_labels_that_disagree_are_told_and_counted(sink: Sink) -> None:
    """By the worker that got them; those of an unknown class are refused, and the answer is what it is."""
    assert sum(last(sink, "ml.estimate.judged", bentoml_api_name="feedback")) == JUDGED
    observed, expected = (
        sum(last(sink, "ml.estimate.errors", bentoml_api_name="feedback", ml_outcome=outcome))
        for outcome in ("observed", "expected")
    )
    assert observed > 2 * expected > 0
    assert sorted(last(sink, "ml.concept.drift", bentoml_api_name="feedback")) == [0, 1]
    assert len(last(sink, "ml.concept.age", bentoml_api_name="feedback")) == 1
    assert sum(last(sink, "bento_observe.dropped", reason="outcomes_refused")) == 1
