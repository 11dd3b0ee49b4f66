"""What BentoML answers before or instead of the handler: too many requests, and a time-out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from received import SERVER, Span
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request, send_all


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[BentoServer, Sink]]:
    with Sink() as sink, BentoServer("limited:Limited", sink.environment()) as server:
        yield server, sink


def _trace(sink: Sink, answer: Answer) -> list[Span]:
    sink.wait(lambda: sink.spans(trace_id=answer.trace_id, kind=SERVER))
    return sorted(sink.spans(trace_id=answer.trace_id), key=lambda span: (span.kind != SERVER, span.start_ns))


def test_a_request_too_many_has_its_route_and_status(served: tuple[BentoServer, Sink]) -> None:
    """429 is answered before any routing: the span has the route all the same, and no stages."""
    server, sink = served
    slow = Request("slow", "/wait", b'{"seconds": 0.3}')
    answers = send_all(server.port, [slow] * 6, clients=6)
    refused = next(answer for answer in answers if answer.status == 429)
    spans = _trace(sink, refused)

    assert sorted(answer.status for answer in answers) == [200, 200, 429, 429, 429, 429]
    assert [span.name for span in spans] == ["POST /wait"]
    assert spans[0].attributes["http.route"] == "/wait"
    assert spans[0].attributes["http.response.status_code"] == 429
    assert spans[0].attributes["error.type"] == "429"
    assert spans[0].status == 0  # the client's fault


@pytest.mark.parametrize("path", ["/wait", "/block"])
def test_a_timed_out_request_ends_with_its_answer(served: tuple[BentoServer, Sink], path: str) -> None:
    """504; the predict stage is cut off with the request, also where its thread works on."""
    server, sink = served
    with Client(server.port) as client:
        answer = client.send(Request("late", path, b'{"seconds": 1.2}'))
    request, *stages = _trace(sink, answer)

    assert answer.status == request.attributes["http.response.status_code"] == 504
    assert request.attributes["http.route"] == path
    assert request.status == 2
    assert 0.5e9 <= request.end_ns - request.start_ns < 1e9
    assert [stage.name for stage in stages] == ["decode", "predict"]
    assert all(stage.end_ns <= request.end_ns for stage in stages)


def test_the_wait_for_a_thread_is_a_stage_of_its_own() -> None:
    """Three calls of a fifth of a second on one thread: the last has waited for two of them."""
    with Sink() as sink, BentoServer("everything:Everything", sink.environment()) as server:
        call = Request("blocking", "/nap", b'{"seconds": 0.2}')
        started = threading.Barrier(3)

        def ask() -> None:
            with Client(server.port) as client:
                started.wait()
                assert client.send(call).status == 200

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.stop()

        (queued,) = sink.last("bentoml.api.stage.duration", bentoml__api__name="nap", bentoml__api__stage="queue")
        (predicted,) = sink.last("bentoml.api.stage.duration", bentoml__api__name="nap", bentoml__api__stage="predict")
        assert (queued.count, predicted.count) == (3, 3)
        assert 0.5 < queued.sum < 1.2  # 0 + 0.2 + 0.4
        assert 0.6 <= predicted.sum < 0.9
