"""Calls of other services and of runners: when they begin, how they end, and that they are made whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from bentoml.exceptions import RemoteException
from opentelemetry import trace
from test_core_spans import make_request

from bento_observe import semconv
from bento_observe._client_calls import ClientCalls, Where
from bento_observe.request import CallSpan, RequestMetrics
from bento_observe.telemetry import Health


def where() -> Where:
    return Where("file:///tmp/runner.sock", "/score", "remote")


class Scene:
    """What was added, and what went wrong."""

    def __init__(self) -> None:
        self.added: list[CallSpan] = []
        self.health = Health()
        self.calls = ClientCalls(self.added.append, lambda _trace_id, _parent: True, self.health)


def test_a_call_that_reaches_nobody_has_no_status() -> None:
    """It ends with its exception, which says nothing of an answer."""
    scene = Scene()
    with pytest.raises(RemoteException), scene.calls.observe(where):
        raise RemoteException("Failed to connect to runner server.")

    (call,) = scene.added
    assert (call.status, call.error_type) == (0, "bentoml.exceptions.RemoteException")
    assert call.sampled  # it begins a trace


def test_a_call_within_a_call_and_one_in_the_process_are_none() -> None:
    """A stream is made by a call; a service that calls itself needs no client."""
    scene = Scene()
    with scene.calls.observe(where), scene.calls.observe(where):
        pass
    with scene.calls.observe(lambda: None):
        pass

    assert len(scene.added) == 1


def test_a_call_that_cannot_be_observed_is_made() -> None:
    """And counted as an error of ours."""

    def broken() -> Where:
        raise KeyError("remote")

    scene = Scene()
    with scene.calls.observe(broken):
        made = True

    assert (made, scene.added) == (True, [])
    assert scene.health.counts()[semconv.ERRORS] == {("call",): 1}


@pytest.mark.parametrize("leave", [True, False])
def test_the_call_of_a_stream_is_below_who_made_it_and_ends_once(leave: bool) -> None:
    """However it is left; each item is asked for within the call, which is not the consumer's current span."""
    scene, request, seen = Scene(), make_request(), []

    async def items() -> AsyncGenerator[int, None]:
        for number in range(3):
            seen.append(trace.get_current_span())
            yield number

    async def run() -> list[int]:
        found = []
        stream = scene.calls.stream(items(), where, request)
        async for item in stream:
            assert trace.get_current_span() is trace.INVALID_SPAN
            found.append(item)
            if leave:
                break
        await stream.aclose()
        return found

    assert asyncio.run(run()) == ([0] if leave else [0, 1, 2])
    (call,) = scene.added
    assert set(seen) == {call}
    assert (call.parent_id, call.error_type, call.ended) == (request.span_id, "", True)


@pytest.mark.parametrize(("status", "error_type"), [(200, ""), (404, "404"), (503, "503")])
def test_a_stream_that_is_answered_with_an_error_is_one(status: int, error_type: str) -> None:
    """The client raises nothing of its own where nobody asks for an item after the answer."""
    scene = Scene()

    async def items() -> AsyncGenerator[int, None]:
        call = trace.get_current_span()
        assert isinstance(call, CallSpan)
        call.status = status
        return
        yield

    async def run() -> list[int]:
        return [item async for item in scene.calls.stream(items(), where)]

    assert asyncio.run(run()) == []
    (call,) = scene.added
    assert (call.status, call.error_type, call.additions) == (status, error_type, None)


def test_calls_are_told_apart_by_what_their_duration_says_alone() -> None:
    """Two points with the same attributes would be one point that jumps: a URL says more than they do."""
    metrics = RequestMetrics("always_off")
    urls = ["http://host/v1", "http://host/v2", "http://host:80", "tcp://me:secret@host/v2", "http://other/v1"]
    sockets = ["file:///tmp/xyz/1.sock", "file:///tmp/abc/1.sock"]  # another path at each start
    for url in urls + sockets:
        call = CallSpan(trace.INVALID_SPAN_CONTEXT, url, "/score", "remote")
        call.close(call.start_ns + 1)
        metrics.count_call(call)

    (family,) = metrics.collect(1, False)
    points = [
        (
            next((pair.value.string_value for pair in point.attributes if pair.key == semconv.SERVER_ADDRESS), ""),
            point.count,
        )
        for point in family.histogram.data_points
        if point.count
    ]
    assert points == [("host", 4), ("other", 1), ("", 2)]
