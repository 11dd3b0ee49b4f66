"""The thread that sends: patient while the process runs, prompt when it stops, and its accounts balance."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from ports import black_hole, free_port
from sink import Sink

from bento_observe import semconv, wire
from bento_observe.settings import Endpoint, Settings
from bento_observe.telemetry import Health, SignalQueue, _transport
from bento_observe.telemetry._exports import ExportTimes
from bento_observe.telemetry._sender import Sender
from bento_observe.telemetry._transport import Transport

CHUNK = wire.scoped(wire.scope("test"), [wire.message(b"\x12", Span(name="one").SerializeToString())])


class Bench:
    """A queue, a sender and their accounts."""

    def __init__(self, port: int, limit: int = 1 << 20, timeout: float = 10.0) -> None:
        self.health = Health()
        self.queue = SignalQueue("traces", limit, self.health)
        endpoint = Endpoint(url=f"http://127.0.0.1:{port}")

        def connect() -> Transport:
            transport = _transport.create("traces", endpoint)
            assert transport is not None
            return transport

        self._times = ExportTimes(Settings(traces=endpoint))
        self._sender = Sender(self.queue, connect, b"", timeout, self.health, self._times)
        self._sender.start()

    def put(self, count: int) -> None:
        for _ in range(count):
            self.queue.put(CHUNK, 1)

    def stop(self, seconds: float) -> float:
        """How long it took."""
        began = time.monotonic()
        self._sender.stop(began + seconds)
        self._sender.join()
        return time.monotonic() - began

    @property
    def sent(self) -> int:
        return self.health.total(semconv.EXPORTED)

    @property
    def attempts(self) -> dict[str | None, tuple[int, float]]:
        """error.type -> how many, and how many seconds they took."""
        found = {}
        for metric in self._times.collect(time.time_ns()):
            for point in metric.histogram.data_points:
                attributes = {each.key: each.value.string_value for each in point.attributes}
                assert attributes["otel.component.type"] == "otlp_grpc_span_exporter"
                found[attributes.get("error.type")] = point.count, point.sum
        return found

    @property
    def dropped(self) -> dict[tuple[str, ...], int]:
        return self.health.counts()[semconv.DROPPED]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


def test_everything_put_before_the_stop_is_sent(sink: Sink) -> None:
    """In a few large requests, at once."""
    bench = Bench(sink.grpc_port)
    bench.put(5000)

    assert bench.stop(5.0) < 4.0
    assert len(sink.spans()) == bench.sent == 5000
    assert bench.dropped == {}
    assert len(sink.exports) < 50


def test_what_is_put_while_it_runs_is_sent_within_a_second(sink: Sink) -> None:
    """Without any stop."""
    bench = Bench(sink.grpc_port)
    bench.put(3)
    sink.wait(lambda: len(sink.spans()) == 3, timeout=3)
    bench.stop(1.0)


@pytest.mark.parametrize("kind", ["absent", "silent", "hang"])
def test_a_stop_is_prompt_and_what_was_not_sent_is_counted(sink: Sink, kind: str) -> None:
    """Within the given time, whatever the endpoint does."""
    sink.behaviour = "hang"
    with black_hole() as hole:
        bench = Bench({"absent": free_port(), "silent": hole, "hang": sink.grpc_port}[kind])
        bench.put(100)
        assert bench.stop(1.0) < 1.5
    assert bench.sent == 0
    assert bench.dropped == {("traces", "shutdown"): 100}


def test_an_outage_costs_only_what_did_not_fit_into_the_queue(sink: Sink) -> None:
    """Sent and dropped make up all that was put; the newest are among the sent."""
    sink.stop()
    bench = Bench(sink.grpc_port, limit=100 * len(CHUNK))
    bench.put(1000)
    sink.start()
    sink.wait(sink.spans, timeout=10)
    bench.put(50)
    bench.stop(5.0)

    assert len(sink.spans()) == bench.sent
    assert bench.sent + bench.dropped["traces", "queue_full"] == 1050
    assert bench.sent >= 150


def test_what_is_refused_for_good_is_not_sent_again(sink: Sink) -> None:
    """It is counted, and what comes later has its own chance."""
    sink.behaviour = "reject"
    bench = Bench(sink.grpc_port)
    bench.put(10)
    sink.wait(lambda: sink.refused)
    sink.behaviour = "accept"
    bench.put(5)
    bench.stop(5.0)

    assert bench.dropped == {("traces", "rejected"): 10}
    assert len(sink.spans()) == bench.sent == 5


def test_an_endpoint_that_asks_for_time_gets_it(sink: Sink) -> None:
    """The same batch comes again, not before the time that it said, and once it is taken only once."""
    sink.behaviour, sink.retry_after = "busy", 1.0
    bench = Bench(sink.grpc_port)
    bench.put(10)
    first = sink.wait(lambda: sink.refused)[0]
    sink.behaviour = "accept"
    sink.wait(sink.spans, timeout=5)
    bench.stop(1.0)

    assert sink.exports[0].when - first.when >= 1.0
    assert sink.exports[0].body == first.body
    assert len(sink.spans()) == 10


def test_the_time_of_each_attempt_is_counted_by_what_came_of_it(sink: Sink) -> None:
    """Those that fail beside those that do not."""
    sink.behaviour = "reject"
    bench = Bench(sink.grpc_port)
    assert bench.attempts == {}
    bench.put(1)
    sink.wait(lambda: sink.refused)
    sink.behaviour = "accept"
    bench.put(1)
    bench.stop(5.0)

    assert {error: count for error, (count, _) in bench.attempts.items()} == {"invalid_argument": 1, None: 1}
    assert all(0 < seconds < 5 for _, seconds in bench.attempts.values())
