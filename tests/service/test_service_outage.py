"""Whatever the Collector does, requests are answered right, the server stops in time and losses are counted."""

from __future__ import annotations

import time

import pytest
from memory import resident, useless_collector
from server import BentoServer
from sink import Sink
from traffic import PREDICT, STATUS, mixed, send_all

FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
SMALL_QUEUE = {"BENTO_OBSERVE_QUEUE_BYTES": "65536"}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("kind", ["absent", "silent", "hang", "reject"])
def test_a_useless_collector_is_never_in_the_way(kind: str, protocol: str) -> None:
    """Every answer is right, the server stops within 5 s, and what was given up is at BentoML's /metrics."""
    with (
        useless_collector(kind, protocol) as env,
        BentoServer("simple:Simple", {**env, **FAST, **SMALL_QUEUE}) as server,
    ):
        answers = send_all(server.port, mixed(600))
        dropped = server.prometheus("bento_observe_dropped_total")
        stop_seconds = server.stop()

        assert [answer for answer in answers if answer.status != STATUS[answer.request.kind]] == []
        reason = "rejected" if kind == "reject" else "queue_full"
        assert sum(count for labels, count in dropped.items() if f'reason="{reason}"' in labels) > 0
        assert stop_seconds < 5


def test_after_a_collector_came_back_new_telemetry_arrives_and_losses_are_told() -> None:
    """Server spans that arrived and spans told as dropped make up all that were made; the process stays the same."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **FAST, **SMALL_QUEUE}) as server:
        before = send_all(server.port, [PREDICT] * 20)
        sink.wait(lambda: len(sink.spans()) == 80, what="the spans from before the outage")

        sink.stop()
        during = send_all(server.port, [PREDICT] * 600)
        sink.start()
        after = send_all(server.port, [PREDICT] * 20)
        ids = {answer.trace_id for answer in after}
        sink.wait(lambda: ids <= {span.trace_id for span in sink.spans()}, timeout=20, what="the new traces")
        server.stop()

        assert {answer.status for answer in before + during + after} == {200}
        dropped = sink.value("bento_observe.dropped", signal="traces")
        assert dropped > 0
        assert len(sink.spans()) + dropped == 4 * 640
        assert sink.count("http.server.request.duration") == 640


def test_a_collector_that_is_busy_is_asked_again_when_it_says() -> None:
    """RESOURCE_EXHAUSTED with RetryInfo in its status details, as gRPC-Go sends it, is not a refusal for good."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **FAST}) as server:
        sink.behaviour, sink.retry_after = "busy", 0.2
        send_all(server.port, [PREDICT] * 20)
        sink.wait(lambda: {export.signal for export in sink.refused} == {"traces", "metrics", "logs"})
        sink.behaviour = "accept"
        sink.wait(lambda: len(sink.spans()) == 80, what="the spans that were refused at first")
        server.stop()

        assert sink.points(metric="bento_observe.dropped") == []


def test_what_a_collector_refuses_of_a_request_is_counted() -> None:
    """A partial success says how many items were not taken."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **FAST}) as server:
        sink.behaviour = "partial"
        send_all(server.port, [PREDICT])
        sink.wait(lambda: sink.value("bento_observe.dropped", signal="traces", reason="rejected") == 1)


@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_memory_stays_flat_while_nothing_can_be_sent(kind: str) -> None:
    """Once the queues are full, another 4,000 requests add less than 8 MiB to the worker (`memory.py`: 50,000)."""
    with useless_collector(kind) as env:
        full = {"TEST_TIMEOUT": "2", "BENTO_OBSERVE_QUEUE_BYTES": str(1 << 20)}
        sizes = resident({**env, **full}, requests=12_000, parts=3)

    assert sizes[2] - sizes[1] < 8


def test_the_collector_may_come_up_after_the_service() -> None:
    """What was recorded before is kept and sent once there is somebody to take it."""
    sink = Sink()
    with BentoServer("simple:Simple", {**sink.environment(), **FAST}) as server:
        send_all(server.port, [PREDICT] * 20)
        began = time.monotonic()
        with sink:
            sink.wait(lambda: len(sink.spans()) == 80, timeout=20, what="the spans from before the start")
            assert time.monotonic() - began < 15
            server.stop()
            assert sink.points(metric="bento_observe.dropped") == []
