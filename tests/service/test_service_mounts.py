"""Mounted applications are part of the request's trace, under their own routes, and are counted once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from received import INTERNAL, SERVER
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import traceparent


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("mounts:Mounts", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


@pytest.mark.parametrize(
    ("path", "route", "own"),
    [
        ("/plain/shelves/a/items/7", "/plain/shelves/{shelf}/items/{item}", "plain"),
        ("/v2/items/7", "/v2/items/{item}", "instrumented"),
        ("/star/tenants/acme/reports/3", "/star/tenants/{tenant}/reports/{report:int}", "starlette"),
        (
            "/star/tenants/b/inner/shelves/c/items/1",
            "/star/tenants/{tenant}/inner/shelves/{shelf}/items/{item}",
            "plain",
        ),
        ("/wsgi/some/where", "/wsgi/{path}", "wsgi"),
    ],
)
def test_a_mounted_application_is_one_server_span_with_its_route(scene: Scene, path: str, route: str, own: str) -> None:
    """Within the caller's trace; what the application records itself is below it; the request is counted once."""
    given = traceparent()
    answer = scene.ask(path, headers={"traceparent": given}, method="GET")
    _, trace_id, parent, _ = given.split("-")
    inner = scene.sink.wait(lambda: scene.sink.spans(trace_id=trace_id, name=f"inside {own}"), what="its own span")[0]
    server, *others = scene.trace(trace_id)

    assert (answer.status, answer.trace_id) == (200, trace_id)
    assert (server.name, server.parent_id) == (f"GET {route}", parent)
    assert server.attributes["http.route"] == route
    assert server.attributes["url.path"] == path
    assert [span.name for span in others if span.kind == SERVER] == []
    by_id = {span.span_id: span for span in (server, *others)}
    above = inner
    while above.parent_id in by_id:
        above = by_id[above.parent_id]
    assert above is server
    assert scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", http__route=route)) == 1


def test_an_instrumented_fastapi_application_adds_spans_within_ours(scene: Scene) -> None:
    """Of `opentelemetry-instrumentation-fastapi`: internal ones, sent by our providers, none for FastAPI's own."""
    _, (server, *_) = scene.traced("/v2/items/8", method="GET")
    theirs = scene.sink.wait(
        lambda: scene.sink.spans(trace_id=server.trace_id, scope="opentelemetry.instrumentation.fastapi")
    )
    (outer,) = [span for span in theirs if "http send" not in span.name]

    assert outer.kind == INTERNAL
    assert outer.parent_id == server.span_id
    assert outer.resource == server.resource
    assert scene.sink.spans(scope="fastapi") == []


def test_metrics_of_instrumentations_do_not_count_requests_again(scene: Scene) -> None:
    """There is one family of HTTP server metrics, ours; the application's own instruments are kept."""
    answers = [scene.ask("/v2/items/9", method="GET") for _ in range(5)]
    scene.trace(answers[-1].trace_id)
    scene.sink.wait(lambda: scene.sink.value("mounts.looked_up", where="instrumented") >= 5)
    scopes = {point.scope for point in scene.sink.points() if point.metric.startswith("http.server.")}

    assert scopes == {"bento_observe.server"}


@pytest.mark.parametrize(
    ("path", "status", "error"), [("/plain/broken", 500, "ValueError"), ("/plain/refused", 503, "503")]
)
def test_a_mounted_application_that_fails_is_an_error(scene: Scene, path: str, status: int, error: str) -> None:
    answer, (server, *_) = scene.traced(path, method="GET")

    assert answer.status == server.attributes["http.response.status_code"] == status
    assert server.attributes["http.route"] == path
    assert server.attributes["error.type"] == error
    assert [event.attributes["exception.type"] for event in server.events] == ([error] if status == 500 else [])
    assert server.status == 2


def test_a_path_that_no_mounted_route_matches_has_none(scene: Scene) -> None:
    """404, and no series with the client's words in it."""
    answer, (server, *_) = scene.traced("/plain/no/such/thing", method="GET")

    assert answer.status == 404
    assert server.name == "GET"
    assert "http.route" not in server.attributes


def test_the_apis_beside_them_are_as_ever(scene: Scene) -> None:
    answer, (server, *stages) = scene.traced("/api", number=3)

    assert (answer.status, server.name) == (200, "POST /api")
    assert [span.name for span in stages if span.kind == INTERNAL][:3] == ["decode", "predict", "inside api"]


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
