"""20,000 predictions of the service `labelled`, and all that is sent for them: labels, duplicates, ids of no use."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from server import BentoServer
from traffic import Answer, Client, Request, send_all

from bento_observe._label_keys import Key, Keys
from bento_observe.feedback._token import Context, TokenMaker, class_body

KEY = "the key that all workers and replicas have"
ROWS, TWICE = 20_000, 2_000

_CLASSES = ("0", "1", "2")
_REFUSED = 1_000
_LABELS_AT_ONCE = 200


class LabelsScene:
    """What is to be sent, in any order, and what it has to come to.

    Attributes:
        expected: labels by API, predicted and true class.
        refused: labels by the reason for which they have to be refused, duplicates apart.
        requests: those with the labels, `ROWS`, `TWICE` and the refused ones in all.
    """

    def __init__(self, port: int) -> None:
        chance = random.Random(7)
        rows = [row for answer in send_all(port, _predictions()) for row in _predicted(answer)]
        assert len(rows) == ROWS
        pairs = [
            (api, one, name, name if chance.random() < 0.8 else chance.choice(_CLASSES)) for api, one, name in rows
        ]
        self.expected = Counter((api, name, label) for api, _, name, label in pairs)
        refused = _refusable([one for _, one, _, _ in pairs[:_REFUSED]])
        self.refused = Counter(reason for _, reason in refused)
        sent = [(one, label) for _, one, _, label in pairs]
        sent += chance.sample(sent, TWICE)
        sent += [(one, "1") for one, _ in refused]
        chance.shuffle(sent)
        self.requests = [
            _post("/observe/labels", ids=[one for one, _ in some], labels=[label for _, label in some])
            for some in itertools.zip_longest(*[iter(sent)] * _LABELS_AT_ONCE)
        ]

    def send(self, server: BentoServer, half_way: Callable[[int], None]) -> None:
        """Each on a connection of its own, which any worker takes; `half_way` gets the number of labels sent by then,
        and ends one of three workers, which is back for the last quarter."""
        half = len(self.requests) // 2
        for number, request in enumerate(self.requests):
            if number == half:
                half_way(half * _LABELS_AT_ONCE)
            if number == half + half // 2:
                server.wait_for_output("Service Labelled initialized", count=4)
            with Client(server.port) as client:
                answer = client.send(request)
            assert answer.status in (200, 422), answer.body


def _post(path: str, **fields: Any) -> Request:
    return Request(path, path, json.dumps(fields).encode())


def _predictions() -> list[Request]:
    """15,000 rows in 15 large batches, 4,000 in batches of 16, 1,000 alone, which BentoML puts together."""
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


def _refusable(some: list[str]) -> list[tuple[str, str]]:
    """As many ids that have to be refused, with the reason."""
    context = Context("by_hand")
    old = TokenMaker(Keys((Key.of(KEY.encode()),)))
    other = TokenMaker(Keys((Key.of(b"another deployment's key"),)))
    made = []
    for number, one in enumerate(some):
        nonce = number.to_bytes(8, "big")
        if number % 3 == 0:
            made.append((old.token(context, class_body("1", 0.5, 0, time.time() - 40 * 86_400), nonce), "expired"))
        elif number % 3 == 1:
            made.append((other.token(context, class_body("1", 0.5, 0, time.time()), nonce), "other_key"))
        else:
            made.append((one[:70] + ("A" if one[70] != "A" else "B") + one[71:], "forged"))
    return made
