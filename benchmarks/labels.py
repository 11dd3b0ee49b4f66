"""What ids and labels cost: making ids, alone and in batches, and matching labels, beside a look-up in a table.

CPU time of this process, the best of several rounds, so that other work on the machine counts little. `event` is what
predictions take that are kept: plain ids, and events with what was predicted, encoded. Plain ids are looked up 1,000 at
once: with `--elasticsearch URL` in a running Elasticsearch, as `BENTO_OBSERVE_PREDICTIONS=elasticsearch` does it (wall
time, since most of it is the server's); and in an in-memory SQLite table, which no network and no other process slows
down.

    python benchmarks/labels.py [--quick] [--elasticsearch http://127.0.0.1:9200]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import urllib3
from _report import json_line, progress, table
from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from bento_observe import semconv
from bento_observe._label_keys import Key, Keys
from bento_observe._prediction_store import PredictionStore
from bento_observe.feedback import Elasticsearch, shape_of
from bento_observe.feedback._classes import Classes
from bento_observe.feedback._elasticsearch import TIME
from bento_observe.feedback._events import EventIssuer, PredictionEvents
from bento_observe.feedback._identifier import Identifier
from bento_observe.feedback._issuing import Issuer, TokenIssuer
from bento_observe.feedback._lookup import Lookup
from bento_observe.feedback._matching import Matcher
from bento_observe.feedback._performance import Performance
from bento_observe.feedback._reading import Read, TokenReader
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._token import Context, Predictions, TokenMaker
from bento_observe.request import RequestSpan, current_request
from bento_observe.telemetry import Health, SignalQueue

_ROWS = 10_000
_CLASSES = ("setosa", "versicolor", "virginica")
_CONTEXT = Context("classify", "iris", "v1")
_HEADER = b"x-prediction-id"
_LIMITS = {"us_per_request": 10.0, "us_per_row.1000": 3.0, "us_per_label.10000": 5.0}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--elasticsearch", help="the URL of one to look predictions up in")
    arguments = parser.parse_args()
    rounds = 5 if arguments.quick else 30
    keys = Keys((Key.of(os.urandom(32)),))
    figures = {
        "us_per_hash": _hashes(rounds),
        "us_per_request": _requests(keys, rounds),
        "us_per_row.1000": _batches(keys, rounds, 1000),
        "us_per_row.100": _batches(keys, rounds, 100),
        "us_per_request.event": _events(rounds),
        "us_per_row.event.1000": _event_rows(rounds, 1000),
        "us_per_label.10000": _labels(keys, rounds, 10_000),
        "us_per_label.1000": _labels(keys, rounds, 1000),
        "us_per_label.1": _labels(keys, rounds, 1),
        "us_per_label.sqlite": _sqlite(rounds),
    }
    if arguments.elasticsearch:
        figures["us_per_label.elasticsearch"] = _elasticsearch(arguments.elasticsearch.rstrip("/"), rounds)
    ratios = {
        f"{name.rpartition('.')[2]}/bento_observe": figures[name] / figures["us_per_label.1000"]
        for name in figures
        if name.endswith(("sqlite", "elasticsearch"))
    }
    rows = [[name, f"{value:.2f}", f"{_LIMITS[name]:g}" if name in _LIMITS else ""] for name, value in figures.items()]
    table("Prediction ids and labels, microseconds", ["", "measured", "at most"], rows)
    json_line("labels", figures, ratios)


def _best(rounds: int, count: int, act: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Microseconds for each of `count`, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        began = clock()
        act()
        best = min(best, clock() - began)
    return best / count * 1e6


def _hashes(rounds: int) -> float:
    """One keyed BLAKE2b of a hundred bytes, two of which an id takes: says how fast the machine is just now."""
    progress("a hash")
    state, data = hashlib.blake2b(key=os.urandom(32), digest_size=9), os.urandom(100)
    count = 10_000

    def act() -> None:
        for _ in range(count):
            one = state.copy()
            one.update(data)
            one.digest()

    return _best(rounds, count, act)


def _requests(keys: Keys, rounds: int) -> float:
    """From a handler's result to the id in the request's header and trace, as `calls` does it."""
    progress("ids of requests")
    return _identified(TokenIssuer(_CONTEXT, TokenMaker(keys)), rounds, lambda: None)


def _events(rounds: int) -> float:
    """The same where predictions are kept; the encoder's part is counted as well."""
    progress("events of requests")
    events = PredictionEvents(_queue(), Health())
    return _identified(EventIssuer(events), rounds, lambda: _encode(events))


def _event_rows(rounds: int, rows: int) -> float:
    """Plain ids of a batch, in two slices, and their events."""
    progress(f"events of {rows} rows")
    events, predictions = PredictionEvents(_queue(), Health()), _predictions(rows)
    issuer = EventIssuer(events)
    contexts = [Context("classify", "iris", "v1", (("country", country),)) for country in ("DE", "FR")]
    which = [number % 2 for number in range(rows)]

    def act() -> None:
        issuer.many(predictions, contexts, which, b"", None)
        _encode(events)

    return _best(rounds * 4, rows, act)


def _queue() -> SignalQueue:
    """One that nothing is dropped from."""
    return SignalQueue("predictions", 1 << 30, Health())


def _encode(events: PredictionEvents) -> None:
    while events.step():
        pass


def _identified(issuer: Issuer, rounds: int, afterwards: Callable[[], None]) -> float:
    identifier = Identifier(_CONTEXT, shape_of(None, None), issuer, _HEADER, Health())
    count = 2000
    spans = []
    for _ in range(count):
        span = RequestSpan()
        span.headers, span.sampled = {}, True
        span.trace_id, span.span_id = bytes(16), bytes(8)
        spans.append(span)
    token = attach(set_span_in_context(spans[0]))
    output = {"label": "setosa", "confidence": 0.875}

    def act() -> None:
        span = spans[0]
        current_request.set(span)
        for _ in range(count):
            span.prediction_ids = None
            identifier.identify(output, ())
            assert span.prediction_ids
        afterwards()

    try:
        return _best(rounds, count, act)
    finally:
        detach(token)
        current_request.set(None)


def _predictions(rows: int) -> Predictions:
    random = np.random.default_rng(0)
    return Predictions(random.choice(_CLASSES, rows).tolist(), confidence=random.random(rows).tolist(), of=3)


def _batches(keys: Keys, rounds: int, rows: int) -> float:
    """Ids of a batch, in two slices."""
    progress(f"ids of {rows} rows")
    maker, predictions = TokenMaker(keys), _predictions(rows)
    contexts = [Context("classify", "iris", "v1", (("country", country),)) for country in ("DE", "FR")]
    which = [number % 2 for number in range(rows)]
    nonce = os.urandom(8)
    return _best(rounds * 4, rows, lambda: maker.tokens(contexts, predictions, nonce, time.time(), which))


def _labels(keys: Keys, rounds: int, at_once: int) -> float:
    """Shuffled labels of many requests, in batches of `at_once`, matched and counted; none comes twice."""
    progress(f"labels, {at_once} at once")
    maker = TokenMaker(keys)
    total = max(at_once, 200)
    seen = Seen(None, 1_000_000, progress)
    seen.add(np.random.default_rng(1).integers(1, 2**63, 200_000, dtype=np.uint64))  # as it is after a while
    best = float("inf")
    for number in range(rounds):
        tokens = maker.tokens([_CONTEXT], _predictions(total), os.urandom(8), time.time())
        random = np.random.default_rng(number)
        tokens = [tokens[position] for position in random.permutation(total)]
        labels = random.choice(_CLASSES, total).tolist()
        performance = Performance(lambda model: Classes(_CLASSES, _CLASSES), lambda model: 0.0)
        matcher = Matcher(TokenReader(keys), lambda: seen, performance, 3600, lambda context, told: None)
        matcher.take(
            maker.tokens([Context("classify", "iris", "v1")], _predictions(1), os.urandom(8), time.time()), ["a"]
        )

        def act(ids: list[str] = tokens, told: list[str] = labels, take: Any = matcher.take) -> None:
            for start in range(0, total, at_once):
                take(ids[start : start + at_once], told[start : start + at_once])

        best = min(best, _best(1, total, act))
    return best


def _sqlite(rounds: int) -> float:
    """Plain ids looked up, 1,000 at once, in a table of as many predictions as are labelled."""
    progress("a look-up in SQLite")
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE predictions (id TEXT PRIMARY KEY, class TEXT, confidence REAL) WITHOUT ROWID")
    ids = [os.urandom(16).hex() for _ in range(_ROWS)]
    database.executemany("INSERT INTO predictions VALUES (?, 'setosa', 0.5)", [(one,) for one in ids])
    marks = ",".join("?" * 1000)

    def act() -> None:
        for start in range(0, _ROWS, 1000):
            query = f"SELECT id, class, confidence FROM predictions WHERE id IN ({marks})"
            assert len(database.execute(query, ids[start : start + 1000]).fetchall()) == 1000

    return _best(rounds, _ROWS, act)


def _elasticsearch(url: str, rounds: int) -> float:
    """The same in an index of a running Elasticsearch, which is made for it and deleted, as labels are matched."""
    progress("a look-up in Elasticsearch")
    name = "bento-observe-labels-benchmark"
    index = f"{url}/{name}"
    pool = urllib3.PoolManager()
    headers = {"content-type": "application/x-ndjson"}
    ids = [os.urandom(16).hex() for _ in range(_ROWS)]
    attributes = {
        semconv.API_NAME: "classify", semconv.ML_MODEL_NAME: "iris", semconv.ML_MODEL_VERSION: "v1",
        semconv.ML_PREDICTION_TYPE: "class", semconv.ML_PREDICTION_CLASS: "setosa",
        semconv.ML_PREDICTION_CONFIDENCE: 0.5,
    }  # fmt: skip
    whose = {"attributes": {semconv.SERVICE_NAME: "benchmark"}}
    lines = [
        json.dumps(line)
        for one in ids
        for line in (
            {"create": {}},
            {TIME: time.time() * 1000, "resource": whose, "attributes": {**attributes, semconv.ML_PREDICTION_ID: one}},
        )
    ]
    strings = {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}
    made = {"mappings": {"properties": {TIME: {"type": "date"}}, "dynamic_templates": [strings]}}
    try:
        pool.request("PUT", index, json=made)
        answer = pool.request("POST", f"{index}/_bulk?refresh=true", body="\n".join([*lines, ""]), headers=headers)
        assert answer.status == 200, answer.data[:500]
        lookup = Lookup(Elasticsearch(PredictionStore(url, name), "benchmark"), "benchmark", Health())

        def act() -> None:
            for start in range(0, _ROWS, 1000):
                some = ids[start : start + 1000]
                read = Read.empty(len(some))
                read.reasons = dict.fromkeys(range(len(some)), semconv.LABEL_MALFORMED)
                lookup.complete(some, read)
                assert not read.reasons

        return _best(min(rounds, 10), _ROWS, act, time.perf_counter)
    finally:
        pool.request("DELETE", index)


if __name__ == "__main__":
    main()
