"""64 clients at once on a service with two dependencies, one of them batching: every span in its place, sums exact."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from typing import Any

from received import CLIENT, INTERNAL, SERVER, Span
from scene import SETTINGS
from server import BentoServer
from sink import Sink
from traffic import Answer, Request, send_all, traceparent

CLIENTS, REQUESTS = 64, 3000
PATHS = {"/both": "scale", "/both_async": "ascale"}
"""API of the service -> the one of Scaler that it calls."""
STAGES = ("decode", "predict", "encode")
BATCH = ("batch score", "look up")


def requests() -> list[Request]:
    """Each with a trace of its own; their sums are whole numbers, exact in any order."""
    found = []
    for number in range(REQUESTS):
        count = random.randint(1, 5)
        rows = [[float(random.randint(-50, 50)), 1.0] for _ in range(count)]
        path = list(PATHS)[number % 2]
        headers = {"traceparent": traceparent()}
        found.append(Request(path, path, json.dumps({"rows": rows}).encode(), rows=count, headers=headers))
    return found


def wanted_spans(path: str) -> Counter[tuple[str, int, str]]:
    """Service, kind and name of every span of a request, batches aside."""
    api = PATHS[path]
    stages = [(service, INTERNAL, stage) for service in ("Composed", "Scorer", "Scaler") for stage in STAGES]
    calls = [("Composed", CLIENT, "POST /score"), ("Composed", CLIENT, f"POST /{api}")]
    called = [("Scorer", SERVER, "POST /score"), ("Scaler", SERVER, f"POST /{api}")]
    return Counter([("Composed", SERVER, f"POST {path}"), *stages, *calls, *called])


def test_under_64_clients_every_span_is_in_its_trace_and_every_sum_is_exact() -> None:
    sent = requests()
    with Sink() as sink, BentoServer("composed:Composed", {**sink.environment(), **SETTINGS}) as server:
        answers = send_all(server.port, sent, clients=CLIENTS)
        server.stop()  # what was answered is sent before it ends

        assert len(answers) == REQUESTS
        for answer in answers:
            rows = json.loads(answer.request.body)["rows"]
            assert (answer.status, answer.json()) == (200, 2 * sum(map(sum, rows)))
        spans = sink.spans()
        traces = _each_in_its_trace(spans, answers)
        batches = _batches_and_their_requests(spans, traces)
        _sums(sink, sent, batches)
        assert sink.last("bento_observe.errors") == []
        assert sink.last("bento_observe.dropped") == []


def _each_in_its_trace(spans: list[Span], answers: list[Answer]) -> set[str]:
    """No orphan, no stranger, nothing missing, nothing twice. Returns the clients' trace ids."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    callers, roots = {}, [f"POST {path}" for path in PATHS]
    for answer in answers:
        _, trace_id, caller, _ = answer.request.headers["traceparent"].split("-")
        assert answer.trace_id == trace_id
        callers[trace_id] = caller
        found = Counter(
            (span.resource["service.name"], span.kind, span.name)
            for span in by_trace[trace_id]
            if span.name not in BATCH
        )
        assert found == wanted_spans(answer.request.path)
    for span in spans:
        assert span.status == 0
        if span.parent_id == callers.get(span.trace_id, ""):  # the caller's, or the first span of a batch's own trace
            assert span.name in (roots if span.trace_id in callers else ("batch score",))
            continue
        parent = by_id[span.parent_id]
        assert parent.trace_id == span.trace_id
        assert _may_be_below(span, parent), (span.name, parent.name)
    return set(callers)


def _may_be_below(span: Span, parent: Span) -> bool:
    service, outer = span.resource["service.name"], parent.resource["service.name"]
    if span.kind == SERVER:
        return parent.kind == CLIENT and parent.attributes["service.peer.name"] == service and parent.name == span.name
    if service != outer:
        return False
    if span.name == "look up":
        return parent.name == "batch score"
    if span.kind == CLIENT or span.name == "batch score":
        return parent.name == "predict"
    return parent.kind == SERVER


def _batches_and_their_requests(spans: list[Span], traces: set[str]) -> list[Span]:
    """Links both ways; of one request below it, of several in a trace of its own. Returns the batches."""
    batches = [span for span in spans if span.name == "batch score"]
    members = {
        (span.trace_id, span.span_id): span
        for span in spans
        if span.name == "predict" and span.resource["service.name"] == "Scorer"
    }
    there = {(batch.span_id, link.span_id) for batch in batches for link in batch.links}
    back = {(link.span_id, span.span_id) for span in members.values() for link in span.links}
    assert there == back
    assert {member for _, member in there} == {span_id for _, span_id in members}
    for batch in batches:
        assert len(batch.links) == batch.attributes["bentoml.batch.size"]
        assert {(link.trace_id, link.span_id) for link in batch.links} <= set(members)
        alone = len(batch.links) == 1
        assert (batch.trace_id in traces) == alone
        assert batch.parent_id == (batch.links[0].span_id if alone else "")
    look_ups = Counter(span.parent_id for span in spans if span.name == "look up")
    assert look_ups == {batch.span_id: 1 for batch in batches}
    assert max(len(batch.links) for batch in batches) > 1
    return batches


def _sums(sink: Sink, sent: list[Request], batches: list[Span]) -> None:
    """Requests, rows, batches and features, in spans and in metrics."""
    rows = sum(request.rows for request in sent)
    parts = sum(batch.attributes["bentoml.batch.size"] for batch in batches)  # a request may be in several batches
    score: dict[str, Any] = {"bentoml__api__name": "score"}
    assert sum(batch.attributes["bentoml.batch.rows"] for batch in batches) == rows
    assert sink.count("bentoml.batch.size", **score) == sink.count("bentoml.batch.rows", **score) == len(batches)
    assert sum(point.sum for point in sink.last("bentoml.batch.size", **score)) == parts
    assert sum(point.sum for point in sink.last("bentoml.batch.rows", **score)) == rows
    assert sink.count("bentoml.batch.wait", **score) == REQUESTS
    assert sink.count("bentoml.api.stage.duration", bentoml__api__stage="queue", **score) == REQUESTS
    for path, api in PATHS.items():
        share = sum(request.path == path for request in sent)
        for route in (path, f"/{api}"):
            assert sink.count("http.server.request.duration", http__route=route) == share
        for stage in STAGES:
            assert sink.count("bentoml.api.stage.duration", bentoml__api__name=api, bentoml__api__stage=stage) == share
        assert sink.count("ml.feature.value", bentoml__api__name=api, ml__signal="input") == share
        assert sink.count("ml.feature.value", bentoml__api__name=api, ml__signal="prediction") == share
    assert sink.count("http.server.request.duration", http__route="/score") == REQUESTS
    for stage in STAGES:
        assert sink.count("bentoml.api.stage.duration", bentoml__api__stage=stage, **score) == REQUESTS
    inputs = sink.last("ml.feature.value", ml__signal="input", **score)
    assert {point.attributes["ml.feature.name"]: point.count for point in inputs} == {"0": rows, "1": rows}
    first = sum(point.sum for point in inputs if point.attributes["ml.feature.name"] == "0")
    assert round(first, 6) == sum(row[0] for request in sent for row in json.loads(request.body)["rows"])
    assert sink.count("ml.feature.value", ml__signal="prediction", **score) == rows
