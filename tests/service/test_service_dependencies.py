"""Services that call other services: one trace through all of them, each with its own name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from received import CLIENT, INTERNAL, SERVER, Point, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, traceparent
from tree import tree


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def elsewhere(sink: Sink) -> Iterator[BentoServer]:
    """The service Scaler, served on its own."""
    with BentoServer("composed:Scaler", {**sink.environment(), **SETTINGS}) as server:
        yield server


@pytest.fixture(scope="module")
def scene(sink: Sink, elsewhere: BentoServer) -> Iterator[Scene]:
    env = {**sink.environment(), **SETTINGS, "TEST_ELSEWHERE": elsewhere.url}
    with BentoServer("composed:Composed", env) as server:
        yield Scene(server, sink)


@pytest.fixture(scope="module")
def development(sink: Sink) -> Iterator[Scene]:
    """The same service with its dependencies in its own process."""
    env = {**sink.environment(), **SETTINGS}
    with BentoServer("composed:Composed", env, options=["--development"]) as server:
        yield Scene(server, sink)


def whole(scene: Scene, answer: Answer, count: int) -> list[Span]:
    """The trace of an answer, once it has `count` spans."""
    scene.sink.wait(lambda: len(scene.sink.spans(trace_id=answer.trace_id)) >= count, what=f"{count} spans")
    return scene.sink.spans(trace_id=answer.trace_id)


def assert_tree(scene: Scene, answer: Answer, wanted: Sequence[str]) -> list[Span]:
    spans = whole(scene, answer, len(wanted))
    assert tree(spans) == list(wanted)
    return spans


def only(spans: list[Span], **wanted: Any) -> Span:
    (found,) = [span for span in spans if all(getattr(span, key) == value for key, value in wanted.items())]
    return found


def stages(service: str, depth: int, *names: str) -> list[str]:
    return [f"{'  ' * depth}INTERNAL {service}: {name}" for name in names]


def called(api: str, *, stream: bool = False, depth: int = 2) -> list[str]:
    """A call of Scaler from within a predict stage."""
    return [
        f"{'  ' * depth}CLIENT Composed: POST /{api}",
        f"{'  ' * (depth + 1)}SERVER Scaler: POST /{api}",
        *stages("Scaler", depth + 2, "decode", "predict", *(() if stream else ("encode",))),
    ]


def calling(path: str, inner: list[str], *, stream: bool = False) -> list[str]:
    return [
        f"SERVER Composed: POST {path}",
        *stages("Composed", 1, "decode", "predict"),
        *inner,
        *([] if stream else stages("Composed", 1, "encode")),
    ]


# -- across processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "api"),
    [("/sync", "scale"), ("/by_async", "scale"), ("/coroutine", "ascale"), ("/by_sync", "ascale")],
)
def test_a_call_is_a_client_span_above_the_server_span_it_calls(scene: Scene, path: str, api: str) -> None:
    """From sync and async handlers, of sync and async APIs, through `to_async` and `to_sync`."""
    given = traceparent()
    answer = scene.ask(path, number=2.5, headers={"traceparent": given})
    spans = assert_tree(scene, answer, calling(path, called(api)))
    client, inner = only(spans, kind=CLIENT), only(spans, kind=SERVER, name=f"POST /{api}")
    outer = only(spans, kind=SERVER, name=f"POST {path}")

    assert answer.json() == 5.0
    assert [answer.trace_id, outer.parent_id] == given.split("-")[1:3]
    assert client.attributes.pop("server.address").endswith(".sock")
    assert client.attributes == {
        "http.request.method": "POST",
        "url.template": f"/{api}",
        "network.transport": "unix",
        "service.peer.name": "Scaler",
        "http.response.status_code": 200,
    }
    assert inner.flags & 0x301 == 0x301  # sampled, with a remote parent
    assert client.start_ns < client.end_ns
    assert inner.resource["service.name"] == "Scaler"
    assert inner.resource["service.instance.id"] != client.resource["service.instance.id"]


def test_a_call_within_a_span_of_the_users_is_below_that(scene: Scene) -> None:
    answer = scene.ask("/own_span", number=1.0)
    assert_tree(scene, answer, calling("/own_span", ["    INTERNAL Composed: own", *called("ascale", depth=3)]))


@pytest.mark.parametrize(("path", "api"), [("/astream", "count"), ("/stream", "count_sync")])
def test_the_call_of_a_stream_lasts_until_its_last_item(scene: Scene, path: str, api: str) -> None:
    answer = scene.ask(path, upto=300)
    spans = assert_tree(scene, answer, calling(path, called(api, stream=True), stream=True))
    client = only(spans, kind=CLIENT)

    assert answer.body == b"".join(b"%d;" % number for number in range(300))
    assert client.attributes["http.response.status_code"] == 200
    inner = only(spans, name=f"POST /{api}", kind=SERVER)
    assert client.end_ns >= inner.end_ns - 20e6  # clocks of two processes


def test_a_stream_that_is_left_early_ends_its_call(scene: Scene) -> None:
    """Without an error of the caller's."""
    answer = scene.ask("/first_of", upto=3)
    client = only(whole(scene, answer, 8), kind=CLIENT)

    assert answer.body.startswith(b"0;")
    assert (client.status, client.attributes["http.response.status_code"]) == (0, 200)


@pytest.mark.parametrize(("how", "status", "failed"), [("value", 500, " ERROR"), ("argument", 400, "")])
def test_a_dependency_that_fails_is_an_error_of_the_call(scene: Scene, how: str, status: int, failed: str) -> None:
    """Any status from 400 on is one to a client, by the conventions; to a server only those from 500 on."""
    answer = scene.ask("/refused", how=how)
    spans = assert_tree(
        scene,
        answer,
        [
            f"SERVER Composed: POST /refused{failed}",
            "  INTERNAL Composed: decode",
            "  INTERNAL Composed: predict ERROR",
            "    CLIENT Composed: POST /refuse ERROR",
            f"      SERVER Scaler: POST /refuse{failed}",
            "        INTERNAL Scaler: decode",
            "        INTERNAL Scaler: predict ERROR",
        ],
    )
    client = only(spans, kind=CLIENT)

    assert answer.status == status
    assert client.attributes["http.response.status_code"] == status
    assert client.attributes["error.type"] == str(status)
    assert client.events == []


def test_the_status_of_an_answer_is_the_one_that_came(scene: Scene) -> None:
    answer = scene.ask("/refused", how="not at all")
    spans = assert_tree(scene, answer, calling("/refused", called("refuse")))

    assert answer.status == 200
    assert only(spans, kind=CLIENT).attributes["http.response.status_code"] == 202


def test_a_batching_dependency_is_in_the_same_trace(scene: Scene) -> None:
    """A batch of one, with what its handler does; the next call is beside it."""
    answer = scene.ask("/both", rows=[[1.0, 2.0], [3.0, 4.0]])
    assert_tree(
        scene,
        answer,
        calling(
            "/both",
            [
                "    CLIENT Composed: POST /score",
                "      SERVER Scorer: POST /score",
                *stages("Scorer", 4, "decode", "predict"),
                *stages("Scorer", 5, "batch score"),
                *stages("Scorer", 6, "look up"),
                *stages("Scorer", 4, "encode"),
                *called("scale"),
            ],
        ),
    )
    assert answer.json() == 20.0


def test_a_call_of_oneself_is_no_client_span(scene: Scene) -> None:
    """It stays within the process, and counts as no request; what is called from there is as ever."""
    before = scene.sink.count("http.server.request.duration", http__route="/coroutine")
    answer = scene.ask("/asks_itself", number=1.0)
    inner = calling("/coroutine", called("ascale"))
    indented = [f"    {line}".replace("SERVER Composed", "INTERNAL Composed") for line in inner]
    assert_tree(scene, answer, calling("/asks_itself", indented))
    scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", http__route="/asks_itself") == 1)
    assert scene.sink.count("http.server.request.duration", http__route="/coroutine") == before


def test_an_unsampled_trace_stays_so_everywhere(scene: Scene) -> None:
    """The dependency is told, and counts as ever."""
    counted = {"http__route": "/scale", "http__request__method": "POST"}
    before = scene.sink.count("http.server.request.duration", **counted)
    answer = scene.ask("/sync", number=1.0, headers={"traceparent": traceparent(sampled=False)})
    scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", **counted) == before + 1)
    later = scene.ask("/sync", number=1.0)
    whole(scene, later, 9)

    assert scene.sink.spans(trace_id=answer.trace_id) == []


# -- other servers ---------------------------------------------------------------------------------------------------


def test_a_dependency_by_url_is_called_over_http(scene: Scene, elsewhere: BentoServer) -> None:
    """`depends(Service, url=…)`: another server's, in JSON."""
    answer = scene.ask("/by_url", number=1.0)
    client = only(assert_tree(scene, answer, calling("/by_url", called("scale"))), kind=CLIENT)

    assert answer.json() == 2.0
    assert client.attributes == {
        "http.request.method": "POST",
        "url.template": "/scale",
        "url.full": f"{elsewhere.url}/scale",
        "server.address": "127.0.0.1",
        "server.port": elsewhere.port,
        "service.peer.name": "Scaler",
        "http.response.status_code": 200,
    }


def test_bentomls_http_clients_make_client_spans_too(scene: Scene, elsewhere: BentoServer) -> None:
    """The sync and the async one, with a stream; not their look at readiness and schema."""
    answer = scene.ask("/http_client", url=elsewhere.url, number=1.0)
    assert_tree(scene, answer, calling("/http_client", called("scale")))
    answer = scene.ask("/http_client_async", url=elsewhere.url, number=1.0)
    assert_tree(scene, answer, calling("/http_client_async", [*called("scale"), *called("count", stream=True)]))
    assert answer.body == b"2.0;0;1;2;"


def test_submitting_a_task_is_a_call(scene: Scene, elsewhere: BentoServer) -> None:
    """The task runs below the request that submitted it."""
    answer = scene.ask("/submits", url=elsewhere.url, number=1.0)
    submitted = called("job/submit", stream=True)[:2]
    run = [*stages("Scaler", 4, "task"), *stages("Scaler", 5, "decode", "predict", "encode")]
    assert_tree(scene, answer, calling("/submits", [*submitted, *run]))


def test_a_server_that_is_not_there_is_an_error_of_the_call(scene: Scene, elsewhere: BentoServer) -> None:
    """Without a status, with the exception."""
    answer = scene.ask("/unreachable", url=elsewhere.url)
    client = only(whole(scene, answer, 4), kind=CLIENT)

    assert answer.status == 500
    assert client.status == 2
    assert client.attributes["error.type"] == "httpx.ConnectError"
    assert "http.response.status_code" not in client.attributes
    assert [event.attributes["exception.type"] for event in client.events] == ["httpx.ConnectError"]


# -- metrics, features, logs -----------------------------------------------------------------------------------------


def test_each_service_counts_its_own(scene: Scene) -> None:
    """Requests, stages and features: those of the dependency in its process, under its name, once."""
    sink = scene.sink
    for _ in range(5):
        assert scene.ask("/weighed", number=1.0).status == 200
    for service, api in (("Composed", "weighed"), ("Scaler", "weigh")):
        counts: dict[str, dict[str, Any]] = {
            "http.server.request.duration": {"http__route": f"/{api}"},
            "bentoml.api.stage.duration": {"bentoml__api__name": api, "bentoml__api__stage": "predict"},
            "ml.feature.value": {"bentoml__api__name": api, "ml__signal": "input"},
        }
        for metric, attributes in counts.items():
            sink.wait(lambda m=metric, a=attributes: sink.count(m, **a) == 5, what=f"5 of {metric} of {api}")
            assert {point.resource["service.name"] for point in sink.last(metric, **attributes)} == {service}
    assert [point for point in sink.points() if point.attributes.get("bentoml.api.name") == "Scaler.weigh"] == []


def test_log_lines_of_a_dependency_are_in_the_callers_trace(scene: Scene) -> None:
    answer = scene.ask("/sync", number=77.5)
    spans = whole(scene, answer, 9)
    (record,) = scene.sink.wait(lambda: scene.sink.logs(body="scaling 77.5"))
    inner = only(spans, kind=SERVER, name="POST /scale")
    predict = only(spans, name="predict", parent_id=inner.span_id)

    assert (record.trace_id, record.span_id) == (answer.trace_id, predict.span_id)
    assert record.resource["service.name"] == "Scaler"


# -- in one process --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "api"), [("/sync", "Scaler.scale"), ("/coroutine", "Scaler.ascale")])
def test_in_development_a_call_is_a_stage_of_its_caller(development: Scene, path: str, api: str) -> None:
    """No client and no server span: nothing goes over a wire, and there is one service."""
    answer = development.ask(path, number=2.0)
    spans = assert_tree(development, answer, calling(path, stages("Composed", 2, "predict")))
    outer = only(spans, name="predict", parent_id=only(spans, kind=SERVER).span_id)
    inner = only(spans, parent_id=outer.span_id)

    assert answer.json() == 4.0
    assert (inner.kind, inner.attributes["bentoml.api.name"]) == (INTERNAL, api)


def test_in_development_nothing_is_counted_twice(development: Scene) -> None:
    """A batchable API is called directly: there is no batch."""
    sink = development.sink
    answer = development.ask("/both", rows=[[1.0, 2.0], [3.0, 4.0]])
    assert_tree(
        development,
        answer,
        calling(
            "/both",
            [*stages("Composed", 2, "predict"), *stages("Composed", 3, "look up"), *stages("Composed", 2, "predict")],
        ),
    )
    for api, rows in (("Scorer.score", 2), ("both", 2)):
        sink.wait(
            lambda api=api, rows=rows: (
                {
                    point.count
                    for point in sink.last("ml.feature.value", bentoml__api__name=api, ml__signal="input")
                    if _of(point, development)
                }
                == {rows}
            ),
            what=f"{rows} rows of {api}",
        )
    assert sink.count("bentoml.batch.size", bentoml__api__name="Scorer.score") == 0
    requests = sink.last("http.server.request.duration")
    assert "/score" not in {point.attributes.get("http.route") for point in requests if _of(point, development)}


def _of(point: Point, scene: Scene) -> bool:
    """Whether a worker of that server sent it."""
    return point.resource["process.pid"] in scene.server.workers


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
