"""Counts of matched labels are exact, whichever worker a label comes to, and whatever comes besides."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from typing import Any

from scene import SETTINGS
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request, send_all

from bento_observe._label_keys import KEYS, Key, Keys
from bento_observe.feedback._token import Context, TokenMaker, class_body

_KEY = "the key that all workers and replicas have"
_CLASSES = ("0", "1", "2")
_LABELS_AT_ONCE = 200


def _post(path: str, **fields: Any) -> Request:
    return Request(path, path, json.dumps(fields).encode())


def _predictions() -> list[Request]:
    """20,000 rows: 15,000 in 15 large batches, 4,000 in batches of 16, 1,000 alone, which BentoML puts together."""
    large = [_post("/by_hand", numbers=list(range(number, number + 1000))) for number in range(15)]
    small = [_post("/fraud", numbers=list(range(number, number + 16))) for number in range(250)]
    alone = [_post("/batched", numbers=[number]) for number in range(1000)]
    return large + small + alone


def _predicted(answer: Answer) -> list[tuple[str, str, str]]:
    """API, id and predicted class of each row of an answer."""
    assert answer.status == 200, answer.body
    api, body = answer.request.path[1:], answer.json()
    if api == "by_hand":
        return [(api, one, str(name)) for one, name in zip(body["ids"], body["classes"], strict=True)]
    ids = answer.headers["x-prediction-id"].split(",")
    names = body if api == "batched" else [int(row[1] > row[0]) for row in body]
    return [(api, one, str(name)) for one, name in zip(ids, names, strict=True)]


def _refusable(count: int, some: list[str]) -> list[tuple[str, str]]:
    """Ids that have to be refused, with the reason."""
    context = Context("by_hand")
    old = TokenMaker(Keys((Key.of(_KEY.encode()),)))
    other = TokenMaker(Keys((Key.of(b"another deployment's key"),)))
    made = []
    for number in range(count):
        nonce = number.to_bytes(8, "big")
        if number % 3 == 0:
            made.append((old.token(context, class_body("1", 0.5, 0, time.time() - 40 * 86_400), nonce), "expired"))
        elif number % 3 == 1:
            made.append((other.token(context, class_body("1", 0.5, 0, time.time()), nonce), "other_key"))
        else:
            one = some[number]
            made.append((one[:70] + ("A" if one[70] != "A" else "B") + one[71:], "forged"))
    return made


def test_confusion_counts_are_exact_over_three_workers_one_of_which_is_replaced() -> None:
    """Labels in any order, to any worker, a tenth of them twice, a twentieth refused; a worker ends half way."""
    chance = random.Random(7)
    environment = {KEYS: _KEY}
    with Sink() as sink:
        environment.update({**sink.environment(), **SETTINGS})
        with BentoServer("labelled:Labelled", environment, workers=3) as server:
            rows = [row for answer in send_all(server.port, _predictions()) for row in _predicted(answer)]
            assert len(rows) == 20_000
            pairs = [
                (api, one, name, name if chance.random() < 0.8 else chance.choice(_CLASSES)) for api, one, name in rows
            ]
            expected = Counter((api, name, label) for api, _, name, label in pairs)
            refused = _refusable(1000, [one for _, one, _, _ in pairs])
            sent = [(one, label) for _, one, _, label in pairs]
            sent += chance.sample(sent, 2000)
            sent += [(one, "1") for one, _ in refused]
            chance.shuffle(sent)

            requests = [
                _post("/observe/labels", ids=[one for one, _ in some], labels=[label for _, label in some])
                for some in itertools.zip_longest(*[iter(sent)] * _LABELS_AT_ONCE)
            ]
            _send_labels(server, requests)
            server.stop()
            again = sum(label.value for label in sink.last("ml.label.refused", reason="duplicate"))
            counted: Counter[tuple[str, str, str]] = Counter()
            for point in sink.last("ml.model.confusion"):
                if "ml.slice.name" not in point.attributes:
                    found = point.attributes
                    key = found["bentoml.api.name"], found["ml.prediction.class"], found["ml.label.class"]
                    counted[key] += int(point.value)
            by_reason = {r: sink.value("ml.label.refused", reason=r) for r in ("expired", "other_key", "forged")}

    assert counted == expected
    # What a worker that ended had counted but not answered was sent again, and is a duplicate the second time.
    assert again >= 2000
    assert by_reason == Counter(reason for _, reason in refused)


def _send_labels(server: BentoServer, requests: list[Request]) -> None:
    """Each on a connection of its own, which any worker takes; half way a worker is told to stop."""
    victim = server.workers[0]
    half = len(requests) // 2
    for number, request in enumerate(requests):
        if number == half:
            os.kill(victim, signal.SIGTERM)
        with Client(server.port) as client:
            answer = client.send(request)
        assert answer.status in (200, 422), answer.body
    server.wait_for_output("Service Labelled initialized", count=4)
