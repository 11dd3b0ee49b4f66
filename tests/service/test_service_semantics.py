"""What one observed request is in traces, metrics and logs, for every kind of API; read back from the sink."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from received import INTERNAL, SERVER, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Client, Request, send_all, traceparent

from bento_observe import semconv


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("everything:Everything", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def names(spans: list[Span]) -> list[str]:
    return [span.name for span in spans]


# -- traces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/plain", {"numbers": [1, 2]}),
        ("/coroutine", {"text": "a"}),
        ("/context", {"name": "Ada"}),
        ("/frame", {"df": [{"a": 1}]}),
        ("/root", {"name": "tea", "prices": [1]}),
        ("/elsewhere/deep", {}),
    ],
)
def test_a_call_is_a_server_span_with_three_stages(scene: Scene, path: str, fields: dict[str, Any]) -> None:
    """decode, predict and encode are children of the request, one after the other, within it."""
    answer, (server, *stages) = scene.traced(path, **fields)

    assert server.name == f"POST {path}"
    assert server.attributes["http.route"] == path
    assert server.attributes["http.response.status_code"] == answer.status
    assert server.attributes["http.response.body.size"] == len(answer.body)
    assert server.attributes["http.request.body.size"] == len(json.dumps(fields))
    assert server.status == 0
    assert names(stages) == ["decode", "predict", "encode"]
    assert {stage.parent_id for stage in stages} == {server.span_id}
    assert {stage.kind for stage in stages} == {INTERNAL}
    times = [server.start_ns, *(time for stage in stages for time in (stage.start_ns, stage.end_ns)), server.end_ns]
    assert times == sorted(times)


@pytest.mark.parametrize("path", ["/stream", "/astream"])
def test_the_predict_stage_of_a_stream_lasts_until_its_last_item(scene: Scene, path: str) -> None:
    """There is no encode stage; the request ends with the last chunk and its size is that of all chunks."""
    answer, (server, decode, predict) = scene.traced(path, count=200)

    assert names([decode, predict]) == ["decode", "predict"]
    assert server.attributes["http.response.body.size"] == len(answer.body)
    assert decode.end_ns <= predict.start_ns < predict.end_ns <= server.end_ns


def test_an_incoming_trace_is_continued(scene: Scene) -> None:
    """Trace id, parent id, state and sampling come from the caller."""
    given = traceparent()
    headers = {"traceparent": given, "tracestate": "vendor=value"}
    answer, (server, *_) = scene.traced("/coroutine", headers=headers, text="a")

    _, trace_id, parent_id, _ = given.split("-")
    assert (answer.trace_id, server.trace_id, server.parent_id) == (trace_id, trace_id, parent_id)
    assert server.trace_state == "vendor=value"
    assert server.flags & 0x301 == 0x301  # sampled, and known to have a remote parent


def test_an_unsampled_caller_makes_counts_and_logs_but_no_spans(scene: Scene) -> None:
    """The default sampler does as the caller did; numbers are complete all the same."""
    before = scene.sink.count("http.server.request.duration", http__route="/draw")
    given = traceparent(sampled=False)
    answer = scene.ask("/draw", headers={"traceparent": given})

    assert answer.trace_id == given.split("-")[1]
    scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", http__route="/draw") == before + 1)
    scene.sink.wait(lambda: scene.sink.logs(trace_id=answer.trace_id, scope="bentoml.access"))
    later = scene.ask("/coroutine", text="a")
    scene.trace(later.trace_id)
    assert scene.sink.spans(trace_id=answer.trace_id) == []


@pytest.mark.parametrize(
    "given", ["00-zz", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"]
)
def test_a_malformed_traceparent_begins_a_new_trace(scene: Scene, given: str) -> None:
    """Malformed, all-zero and of a forbidden version."""
    answer, (server, *_) = scene.traced("/coroutine", headers={"traceparent": given}, text="a")

    assert server.parent_id == ""
    assert len(answer.trace_id) == 32
    assert answer.trace_id not in given


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz", "/metrics"])
def test_health_and_metrics_routes_are_not_observed(scene: Scene, path: str) -> None:
    """They have no trace id in their answer, no span and no count."""
    answer = scene.ask(path, method="GET")
    later = scene.ask("/coroutine", text="a")
    scene.trace(later.trace_id)

    assert answer.status == 200
    assert answer.trace_id == ""
    assert [span for span in scene.sink.spans() if span.attributes.get("url.path") == path] == []


def test_ids_do_not_repeat_when_the_service_seeds_random(scene: Scene) -> None:
    """`draw` seeds Python's random generator with the same number in every call."""
    answers = [scene.ask("/draw") for _ in range(20)]

    assert len({answer.body for answer in answers}) == 1
    assert len({answer.trace_id for answer in answers}) == 20
    spans = [span for answer in answers for span in scene.trace(answer.trace_id)]
    assert len({span.span_id for span in spans}) == len(spans) == 80


def test_a_request_inside_the_service_is_an_internal_span(scene: Scene) -> None:
    """A service that calls its own API through `self`: one HTTP request, the inner one is part of its trace."""
    answer, spans = scene.traced("/asks_itself", text="ab")

    assert [span.name for span in spans if span.kind == SERVER] == ["POST /asks_itself"]
    assert {span.trace_id for span in spans} == {answer.trace_id}
    assert sum(span.name == "predict" for span in spans) == 3  # its own, the inner request's, the local call's


def test_a_task_is_part_of_the_trace_it_was_submitted_in(scene: Scene) -> None:
    """The work goes on after the answer; it ends up in the trace of the request that asked for it."""
    answer = scene.ask("/job/submit", text="a b")
    (server, *_) = scene.trace(answer.trace_id)

    assert answer.status == 200
    assert server.name == "POST /job/submit"


def test_mounted_applications_have_their_templates_as_routes(scene: Scene) -> None:
    """What is in the path stays in `url.path`; the name of the span has no number in it."""
    _, (server, *stages) = scene.traced("/mounted/items/7", method="GET")

    assert server.attributes["http.route"] == "/mounted/items/{number}"
    assert server.name == "GET /mounted/items/{number}"
    assert server.attributes["url.path"] == "/mounted/items/7"
    assert stages == []


def test_an_unknown_method_is_told_without_making_a_series_of_its_own(scene: Scene) -> None:
    """`_OTHER` in the metric, the given word on the span, as the conventions have it."""
    answer, (server, *_) = scene.traced("/plain", method="BREW")

    assert answer.status == 405
    assert server.attributes["http.request.method"] == "_OTHER"
    assert server.attributes["http.request.method_original"] == "BREW"
    assert server.name.startswith("HTTP")
    scene.sink.wait(lambda: scene.sink.count("http.server.request.duration", http__request__method="_OTHER"))
    methods = {point.attributes["http.request.method"] for point in scene.sink.last("http.server.request.duration")}
    assert "BREW" not in methods


# -- errors ----------------------------------------------------------------------------------------------------------


def test_a_handler_that_raises_is_an_error_with_its_exception(scene: Scene) -> None:
    """500, error.type on request and stage, the exception with its stack on the stage that raised it."""
    answer, (server, _, predict) = scene.traced("/fails", how="value")

    assert answer.status == server.attributes["http.response.status_code"] == 500
    assert server.status == predict.status == 2
    assert server.attributes["error.type"] == predict.attributes["error.type"] == "ValueError"
    (event,) = predict.events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "a bad value"
    assert "in fails" in event.attributes["exception.stacktrace"]


@pytest.mark.parametrize(("how", "status", "failed"), [("argument", 400, 0), ("missing", 404, 0), ("bentoml", 500, 2)])
def test_exceptions_with_a_status_of_their_own_keep_it(scene: Scene, how: str, status: int, failed: int) -> None:
    """A 4xx is the client's fault: the server span is no error, as the conventions have it."""
    answer, (server, *_) = scene.traced("/fails", how=how)

    assert answer.status == server.attributes["http.response.status_code"] == status
    assert server.status == failed
    assert server.attributes["error.type"].startswith("bentoml.exceptions.")


def test_what_cannot_be_decoded_is_told_and_counts_no_features(scene: Scene) -> None:
    """A wrong type: 400, a failed decode stage, no predict stage, nothing in the statistics."""
    answer, (server, *stages) = scene.traced("/model", item={"prices": "dear"})

    assert answer.status == 400
    assert server.attributes["http.route"] == "/model"
    assert names(stages) == ["decode"]
    assert stages[0].status == 2
    counted = [point for point in scene.sink.points() if point.attributes.get("bentoml.api.name") == "model"]
    assert [point for point in counted if point.metric.startswith("ml.")] == []


def test_a_stream_that_breaks_is_an_error_though_its_status_is_200(scene: Scene) -> None:
    """The status was sent before; the exception is on the predict stage."""
    answer, (server, _, predict) = scene.traced("/broken_stream")

    assert (answer.status, answer.body) == (200, b"so far so good;")
    assert predict.attributes["error.type"] == server.attributes["error.type"] == "RuntimeError"
    assert predict.status == 2


@pytest.mark.parametrize("path", ["/endless", "/endless_sync"])
def test_a_client_that_leaves_in_the_midst_of_a_stream_ends_the_request(scene: Scene, path: str) -> None:
    """The server span ends, tells why, and leaves no stage open and nothing in flight."""
    connection = http.client.HTTPConnection("127.0.0.1", scene.server.port, timeout=10)
    connection.request("POST", path, b"{}", {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.read(2048)
    response.close()
    connection.close()

    trace_id = response.headers["x-bentoml-trace-id"]
    server, *stages = scene.trace(trace_id)
    assert server.attributes["error.type"] == "client_disconnect"
    assert names(stages) == ["decode", "predict"]
    assert all(stage.end_ns <= server.end_ns for stage in stages)
    _nothing_in_flight(scene)


def test_a_client_that_leaves_while_it_sends_is_counted(scene: Scene) -> None:
    """Half a body and gone: a span of its own, and no feature of it."""
    with socket.create_connection(("127.0.0.1", scene.server.port)) as connection:
        head = "POST /plain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n"
        ids = traceparent()
        connection.sendall(f"{head}traceparent: {ids}\r\n\r\n{{".encode())
        time.sleep(0.1)  # the request has to be begun before it is abandoned
    server, *_ = scene.trace(ids.split("-")[1])

    assert server.attributes["error.type"] == "client_disconnect"
    _nothing_in_flight(scene)


def _nothing_in_flight(scene: Scene) -> None:
    scene.sink.wait(lambda: scene.sink.value("http.server.active_requests") == 0, what="an idle server")


def test_a_body_of_50_megabytes_is_counted(scene: Scene) -> None:
    """It is answered as any other, and its size is on the span."""
    body = b'{"data": [' + b"0.123456789," * 4_500_000 + b"0.5]}"
    with Client(scene.server.port, timeout=60) as client:
        answer = client.send(Request("large", "/size", body))
    server, *_ = scene.trace(answer.trace_id)

    assert answer.status == 200
    assert len(body) > 50 << 20
    assert server.attributes["http.request.body.size"] == len(body)


def test_scans_for_5000_paths_make_no_more_than_one_series(scene: Scene) -> None:
    """A path that matches no route is not in any metric, and not in the name of a span."""
    scan = [Request("scan", f"/admin/{number}.php", method="GET") for number in range(5000)]
    assert {answer.status for answer in send_all(scene.server.port, scan)} == {404}
    scene.sink.wait(
        lambda: scene.sink.count("http.server.request.duration", http__response__status_code=404) >= 5000, 30
    )

    series = [
        point.attributes
        for point in scene.sink.last("http.server.request.duration", http__request__method="GET")
        if "http.route" not in point.attributes
    ]
    assert series == [
        {
            "http.request.method": "GET",
            "url.scheme": "http",
            "http.response.status_code": 404,
            "error.type": "404",
        }
    ]
    assert {span.name for span in scene.sink.spans() if span.attributes.get("url.path", "").startswith("/admin")} == {
        "GET"
    }


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_exemplars_point_at_real_traces(scene: Scene) -> None:
    """Of durations and of stages; each id leads to a span that arrived."""
    answer, _ = scene.traced("/several", count=2)
    spans = {(span.trace_id, span.span_id) for span in scene.trace(answer.trace_id)}

    def exemplars(metric: str, **attributes: str) -> set[tuple[str, str]]:
        points = [point for point in scene.sink.points(metric=metric) if attributes.items() <= point.attributes.items()]
        return {(exemplar.trace_id, exemplar.span_id) for point in points for exemplar in point.exemplars}

    durations = scene.sink.wait(lambda: exemplars("http.server.request.duration", **{"http.route": "/several"}))
    stages = exemplars("bentoml.api.stage.duration", **{"bentoml.api.name": "several"})
    assert len(durations) == 1
    assert len(stages) >= 3
    assert durations | stages == spans


def test_an_extreme_value_points_at_the_request_that_sent_it(scene: Scene) -> None:
    """Of what came in and of what went out, among other requests."""
    others = [scene.ask("/several", count=1, factor=factor).trace_id for factor in (7.0, 8.0)]
    answer = scene.ask("/several", count=1, factor=123456.5)
    others += [scene.ask("/several", count=1, factor=factor).trace_id for factor in (9.0, 10.0)]
    (predict,) = [span.span_id for span in scene.trace(answer.trace_id) if span.name == "predict"]

    def exemplars(feature: str) -> set[tuple[float, str, str]]:
        points = scene.sink.points(metric=semconv.FEATURE_VALUE.name)
        return {
            (exemplar.value, exemplar.trace_id, exemplar.span_id)
            for point in points
            if point.attributes[semconv.ML_FEATURE_NAME] == feature
            for exemplar in point.exemplars
            if exemplar.value == 123456.5
        }

    for feature in ("factor", "product"):
        assert scene.sink.wait(lambda: exemplars(feature)) == {(123456.5, answer.trace_id, predict)}  # noqa: B023
    assert answer.trace_id not in others


def test_durations_are_in_seconds_and_stages_fit_into_them(scene: Scene) -> None:
    """A handler that takes a fifth of a second."""
    scene.traced("/slow", seconds=0.2)
    (whole,) = scene.sink.wait(lambda: scene.sink.last("http.server.request.duration", http__route="/slow"))
    stages = scene.sink.last("bentoml.api.stage.duration", bentoml__api__name="slow")

    assert whole.unit == "s"
    assert 0.2 < whole.sum < 1
    durations = {point.attributes["bentoml.api.stage"]: point.sum for point in stages}
    assert 0.2 <= durations["predict"] <= whole.sum
    assert durations["decode"] + durations["predict"] + durations["encode"] <= whole.sum


def test_every_metric_that_arrives_is_declared(scene: Scene) -> None:
    """Names, units, kinds, bounds and attribute keys are those of `semconv`, from which the documentation is made."""
    scene.traced("/plain", numbers=[1, -2])
    declared = {metric.name: metric for metric in semconv.METRICS}
    ours = scene.sink.wait(lambda: [point for point in scene.sink.points() if point.scope.startswith("bento_observe")])

    for point in ours:
        metric = declared[point.metric]
        assert point.unit == metric.unit, point.metric
        assert set(point.attributes) <= set(metric.attributes), point.metric
        assert point.bounds == metric.boundaries, point.metric
        histogram = point.kind in ("histogram", "exponential_histogram")
        assert histogram == (metric.kind is semconv.Kind.HISTOGRAM), point.metric


# -- the user's own telemetry ----------------------------------------------------------------------------------------


def test_the_users_own_spans_metrics_and_logs_arrive_in_their_places(scene: Scene) -> None:
    """Made with the OpenTelemetry API, they are children of the predict stage and carry the same resource."""
    _, spans = scene.traced("/telemetry", number=3)
    by_name = {span.name: span for span in spans}
    predict = by_name["predict"]
    own = scene.sink.wait(lambda: scene.sink.spans(name="look up price"))[0]

    assert predict.attributes["shop.number"] == 3
    assert (own.trace_id, own.parent_id, own.scope) == (predict.trace_id, predict.span_id, "shop")
    assert own.attributes == {"shop.item": 3}
    assert own.events[0].attributes == {"where": "cache"}
    assert own.resource == predict.resource
    scene.sink.wait(lambda: scene.sink.value("shop.sold") == 3)
    assert scene.sink.wait(lambda: scene.sink.last("shop.price"))[0].sum == 4.5


def test_log_records_carry_the_span_they_were_written_in(scene: Scene) -> None:
    """The user's at INFO, though the console shows them from WARNING on; BentoML's; an exception with its stack."""
    _, spans = scene.traced("/telemetry", number=4)
    predict = next(span for span in spans if span.name == "predict")
    own = scene.sink.wait(lambda: [s for s in scene.sink.spans(name="look up price") if s.attributes["shop.item"] == 4])

    inner = scene.log("price of 4 looked up")
    assert (inner.trace_id, inner.span_id) == (predict.trace_id, own[0].span_id)
    assert (inner.scope, inner.severity, inner.severity_text) == ("shop.pricing", 9, "INFO")
    assert inner.attributes["item"] == 4
    assert inner.attributes["code.function.name"] == "telemetry"

    failed = scene.log("no price for 4")
    assert (failed.trace_id, failed.span_id, failed.severity) == (predict.trace_id, predict.span_id, 17)
    assert failed.attributes["exception.type"] == "KeyError"
    assert "in telemetry" in failed.attributes["exception.stacktrace"]

    assert scene.log("by bentoml's logger").scope == "bentoml.shop"
    assert scene.sink.logs(body="too small to tell") == []
    leaked = {"levelname_bracketed", "component", "trace_msg", "request_id", "service_name"}
    assert not leaked & {key for log in scene.sink.logs() for key in log.attributes}


def test_access_records_and_answers_carry_the_same_trace(scene: Scene) -> None:
    """One record a request; its text is the console's line, its ids those of the server span."""
    answer, (server, *_) = scene.traced("/coroutine", text="abc")
    (record,) = scene.sink.wait(lambda: scene.sink.logs(scope="bentoml.access", trace_id=answer.trace_id))

    assert record.span_id == server.span_id
    assert record.attributes["http.route"] == "/coroutine"
    assert record.attributes["http.response.status_code"] == 200
    assert record.attributes["http.server.request.duration"] == (server.end_ns - server.start_ns) / 1e9
    assert f"{record.body} (trace={answer.trace_id},span={server.span_id}" in scene.server.output
    assert answer.headers["x-bentoml-request-id"] == server.span_id


def test_a_log_record_is_sent_once(scene: Scene) -> None:
    """Handlers hang on two loggers; no record passes both."""
    scene.ask("/telemetry", number=5)
    scene.log("price of 5 looked up")
    scene.trace(scene.ask("/coroutine", text="a").trace_id)

    assert len(scene.sink.logs(body="price of 5 looked up")) == 1


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    """After all of the above: no internal error, nothing dropped but odd inputs, no request in flight."""
    _nothing_in_flight(scene)
    assert scene.sink.last("bento_observe.errors") == []
    assert {point.attributes["signal"] for point in scene.sink.last("bento_observe.dropped")} <= {"features"}
