"""Labels that came to several workers, as Prometheus has them and as its rules make figures of them."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from typing import Any

import pytest
import stack_signals as otlp
from labels_scene import KEY, TWICE, LabelsScene
from server import BentoServer
from traffic import Client, Request, send_all

from bento_observe import semconv
from bento_observe._label_keys import KEYS
from bento_observe.prometheus_names import metric_name
from bento_observe.stack import Stack
from bento_observe.stack.query import prometheus_query, prometheus_value

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

_LABELS = 2000


def _post(path: str, **fields: Any) -> Request:
    return Request(path, path, json.dumps(fields).encode())


def test_confusion_counts_in_prometheus_are_the_truth(stack: Stack) -> None:
    """Exactly, from the first label on; the rules' accuracy is theirs, their boundaries those of the buckets."""
    running = stack.running() or stack.up()
    service, chance = otlp.new_service(), random.Random(3)
    env = {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        KEYS: "the key of this very test",
    }
    with BentoServer("labelled:Labelled", env, workers=2) as server:
        answers = send_all(server.port, [_post("/fraud", numbers=list(range(n, n + 16))) for n in range(_LABELS // 16)])
        pairs = []
        for answer in answers:
            predicted = [str(int(row[1] > row[0])) for row in answer.json()]
            for one, name in zip(answer.headers["x-prediction-id"].split(","), predicted, strict=True):
                pairs.append((one, name, name if chance.random() < 0.75 else str(1 - int(name))))
        chance.shuffle(pairs)
        for start in range(0, len(pairs), 50):
            some = pairs[start : start + 50]
            with Client(server.port) as client:  # any worker takes it
                answer = client.send(_post("/observe/labels", ids=[p[0] for p in some], labels=[p[2] for p in some]))
            assert answer.json()["matched"] == 50

        where = f'{{service_name="{service}"}}'
        confusion = f"sum by (ml_prediction_class, ml_label_class) ({metric_name(semconv.MODEL_CONFUSION)}{where})"

        def counts() -> dict[tuple[str, str], int]:
            return {
                (sample.labels["ml_prediction_class"], sample.labels["ml_label_class"]): int(sample.value or 0)
                for sample in prometheus_query(running.prometheus, confusion)
            }

        expected = Counter((predicted, label) for _, predicted, label in pairs)
        otlp.eventually(counts, dict(expected))
        # A new series is told from 0, so that an increase sees its first labels. Of some seconds it extrapolates a lot.
        increase = f"sum(increase({metric_name(semconv.MODEL_LABELS)}{where}[5m]))"
        assert prometheus_value(running.prometheus, increase) > 0.9 * len(pairs)
        bounds = f'{metric_name(semconv.MODEL_SCORE)}_bucket{{service_name="{service}", le!="+Inf"}}'
        les = {sample.labels["le"] for sample in prometheus_query(running.prometheus, f"count by (le) ({bounds})")}
        named = "ml_score_bound:ml_model_score:next"
        otlp.eventually(
            lambda: {sample.labels["le"] for sample in prometheus_query(running.prometheus, named)}, les, timeout=300
        )
        right = sum(count for (predicted, label), count in expected.items() if predicted == label)
        accuracy = (
            f'round(model:ml_model_performance:pooled{{service_name="{service}", ml_performance_metric="accuracy", '
            f'ml_performance_window="1h"}} - {right / len(pairs)}, 0.01)'
        )
        otlp.eventually(lambda: [s.value for s in prometheus_query(running.prometheus, accuracy)], [0.0], timeout=150)


def test_counts_are_the_truth_though_a_worker_was_killed(stack: Stack) -> None:
    """Of 20,000 labels in any order, to any of three workers, with duplicates and ids that are refused; each by reason.

    What a worker has counted and not sent yet dies with it, so it is killed once that is in Prometheus.
    """
    running = stack.running() or stack.up()
    service = otlp.new_service()
    env = {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        KEYS: KEY,
    }

    def last(metric: semconv.Metric) -> str:
        """The last value of each series, of instances that are no more as well."""
        return f'last_over_time({metric_name(metric)}{{service_name="{service}", ml_slice_name=""}}[15m])'

    def asked(expression: str, *labels: str) -> dict[tuple[str, ...], int]:
        found = prometheus_query(running.prometheus, f"sum by ({', '.join(labels)}) ({expression})")
        return {tuple(sample.labels[label] for label in labels): int(sample.value or 0) for sample in found}

    with BentoServer("labelled:Labelled", env, workers=3) as server:
        scene = LabelsScene(server.port)
        victim = server.workers[0]

        def kill(sent: int) -> None:
            told = f"{last(semconv.MODEL_LABELS)} or {last(semconv.LABEL_REFUSED)}"
            otlp.eventually(lambda: asked(told), {(): sent}, timeout=60)
            assert len(asked(last(semconv.MODEL_LABELS), "instance")) == 3
            os.kill(victim, signal.SIGKILL)

        scene.send(server, kill)
        pair = "bentoml_api_name", "ml_prediction_class", "ml_label_class"
        otlp.eventually(lambda: asked(last(semconv.MODEL_CONFUSION), *pair), dict(scene.expected), timeout=60)
        refused = {(reason,): count for reason, count in scene.refused.items()} | {("duplicate",): TWICE}
        otlp.eventually(lambda: asked(last(semconv.LABEL_REFUSED), "reason"), refused, timeout=60)
        assert len(asked(last(semconv.MODEL_LABELS), "instance")) == 4
