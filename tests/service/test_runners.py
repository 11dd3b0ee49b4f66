"""Legacy services and their runners over real processes: one trace each, counts equal to requests, logs correlated."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from received import CLIENT, INTERNAL, SERVER, Span
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request, send_all, traceparent

ROWS = b"[[1, 2, 3, 4], [5, 6, 7, 8]]"
KINDS = {SERVER: "SERVER", CLIENT: "CLIENT", INTERNAL: ""}


def post(path: str, body: bytes = ROWS, content: str = "application/json", **headers: str) -> Request:
    return Request(path, path, body, headers={"content-type": content, **headers})


def words(path: str) -> Request:
    return post(path, b"one two three", "text/plain")


def both() -> Request:
    return post("/both", json.dumps({"rows": [[1, 2, 3, 4]]}).encode())


class Told:
    """What arrived of a server that has stopped, and the answers it gave."""

    def __init__(self, sink: Sink, answers: list[Answer], output: str) -> None:
        self.sink, self.output = sink, output
        self.answers = {answer.request.path: answer for answer in answers}

    def tree(self, path: str) -> list[str]:
        """The trace of the answer to `path`, a span a line, children indented."""
        return tree(self.sink.spans(trace_id=self.answers[path].trace_id))


def tree(spans: list[Span]) -> list[str]:
    """One line a span: its name, kind, service and API; children indented, in the order of their names and APIs."""
    known = {span.span_id for span in spans}

    def lines(span: Span, depth: int) -> Iterator[str]:
        words = (
            span.name,
            KINDS[span.kind],
            span.resource["service.name"],
            span.attributes.get("bentoml.api.name", ""),
        )
        yield "  " * depth + " ".join(word for word in words if word)
        children = [child for child in spans if child.parent_id == span.span_id]
        for child in sorted(children, key=lambda child: (child.name, child.attributes.get("bentoml.api.name", ""))):
            yield from lines(child, depth + 1)

    return [line for span in spans if span.parent_id not in known for line in lines(span, 0)]


def serve(env: dict[str, str], requests: list[Request], *options: str) -> Iterator[Told]:
    with Sink() as sink, BentoServer("runners:svc", {**sink.environment(), **env}, options=options) as server:
        with Client(server.port) as client:
            answers = [client.send(request) for request in requests]
        server.stop()
        yield Told(sink, answers, server.output)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    requests = [post(path) for path in ("/predict", "/predict_sync", "/batch", "/near", "/near_sync", "/broken")]
    streams = [words(path) for path in ("/stream", "/astream", "/near_stream")]
    yield from serve({}, [*requests, both(), *streams])


def api(name: str, *below_predict: str, encode: bool = True) -> list[str]:
    """The lines of a request to the API `name`, those under its predict stage given."""
    stages = ["decode", *(["encode"] if encode else []), "predict"]
    lines = [f"POST /{name} SERVER legacy_shop", *(f"  {stage} legacy_shop {name}" for stage in stages)]
    return [*lines, *(f"    {line}" for line in below_predict)]


def remote(method: str, *below: str) -> list[str]:
    """A call of a method of the runner `remote`."""
    call = [f"POST /{method} CLIENT legacy_shop", f"  POST /{method} SERVER remote"]
    return [*call, *(f"    {line}" for line in below)]


SCORE = remote("score", "decode remote score", "predict remote score", "  look up remote")
NEAR = ["predict legacy_shop inside.score", "  look up legacy_shop"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/predict", api("predict", *SCORE)),
        ("/predict_sync", api("predict_sync", *SCORE)),
        ("/batch", api("batch", *remote("batched", "predict remote batched", "  batch batched remote batched"))),
        ("/both", api("both", *SCORE, *remote("weighted", "decode remote weighted", "predict remote weighted"))),
        ("/broken", api("broken", *remote("fails", "decode remote fails", "predict remote fails"), encode=False)),
        ("/near", api("near", *NEAR)),
        ("/near_sync", api("near_sync", *NEAR)),
        ("/stream", api("stream", *remote("words", "predict remote words"), encode=False)),
        ("/astream", api("astream", *remote("awords", "predict remote awords"), encode=False)),
    ],
)
def test_a_request_is_one_trace_through_both_processes(told: Told, path: str, expected: list[str]) -> None:
    """The API's stages, below `predict` the call, below that the runner's request with its stages. Nothing twice."""
    assert told.tree(path) == expected


def test_a_stream_of_an_embedded_runner_is_a_stage_of_the_request(told: Told) -> None:
    """The handler has returned by the time it runs."""
    top, *stages = told.tree("/near_stream")
    assert top == "POST /near_stream SERVER legacy_shop"
    assert stages == [f"  {line}" for line in (
        "decode legacy_shop near_stream", "predict legacy_shop inside.words", "predict legacy_shop near_stream",
    )]  # fmt: skip


def test_all_requests_were_answered(told: Told) -> None:
    """As plain BentoML does."""
    statuses = {path: answer.status for path, answer in told.answers.items()}
    assert statuses.pop("/broken") == 500
    assert set(statuses.values()) == {200}
    assert told.answers["/stream"].body == told.answers["/near_stream"].body == b"one;two;three;"


def test_a_failing_runner_is_an_error_in_both_processes(told: Told) -> None:
    """With the exception that it was in each; the runner's own answer was a refusal, no fault of the server."""
    spans = told.sink.spans(trace_id=told.answers["/broken"].trace_id)
    found = {
        (span.name, span.kind, span.resource["service.name"]): (span.status, span.attributes.get("error.type"))
        for span in spans
        if span.name != "decode"
    }
    outer, inner = "bentoml.exceptions.RemoteException", "bentoml.exceptions.InvalidArgument"
    assert found == {
        ("POST /broken", SERVER, "legacy_shop"): (2, outer),
        ("predict", INTERNAL, "legacy_shop"): (2, outer),
        ("POST /fails", CLIENT, "legacy_shop"): (2, "400"),
        ("POST /fails", SERVER, "remote"): (0, inner),
        ("predict", INTERNAL, "remote"): (2, inner),
    }


def test_a_call_of_a_runner_says_where_it_went_as_any_call_does(told: Told) -> None:
    """By the conventions of HTTP clients."""
    (call,) = told.sink.spans(trace_id=told.answers["/predict"].trace_id, kind=CLIENT)
    assert call.attributes.pop("server.address").endswith(".sock")
    assert call.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.template": "/score",
        "network.transport": "unix",
        "service.peer.name": "remote",
    }


def test_probes_of_readiness_are_no_spans(told: Told) -> None:
    """The API server asks its runners whenever it is asked, and BentoML makes a client span of each."""
    assert "path=/readyz" in told.output  # on the console they are, as without us
    assert not [span for span in told.sink.spans() if "readyz" in json.dumps(span.attributes) or span.name == "GET"]


def test_counts_equal_requests_in_each_process(told: Told) -> None:
    """HTTP requests by service and route; calls by method."""
    counts = {
        (point.resource["service.name"], point.attributes["http.route"]): point.count
        for point in told.sink.last("http.server.request.duration")
    }
    api_routes = {("legacy_shop", path): 1 for path in told.answers}
    methods = {"score": 3, "weighted": 1, "batched": 1, "fails": 1, "words": 1, "awords": 1}
    assert counts == {**api_routes, **{("remote", f"/{name}"): count for name, count in methods.items()}}
    calls = {
        (point.attributes["service.peer.name"], point.attributes["url.template"]): point.count
        for point in told.sink.last("http.client.request.duration")
    }
    assert calls == {("remote", f"/{name}"): count for name, count in methods.items()}
    clients = {point.metric for point in told.sink.points() if point.metric.startswith("http.client")}
    assert clients == {"http.client.request.duration"}


def test_the_wait_for_the_runners_thread_is_told(told: Told) -> None:
    """A runner has one thread; the time between having the arguments and running is the stage `queue`."""
    queued = told.sink.last("bentoml.api.stage.duration", bentoml__api__stage="queue", bentoml__api__name="score")
    assert [(point.resource["service.name"], point.count) for point in queued] == [("remote", 3)]


def test_features_are_counted_where_they_are_decoded(told: Told) -> None:
    """Rows of the API in its process, rows of the method in the runner's, those of an embedded one by its name."""
    rows = Counter()
    for point in told.sink.last("ml.feature.value", ml__feature__name="0"):
        rows[point.resource["service.name"], point.attributes["bentoml.api.name"], point.attributes["ml.signal"]] = (
            point.count
        )
    names = ("predict", "predict_sync", "batch", "near", "near_sync", "broken")
    assert rows == {
        **{("legacy_shop", name, "input"): 2 for name in names},
        ("legacy_shop", "both", "input"): 1,
        ("legacy_shop", "inside.score", "input"): 4,
        ("remote", "score", "input"): 5,
        ("remote", "weighted", "input"): 1,
        ("remote", "batched", "input"): 2,
        ("remote", "fails", "input"): 2,
    }
    predictions = told.sink.last("ml.feature.value", ml__signal="prediction", bentoml__api__name="score")
    assert [point.count for point in predictions] == [5]
    assert told.sink.value("bento_observe.dropped") == 0


def test_log_lines_carry_the_span_they_were_written_in(told: Told) -> None:
    """The API's line its predict span, the runner's line the predict span of the runner, each access line its own."""
    spans = told.sink.spans(trace_id=told.answers["/predict"].trace_id)
    by_id = {span.span_id: (span.name, span.resource["service.name"]) for span in spans}
    found = [
        (log.body if log.scope == "legacy.shop" else log.scope, log.resource["service.name"], by_id[log.span_id])
        for log in told.sink.logs(trace_id=told.answers["/predict"].trace_id)
    ]
    assert sorted(found) == [
        ("asked for 2", "legacy_shop", ("predict", "legacy_shop")),
        ("bentoml.access", "legacy_shop", ("POST /predict", "legacy_shop")),
        ("bentoml.access", "remote", ("POST /score", "remote")),
        ("scoring 2", "remote", ("predict", "remote")),
    ]


def test_each_process_is_a_service_of_its_own(told: Told) -> None:
    """One instance id a process, under the bento's name."""
    seen = {
        (span.resource["service.name"], span.resource["service.namespace"], span.resource["service.instance.id"])
        for span in told.sink.spans()
    }
    assert sorted(name for name, *_ in seen) == ["legacy_shop", "remote"]
    assert {namespace for _, namespace, _ in seen} == {"legacy_shop"}


def test_a_client_that_leaves_a_stream_ends_it_in_both_processes() -> None:
    """Every span ends, with what happened, while the server goes on."""
    with (
        Sink() as sink,
        BentoServer("runners:svc", {**sink.environment(), "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}) as server,
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            head = "POST /endless HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
            connection.sendall(head.encode())
            while b"xxx" not in connection.recv(4096):
                pass
        spans = sink.wait(lambda: len(sink.spans(kind=SERVER)) == 2 and sink.spans())

        by_name = {(span.name, span.kind, span.resource["service.name"]): span for span in spans}
        assert by_name["POST /endless", SERVER, "legacy_shop"].attributes["error.type"] == "client_disconnect"
        assert by_name["POST /endless", SERVER, "remote"].attributes["error.type"] == "client_disconnect"
        assert tree(spans) == api("endless", *remote("endless", "predict remote endless"), encode=False)
        with Client(server.port) as client:
            assert client.send(post("/predict")).status == 200


def test_batches_are_linked_with_their_requests_and_sums_are_exact() -> None:
    """192 requests from 16 clients with traces of their own: each in one batch, each waited for, none in another's.

    A batch of one is a part of its request's trace, one of several is a trace of its own, as of any service.
    """
    requests = [post("/batch", b"[[1, 2, 3, 4]]", traceparent=traceparent()) for _ in range(192)]
    with Sink() as sink, BentoServer("runners:svc", sink.environment()) as server:
        answers = send_all(server.port, requests, clients=16)
        server.stop()

        assert {answer.status for answer in answers} == {200}
        spans = {span.span_id: span for span in sink.spans()}
        members = [s for s in spans.values() if s.kind == SERVER and s.resource["service.name"] == "remote"]
        batches = [span for span in spans.values() if span.name == "batch batched"]
        waits = [s for s in spans.values() if s.name == "predict" and s.resource["service.name"] == "remote"]
        traces = {answer.trace_id for answer in answers}
        in_batch: Counter[str] = Counter()
        for batch in batches:
            linked = [spans[link.span_id] for link in batch.links]
            in_batch.update(span.span_id for span in linked)
            assert batch.attributes["bentoml.batch.size"] == batch.attributes["bentoml.batch.rows"] == len(linked)
            assert all([link.span_id for link in waiting.links] == [batch.span_id] for waiting in linked)
            if len(linked) == 1:
                assert (batch.parent_id, batch.trace_id) == (linked[0].span_id, linked[0].trace_id)
            else:
                assert (batch.parent_id, batch.trace_id in traces) == ("", False)
        assert in_batch == Counter(span.span_id for span in waits)
        assert len(members) == len(traces) == 192
        assert {span.trace_id for span in members} == traces
        assert max(batch.attributes["bentoml.batch.size"] for batch in batches) > 1

        assert sorted(span.parent_id for span in waits) == sorted(span.span_id for span in members)
        assert all(
            0 <= span.attributes["bentoml.batch.wait"] <= (span.end_ns - span.start_ns) / 1e9 + 0.001 for span in waits
        )

        (size,) = sink.last("bentoml.batch.size", bentoml__api__name="batched")
        (rows,) = sink.last("bentoml.batch.rows", bentoml__api__name="batched")
        (wait,) = sink.last("bentoml.batch.wait", bentoml__api__name="batched")
        assert (size.count, size.sum, rows.sum, wait.count) == (len(batches), 192, 192, 192)
        assert sink.count("ml.feature.value", bentoml__api__name="batched", ml__signal="input") == 192 * 4
        lines = [log for log in sink.logs(scope="legacy.shop") if log.body.startswith("a batch")]
        assert {log.span_id for log in lines} == {span.span_id for span in batches}


def test_nothing_is_lost_at_sigterm() -> None:
    """400 answers by two API workers, then SIGTERM at once: all of them are spans, counts and log lines in both."""
    with Sink() as sink, BentoServer("runners:svc", sink.environment(), workers=2) as server:
        answers = send_all(server.port, [post("/predict") for _ in range(400)], clients=8)
        server.stop()

        spans = sink.spans()
        of_kind = Counter((span.kind, span.resource["service.name"]) for span in spans)
        assert of_kind[SERVER, "legacy_shop"] == of_kind[CLIENT, "legacy_shop"] == of_kind[SERVER, "remote"] == 400
        known = {span.span_id for span in spans}
        assert [span for span in spans if span.parent_id and span.parent_id not in known] == []
        assert len({span.trace_id for span in spans}) == len({answer.trace_id for answer in answers}) == 400
        for service in ("legacy_shop", "remote"):
            counted = [p for p in sink.last("http.server.request.duration") if p.resource["service.name"] == service]
            logged = [
                log
                for log in sink.logs(scope="bentoml.access")
                if log.resource["service.name"] == service and log.trace_id  # those of probes have none
            ]
            assert sum(point.count for point in counted) == len(logged) == 400


def test_in_development_the_runner_lives_in_the_api_server() -> None:
    """Its methods are stages of the request then; there is no call."""
    for told in serve({}, [post("/predict"), words("/astream")], "--development"):
        inner = ["predict legacy_shop remote.score", "  look up legacy_shop"]
        assert told.tree("/predict") == api("predict", *inner)
        assert told.tree("/astream") == api("astream", "predict legacy_shop remote.awords", encode=False)


def test_a_runner_may_be_observed_alone() -> None:
    """The service being plain BentoML, the runner's traces begin with the runner; its numbers are all there."""
    with Sink() as sink:
        env = {**sink.environment(), "TEST_SERVICE_OBSERVED": "0"}
        with BentoServer("runners:svc", env) as server:
            with Client(server.port) as client:
                given = traceparent(sampled=False)
                statuses = [client.send(post("/predict", traceparent=head)).status for head in (given, traceparent())]
                statuses.append(client.send(post("/near")).status)
            server.stop()
            assert statuses == [200, 200, 200]
            assert server.output.count("runner inside is embedded in a service that is not observed") == 1
        traces = {span.trace_id for span in sink.spans()}
        assert len(traces) == 2
        assert given.split("-")[1] in traces
        for trace in traces:
            assert tree(sink.spans(trace_id=trace)) == [line[4:] for line in [f"  {line}" for line in SCORE[1:]]]
        assert {span.parent_id for span in sink.spans(kind=SERVER)} == {""}
        assert sink.count("http.server.request.duration", http__route="/score") == 2


def test_traces_of_runners_are_whole_where_the_caller_cannot_be_observed() -> None:
    """They begin with the runner: BentoML sends the context of a span that is never told, and not sampled."""
    broken = {"TEST_BREAK": "bento_observe.runners._apps", "TEST_BREAK_IN": "api_server"}
    for told in serve(broken, [post("/predict"), words("/astream")]):
        assert {answer.status for answer in told.answers.values()} == {200}
        traces = {span.trace_id for span in told.sink.spans()}
        assert sorted(span.name for span in told.sink.spans(kind=SERVER)) == ["POST /awords", "POST /score"]
        assert len(traces) == 2
        assert {span.parent_id for span in told.sink.spans(kind=SERVER)} == {""}


def test_a_service_may_be_observed_with_its_runners() -> None:
    """`observe` of the service alone observes all its runners."""
    for told in serve({"TEST_RUNNER_OBSERVED": "0"}, [post("/predict"), post("/near")]):
        assert told.tree("/predict") == api("predict", *SCORE)
        assert told.tree("/near") == api("near", *NEAR)


def test_a_disabled_sdk_leaves_plain_runners() -> None:
    """Nothing is sent."""
    for told in serve({"OTEL_SDK_DISABLED": "true"}, [post("/predict"), post("/near")]):
        assert {answer.status for answer in told.answers.values()} == {200}
        assert "x-bentoml-trace-id" not in told.answers["/predict"].headers
        assert told.sink.exports == []


def test_what_cannot_be_observed_is_served_all_the_same() -> None:
    """The module with our applications cannot be imported, in neither process: told in each, and both serve."""
    for told in serve({"TEST_BREAK": "bento_observe.runners._apps"}, [post("/predict"), post("/near")]):
        assert {answer.status for answer in told.answers.values()} == {200}
        assert told.output.count("cannot be set up; legacy_shop is served unobserved") == 1
        assert told.output.count("cannot be set up; runner remote is served unobserved") == 1
