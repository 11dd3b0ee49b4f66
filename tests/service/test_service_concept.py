"""Labels that come late, by ids, to a real `bentoml serve`: concept drift is found, and none where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from server import BentoServer
from sink import Sink
from traffic import Answer, Request, send_all

from bento_observe import Reference

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
REQUESTS, ROWS = 60, 16
AS_EXPECTED, TURNED = 0, 1
TOGETHER = 480


def _asked(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and labels that are as likely as the service says."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0, 2, (rows, 1))
    return inputs, np.where(rng.random(rows) < 1 / (1 + np.exp(-inputs[:, 0])), "yes", "no")


@pytest.fixture(scope="module", params=[AS_EXPECTED, TURNED], ids=["as expected", "turned"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Sink]]:
    """What two workers tell: labels of all predictions came to either, all of them twice, as expected or turned."""
    path = tmp_path_factory.mktemp("concept") / "answers.json"
    inputs, labels = _asked(4000, 1)
    yes = 1 / (1 + np.exp(-inputs[:, 0]))
    Reference.from_frame(inputs, prediction=pd.DataFrame({"no": 1 - yes, "yes": yes}), label=labels).save(path)
    inputs, labels = _asked(REQUESTS * ROWS, 2)
    if request.param == TURNED:
        labels = np.where(labels == "yes", "no", "yes")
    with Sink() as sink:
        env = {**FAST, **sink.environment(), "TEST_REFERENCE": str(path)}
        with BentoServer("answers:Answers", env, workers=2) as server:
            asked = [
                Request(str(start), "/predict", json.dumps({"rows": inputs[start : start + ROWS].tolist()}).encode())
                for start in range(0, REQUESTS * ROWS, ROWS)
            ]
            ids: list[str] = [""] * (REQUESTS * ROWS)
            for answer in send_all(server.port, asked):
                start = int(answer.request.kind)
                ids[start : start + ROWS] = _ids(answer)
            for again in (False, True):
                sent = send_all(server.port, _labelled(ids, labels.tolist()))
                assert sum(answer.json()["matched"] for answer in sent) == (0 if again else len(ids))
            server.stop()
        yield request.param, sink


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return answer.headers["x-prediction-id"].split(",")


def _labelled(ids: list[str], labels: list[str]) -> list[Request]:
    parts = [slice(start, start + TOGETHER) for start in range(0, len(ids), TOGETHER)]
    return [
        Request("labels", "/observe/labels", json.dumps({"ids": ids[part], "labels": labels[part]}).encode())
        for part in parts
    ]


def _last(sink: Sink, metric: str, **attributes: str) -> list[float]:
    wanted = {name.replace("_", "__"): value for name, value in attributes.items()}
    return [point.value for point in sink.last(metric, bentoml__api__name="predict", **wanted)]


def test_each_label_is_judged_once_whichever_worker_it_came_to(told: tuple[int, Sink]) -> None:
    """And so many errors are expected as the service's own confidence says."""
    drift, sink = told
    assert sum(_last(sink, "ml.estimate.judged")) == REQUESTS * ROWS
    observed, expected = (
        sum(_last(sink, "ml.estimate.errors", ml_outcome=outcome)) for outcome in ("observed", "expected")
    )
    assert expected > 100
    if drift == TURNED:
        assert observed > 2 * expected
    else:
        assert observed == pytest.approx(expected, rel=0.2)


def test_concept_drift_is_told_where_labels_turned(told: tuple[int, Sink]) -> None:
    """By each worker that got enough of them, with when it began; else by none."""
    drift, sink = told
    states = _last(sink, "ml.concept.drift")
    assert len(states) == 2
    assert max(states) == drift
    assert len(_last(sink, "ml.concept.age")) == sum(states)
    assert sink.last("bento_observe.errors") == []
