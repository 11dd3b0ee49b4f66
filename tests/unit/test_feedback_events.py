"""Predictions as events: what they say, how many there are, and ids that are plain."""

from __future__ import annotations

import math
import time
import uuid
from typing import Any

import numpy as np
import pytest
from opentelemetry.context import attach, detach
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.trace import set_span_in_context

from bento_observe import semconv
from bento_observe._slices import Slices
from bento_observe.feedback._events import EventIssuer, PredictionEvents
from bento_observe.feedback._identifier import Identifier
from bento_observe.feedback._plain_ids import base_id, made_at, row_ids
from bento_observe.feedback._predicted import Shape
from bento_observe.feedback._token import Context
from bento_observe.request import RequestSpan, current_request
from bento_observe.telemetry import Health, SignalQueue

HEADER = b"x-prediction-id"


class Bench:
    """What gives one API's predictions their ids, and the events that it sends."""

    def __init__(self) -> None:
        self.health = Health()
        self.queue = SignalQueue("predictions", 64 << 20, self.health)
        self.events = PredictionEvents(self.queue, self.health)
        context = Context("score", "m", "7")
        self.identifier = Identifier(context, Shape(), EventIssuer(self.events), HEADER, self.health)
        self.request = RequestSpan()
        self.request.trace_id, self.request.span_id, self.request.sampled = bytes(range(16)), bytes(range(8)), True
        self.request.trace_state, self.request.headers = None, {}  # type: ignore[assignment]

    def identify(self, output: Any, own: bytes = b"", keys: Any = ()) -> list[str]:
        self.request.headers = {HEADER: own} if own else {}
        self.request.prediction_ids = None
        token = attach(set_span_in_context(self.request))
        current_request.set(self.request)
        try:
            self.identifier.identify(output, keys)
        finally:
            current_request.set(None)
            detach(token)
        return list(self.request.prediction_ids or ())

    def sent(self) -> list[LogRecord]:
        """All events so far."""
        while self.events.step():
            pass
        self.queue.close()
        records: list[LogRecord] = []
        while (batch := self.queue.take(1 << 30, 0)) is not None:
            for chunk in batch.chunks:
                (scope,) = ResourceLogs.FromString(chunk).scope_logs
                assert scope.scope.name == semconv.SCOPE_PREDICTIONS
                records += scope.log_records
        return records


def attributes(record: LogRecord) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in record.attributes}


def test_an_event_says_what_a_label_is_matched_with() -> None:
    """And which span it belongs to, and nothing of the input."""
    bench = Bench()
    country = Slices("country", (), 5, lambda column, value: {})
    before = time.time_ns()
    ids = bench.identify({"label": "spam", "confidence": 0.75}, b"order-17", [(country, "DE")])
    assert ids == ["order-17"]
    assert bench.identify([1.5, -2.0]) != ids
    first, *values = bench.sent()
    assert attributes(first) == {
        "ml.prediction.id": "order-17", "bentoml.api.name": "score", "ml.model.name": "m", "ml.model.version": "7",
        "ml.prediction.type": "class", "ml.prediction.class": "spam", "ml.prediction.confidence": 0.75,
        "ml.slice.country": "DE",
    }  # fmt: skip
    assert first.event_name == semconv.EVENT_PREDICTION
    assert (first.severity_number, first.severity_text, first.flags) == (9, "INFO", 1)
    assert (first.trace_id, first.span_id) == (bytes(range(16)), bytes(range(8)))
    assert before <= first.time_unix_nano == first.observed_time_unix_nano <= time.time_ns()
    assert [attributes(one)["ml.prediction.value"] for one in values] == [1.5, -2.0]
    assert {attributes(one)["ml.prediction.type"] for one in values} == {"value"}


def test_nothing_of_a_text_is_told() -> None:
    """As a model of language writes it: it could be anything."""
    bench = Bench()
    (one,) = bench.identify("Dear Ada,\nyour order is on its way.")
    (two,) = bench.identifier.ids(["Dear Ada,\nagain."], None, ())
    for record, made in zip(bench.sent(), (one, two), strict=True):
        told = {"ml.prediction.id": made, "ml.prediction.type": "text"}
        assert {name: value for name, value in attributes(record).items() if name.startswith("ml.pred")} == told


def test_rows_have_their_numbers_behind_the_requests_id() -> None:
    """So that a caller knows them without the header; the trace has the same."""
    bench = Bench()
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert bench.identify(probabilities, b"order-17") == ["order-17.0", "order-17.1"]
    told = bench.request.additions
    assert told is not None
    assert told.attributes["ml.prediction.id"] == ["order-17.0", "order-17.1"]
    found = [attributes(one) for one in bench.sent()]
    assert [one["ml.prediction.id"] for one in found] == ["order-17.0", "order-17.1"]
    assert [one["ml.prediction.class"] for one in found] == ["1", "0"]
    assert [one["ml.prediction.classes"] for one in found] == [2, 2]


def test_ids_by_hand_are_events_as_well() -> None:
    """However many; without a request they belong to no span."""
    bench = Bench()
    country = Slices("country", (), 5, lambda column, value: {})
    ids = bench.identifier.ids(["a", "b", "a"], [0.5, math.nan, 0.7], [(country, ["DE", "FR", "DE"])])
    assert [one.rpartition(".")[2] for one in ids] == ["0", "1", "2"]
    assert bench.identifier.ids([], None, ()) == []
    found = bench.sent()
    assert [attributes(one)["ml.prediction.id"] for one in found] == ids
    assert [attributes(one)["ml.slice.country"] for one in found] == ["DE", "FR", "DE"]
    assert [attributes(one).get("ml.prediction.confidence") for one in found] == [0.5, None, 0.7]
    assert {one.trace_id for one in found} == {b""}


def test_memory_is_bounded_and_what_is_dropped_is_counted() -> None:
    """While the encoder has no time, and when the process ends."""
    bench = Bench()
    assert len(bench.identifier.ids(np.zeros(49_000, dtype=int), None, ())) == 49_000
    assert len(bench.identifier.ids(np.zeros(3_000, dtype=int), None, ())) == 3_000
    assert bench.health.counts()[semconv.DROPPED] == {("predictions", "pending_full"): 2_000}
    bench.events.give_up()
    assert bench.health.counts()[semconv.DROPPED]["predictions", "shutdown"] == 50_000
    assert len(bench.sent()) == 50_000


def test_a_value_that_is_no_number_is_left_out() -> None:
    """JSON, which Elasticsearch is sent, has none of those."""
    bench = Bench()
    bench.identifier.ids([1.5, math.inf, math.nan], None, ())
    assert [attributes(one).get("ml.prediction.value") for one in bench.sent()] == [1.5, None, None]


def test_a_row_that_cannot_be_told_costs_no_other() -> None:
    """It is counted."""
    bench = Bench()
    bench.events.put(["1", "2", "3"], ["a", 3, "c"], [0.0], [math.nan], [Context("x")], 0, None)  # type: ignore[list-item]
    assert [attributes(one)["ml.prediction.id"] for one in bench.sent()] == ["1", "3"]
    assert bench.health.counts()[semconv.DROPPED] == {("predictions", "error"): 1}


def test_nothing_is_kept_where_nothing_is_sent() -> None:
    """Without logs, and in a forked child."""
    bench = Bench()
    nowhere = PredictionEvents(None, bench.health)
    bench.events.close()
    for events in (nowhere, bench.events):
        events.put(["1"], ["a"], [0.0], [0.0], [Context("x")], 0, None)
        assert not events.step()
    assert bench.sent() == []


@pytest.mark.parametrize("own", [b"order-17", b"A" * 128, b"{a}/b:c.d~e", b"7"])
def test_a_callers_id_is_taken_as_it_is(own: bytes) -> None:
    assert base_id(own) == own.decode()


@pytest.mark.parametrize("own", [b"", b"a b", b"a,b", b"A" * 129, b"\xe4", b"a\tb", b"\x00", b"\x7f"])
def test_what_is_none_gets_one_of_ours(own: bytes) -> None:
    """Which is a UUID that tells its age."""
    made = base_id(own)
    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122
    assert abs((made_at(made) or 0) - time.time()) < 60
    assert abs((made_at(row_ids(made, 20)[19]) or 0) - time.time()) < 60
    assert made_at("order-17") is None
    assert base_id(own) != made
