"""A process that an observed one has forked: what it records is nobody's, so it keeps none of it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator

import bentoml
import pytest
from opentelemetry.trace import SpanContext, TraceFlags
from sink import Sink

from bento_observe import _monitoring, semconv, settings
from bento_observe._recording import Drift, FeatureRecording
from bento_observe._references import References
from bento_observe.request import (
    AccessLog,
    AccessLogOptions,
    BatchSpan,
    CallSpan,
    RequestMetrics,
    RequestSource,
    SpanEncoder,
)
from bento_observe.telemetry import Identity, Telemetry

_SECONDS = 10


class Api:
    @bentoml.api
    def predict(self, data: float) -> float:
        return data


class Parts:
    """All that keeps something of a request until the encoder thread takes it."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry, self.health = telemetry, telemetry.health
        access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
        traces, logs = telemetry.queues["traces"], telemetry.queues["logs"]
        self.calls = RequestSource(
            SpanEncoder({}), RequestMetrics("trace_based"), access_log, traces, logs, self.health
        )
        self.features = FeatureRecording(References(None, pytest.fail), {}, self.health, Drift())
        self.recorder = self.features.recorder(Api.predict, "predict")
        for source in (self.calls, self.features):
            telemetry.add(source)

    def record(self) -> None:
        """Something of everything."""
        parent = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        self.calls.add(CallSpan(parent, "http://localhost", "/score", "Scorer"))
        self.calls.add(BatchSpan("predict", [], 1, 0))
        self.recorder.inputs((1.0,), {}).output(2.0)
        _monitoring.feed("any", [(1.0, "x", "feature", "numerical", False)])
        assert self.telemetry.log_handler is not None
        self.telemetry.log_handler.handle(logging.makeLogRecord({"msg": "any", "levelno": logging.INFO}))
        self.telemetry.providers.tracer_provider.get_tracer("any").start_span("any").end()

    def waiting(self) -> int:
        """How many of these things wait: as many are counted as dropped when they are given up."""
        before = self.health.total(semconv.DROPPED)
        for source in self.telemetry._pipeline._sources:
            source.give_up()
        return self.health.total(semconv.DROPPED) - before


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    monkeypatch.setattr(_monitoring, "_process", _monitoring._Process())
    with Sink() as sink:
        # The encoder thread leaves alone what waits.
        for name, value in {**sink.environment(), "BENTO_OBSERVE_FLUSH_INTERVAL": "60000"}.items():
            monkeypatch.setenv(name, value)
        telemetry = Telemetry(settings.from_environment(), Identity("any"))
        parts = Parts(telemetry)
        _monitoring.connect(parts.features, parts.health)
        telemetry.start(install=False)
        yield parts
        # Whoever shuts it down is kept out of telemetry for good.
        shutdown = threading.Thread(target=telemetry.shutdown)
        shutdown.start()
        shutdown.join()


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> _monitoring._Process:
    """That of a legacy service's worker which is still importing the service."""
    monkeypatch.setattr(_monitoring, "_process", process := _monitoring._Process())
    monkeypatch.setattr(bentoml.server_context, "service_type", "api_server")
    return process


def in_child(run: Callable[[], int]) -> int:
    """What `run` returns in a forked process, from 0 to 100. AssertionError if it does not end."""
    child = os.fork()
    if child == 0:
        signal.alarm(_SECONDS)
        code = 101
        try:
            code = run()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert 0 <= code <= 100, f"the child ended with {code}"
    return code


def test_it_keeps_nothing_of_what_it_records(parts: Parts) -> None:
    """Calls, batches, features, monitors' records, log lines and spans; in the parent they wait to be encoded."""

    def record() -> int:
        parts.record()
        return parts.waiting()

    assert in_child(record) == 0
    assert record() == 8  # a call is a span and a point of metrics, a batch of nobody no span


def test_it_waits_for_no_lock_that_another_thread_of_its_parent_held(parts: Parts) -> None:
    """Of the counters, of those shown at BentoML's /metrics, and of the application's instruments."""

    def drop() -> int:
        parts.health.dropped("traces", "any", 1)
        parts.record()
        provider = parts.telemetry.providers.meter_provider
        provider.get_meter("any").create_counter("any").add(1)
        provider.force_flush()
        return parts.health.total(semconv.DROPPED)

    assert in_child(lambda: 0) == 0  # the parent tells of the first fork, for which it takes the lock
    with parts.health._lock, parts.health._prometheus._lock, parts.telemetry.providers._reader._lock:
        assert in_child(drop) == 1


def test_monitors_wait_for_no_lock_either_where_nothing_counts_them_yet(early: _monitoring._Process) -> None:
    """The child keeps its own records for what may observe it; those of its parent are the parent's."""

    def feed() -> int:
        _monitoring.feed("any", [(3.0, "x", "feature", "numerical", False)])
        return len(early.early)

    _monitoring.feed("any", [(1.0, "x", "feature", "numerical", False)])
    early.early_lost = 1
    with early.lock:
        assert in_child(feed) == 1
        assert in_child(lambda: len(early.early) + early.early_lost) == 0
    assert len(early.early) == early.early_lost == 1
