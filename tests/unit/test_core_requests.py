"""The middleware: what is an HTTP request, and that each is counted once, whatever is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp_asgi_connector import ASGIApplicationConnector
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from bento_observe import semconv, settings
from bento_observe._identity import identity
from bento_observe._mounts import MountedRoutes
from bento_observe.asgi import Observation, ObserveMiddleware
from bento_observe.request import AccessLog, AccessLogOptions, RequestMetrics, RequestSource, SpanEncoder
from bento_observe.telemetry import Telemetry


class Scene:
    """An application under the middleware, and what was counted of its requests."""

    def __init__(self, app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
        for signal in ("TRACES", "METRICS", "LOGS"):
            monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        self.telemetry = Telemetry(settings.from_environment(), identity("test"))
        self.metrics = RequestMetrics("always_off")
        access_log = AccessLog(AccessLogOptions(), lambda _request, run: run())
        health = self.telemetry.health
        self.source = RequestSource(SpanEncoder({}), self.metrics, access_log, None, None, health)
        observation = Observation(
            self.telemetry, self.source, self.metrics, frozenset(), MountedRoutes(()), frozenset(), None, ""
        )
        self.app = ObserveMiddleware(app, observation, lambda inner: inner, lambda: None)

    def collected(self) -> dict[str, Metric]:
        """By name."""
        while self.source.step():
            pass
        return {metric.name: metric for metric in self.metrics.collect(1, False)}

    def requests(self) -> int:
        """As the histogram of their durations has them."""
        metric = self.collected()[semconv.REQUEST_DURATION.name]
        return sum(point.count for point in metric.histogram.data_points)

    def active(self) -> list[int]:
        """Requests in flight, by method and scheme."""
        return [point.as_int for point in self.collected()[semconv.ACTIVE_REQUESTS.name].sum.data_points]

    async def get(self, path: str) -> int:
        """Ask as a client from elsewhere does; the status."""
        transport = httpx.ASGITransport(self.app, client=("10.0.0.1", 4000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return (await client.get(path)).status_code


async def answer(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


@pytest.mark.parametrize("library", ["aiohttp", "httpx"])
def test_a_service_that_calls_itself_after_its_answer_serves_no_http_request(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task does, by the client that BentoML gives it; it works for a request that has been answered."""
    scene: Scene
    inner = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await answer(send)
        if scope["path"] == "/submit":
            await call_itself()

    async def call_itself() -> None:
        if library == "httpx":
            async with httpx.AsyncClient(transport=httpx.ASGITransport(scene.app)) as client:
                inner.append((await client.get("http://127.0.0.1:3000/other")).status_code)
            return
        connector = ASGIApplicationConnector(scene.app)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://127.0.0.1:3000/other") as response,
        ):
            inner.append(response.status)

    async def run() -> None:
        nonlocal scene
        scene = Scene(app, monkeypatch)
        await scene.get("/submit")
        await scene.get("/other")  # by somebody else it is one

    asyncio.run(run())
    assert inner == [200]
    assert (scene.requests(), scene.active()) == (2, [0])


def test_a_request_whose_route_cannot_be_told_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted application may leave anything in the scope: no request is in flight then, none of them twice."""

    class Route:
        path = 3

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["route"] = Route()
        await answer(send)

    scene = Scene(app, monkeypatch)
    assert asyncio.run(scene.get("/odd")) == 200
    assert (scene.requests(), scene.active()) == (1, [0])
    assert scene.telemetry.health.counts()[semconv.ERRORS] == {("finish",): 1}
