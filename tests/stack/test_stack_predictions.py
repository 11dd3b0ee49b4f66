"""Predictions kept in the real Elasticsearch, and labels that come back with plain ids: to any worker, in an outage."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import stack_signals as otlp
from server import BentoServer
from traffic import Answer, Client, Request, send_all

from bento_observe import semconv
from bento_observe._prediction_store import PredictionStore
from bento_observe.doctor import Level, check_predictions
from bento_observe.prometheus_names import metric_name
from bento_observe.settings import Settings
from bento_observe.stack import Running, Stack, _http
from bento_observe.stack.query import elasticsearch_count, elasticsearch_search, prometheus_query

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("collector_log")]

HEADER = "x-prediction-id"
EVENTS = "predictions-bentoml.otel-*"

Pair = tuple[str, str, str]
"""An id, what was predicted, and the label that comes."""


def _post(path: str, own: str = "", **fields: Any) -> Request:
    return Request(path, path, json.dumps(fields).encode(), headers={HEADER: own} if own else {})


def _send(server: BentoServer, pairs: list[Pair]) -> Answer:
    """To any worker."""
    with Client(server.port, timeout=60) as client:
        return client.send(_post("/observe/labels", ids=[one for one, _, _ in pairs], labels=[p[2] for p in pairs]))


def _serve(running: Running, service: str, **more: str) -> BentoServer:
    env = {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "BENTO_OBSERVE_PREDICTIONS": "elasticsearch",
        "BENTO_OBSERVE_PREDICTIONS_URL": running.elasticsearch,
        "BENTO_OBSERVE_PREDICTIONS_WAIT": "15",  # of a machine that does other things
        **more,
    }
    return BentoServer("labelled:Labelled", env, workers=2)


def _predict(server: BentoServer, chance: random.Random) -> list[Pair]:
    """Lone predictions under callers' ids, batches of 16 in a header, and 500 rows by hand."""

    def label(name: str) -> str:
        return name if chance.random() < 0.75 else str(1 - int(name))

    lone = [_post("/verdict", f"order-{n}", case={"number": n, "country": "DE"}) for n in range(60)]
    pairs = []
    for answer in send_all(server.port, lone):
        own = answer.request.headers[HEADER]
        assert answer.headers[HEADER] == own
        pairs.append((own, answer.json()["label"], answer.json()["label"]))
    for answer in send_all(server.port, [_post("/fraud", numbers=list(range(n, n + 16))) for n in range(40)]):
        found = [str(int(row[1] > row[0])) for row in answer.json()]
        ids = answer.headers[HEADER].split(",")
        assert [one.rpartition(".")[2] for one in ids] == [str(row) for row in range(16)]
        pairs += [(one, name, label(name)) for one, name in zip(ids, found, strict=True)]
    with Client(server.port) as client:
        body = client.send(_post("/by_hand", numbers=list(range(500)))).json()
    pairs += [(one, str(c), label(str(c))) for one, c in zip(body["ids"], body["classes"], strict=True)]
    return pairs


def _told(running: Running, metric: semconv.Metric, service: str, *by: str) -> dict[tuple[str, ...], int]:
    """A counter by some of its labels; of models as a whole, not their slices."""
    where = f'{{service_name="{service}", ml_slice_name=""}}'
    samples = prometheus_query(running.prometheus, f"sum by ({', '.join(by)}) ({metric_name(metric)}{where})")
    return {tuple(s.labels.get(one, "") for one in by): int(s.value or 0) for s in samples}


def test_labels_find_their_predictions_by_plain_ids_whatever_happens_to_elasticsearch(stack: Stack) -> None:
    """Confusion is the truth, exactly; every label that is refused is accounted for; what fails is worth sending again.

    Two workers; callers' own ids, ours, a row each; a tenth comes twice; some ids nobody has.
    """
    running = stack.running() or stack.up()
    service, chance = otlp.new_service(), random.Random(5)
    with _serve(running, service) as server:
        pairs = _predict(server, chance)
        # At once, as its event is on its way.
        first = _send(server, pairs[:1])
        assert first.json() == {"matched": 1, "refused": {}}

        where = f'service.name:"{service}"'
        otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, EVENTS, where), len(pairs))
        (event,) = elasticsearch_search(running.elasticsearch, EVENTS, f'{where} AND ml.prediction.id:"order-4"')
        assert event["event_name"] == semconv.EVENT_PREDICTION
        wanted = {
            "ml.prediction.id": "order-4", "ml.prediction.type": "class", "ml.prediction.class": "b",
            "ml.prediction.confidence": 0.5 + 4 / 14,
            "bentoml.api.name": "verdict", "ml.slice.country": "DE",
        }  # fmt: skip
        assert event["attributes"] == pytest.approx(wanted)
        assert elasticsearch_count(running.elasticsearch, "logs-*.otel-*", f"{where} AND event_name:*") == 0

        now, later = pairs[1:700], pairs[700:]
        sent = now + chance.sample(now, 70)
        chance.shuffle(sent)
        sent += [(f"order-{n}", "a", "a") for n in range(1000, 1020)]
        found: Counter[str] = Counter()
        for start in range(0, len(sent), 50):
            answer = _send(server, sent[start : start + 50]).json()
            found.update(answer["refused"])
            found["matched"] += answer["matched"]
        assert found == {"matched": len(now), "duplicate": 70, "unknown_id": 20}

        stack.crash("elasticsearch")
        by_hand = later[:100]
        answer = _send(server, later[100:])
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        failed = len(later) - 100
        assert answer.json()["refused"] == {"lookup_failed": failed}
        assert answer.json()["errors"][0] == {"position": 0, "reason": "lookup_failed"}
        with Client(server.port) as client:  # nobody will send these again
            ids, labels = [p[0] for p in by_hand], [p[2] for p in by_hand]
            assert client.send(_post("/feedback", ids=ids, labels=labels)).status == 200
            client.send(_post("/verdict", "order-of-the-night", case={"number": 0}))
        assert stack.up().elasticsearch == running.elasticsearch
        again = _until_matched(server, [*later[100:], ("order-of-the-night", "a", "a")])
        pairs.append(("order-of-the-night", "a", "a"))

        confusion = Counter((predicted, label) for _, predicted, label in pairs)
        by = ("ml_prediction_class", "ml_label_class")
        otlp.eventually(lambda: _told(running, semconv.MODEL_CONFUSION, service, *by), dict(confusion), 60)
        refused = _told(running, semconv.LABEL_REFUSED, service, "reason")
        assert refused[("lookup_failed",)] == failed + again["lookup_failed"]
        assert refused[("unknown_id",)] == 20 + again["unknown_id"]
        assert refused[("duplicate",)] == 70 + again["duplicate"]


def _until_matched(server: BentoServer, pairs: list[Pair]) -> Counter[str]:
    """Send labels until all have been matched; what was refused meanwhile."""
    refused: Counter[str] = Counter()
    deadline = time.monotonic() + 90
    while True:
        answer = _send(server, pairs)
        refused.update(answer.json()["refused"])
        if set(answer.json()["refused"]) <= {"duplicate"}:
            return refused
        assert time.monotonic() < deadline, answer.body
        time.sleep(float(answer.headers.get("retry-after", 0.5)))


def test_an_event_that_comes_twice_is_one_prediction_also_after_a_restart(stack: Stack, tmp_path: Path) -> None:
    """A Collector may send a batch again of which it does not know whether it was taken; the first one counts."""
    running = stack.running() or stack.up()
    service = otlp.new_service()
    with _serve(running, service, TMPDIR=str(tmp_path)) as server:
        with Client(server.port) as client:
            for number in (0, 1, 1):
                client.send(_post("/verdict", "twice", case={"number": number}))
        where = f'service.name:"{service}"'
        otlp.eventually(lambda: elasticsearch_count(running.elasticsearch, EVENTS, where), 3)
        assert _send(server, [("twice", "", "a")]).json() == {"matched": 1, "refused": {}}
        assert _send(server, [("twice", "", "a")]).json() == {"matched": 0, "refused": {"duplicate": 1}}
        by = ("ml_prediction_class", "ml_label_class")
        otlp.eventually(lambda: _told(running, semconv.MODEL_CONFUSION, service, *by), {("a", "a"): 1}, 60)
        with Client(server.port) as client:
            client.send(_post("/verdict", "before-the-restart", case={"number": 2}))
        server.stop()
    with _serve(running, service, TMPDIR=str(tmp_path)) as server:  # without a key
        found = _send(server, [("before-the-restart", "", "c"), ("twice", "", "a")]).json()
        assert found == {"matched": 1, "refused": {"duplicate": 1}}


def test_a_class_is_text_whatever_it_looks_like(stack: Stack) -> None:
    """The first prediction of a data stream must not make a date or a number of all that follow."""
    running = stack.running() or stack.up()
    mapping = _http.get_json(f"{running.elasticsearch}/{EVENTS}/_mapping")
    for index in mapping.values():
        attributes = index["mappings"]["properties"]["attributes"]["properties"]
        assert attributes["ml.prediction.class"]["type"] == "keyword"
        assert attributes["ml.prediction.id"]["type"] == "keyword"
        assert attributes["ml.prediction.value"]["type"] == "double"


def test_doctor_finds_all_well(stack: Stack) -> None:
    """Also where no service has ever sent a prediction."""
    running = stack.running() or stack.up()
    for index in (EVENTS, "predictions-of-nobody-*"):
        kept = Settings(predictions=PredictionStore(running.elasticsearch, index))
        (found,) = check_predictions(kept)
        assert (found.level, found.text) == (Level.OK, f"{running.elasticsearch}, {index} can be asked for them")
