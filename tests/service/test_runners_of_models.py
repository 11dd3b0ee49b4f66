"""`to_runner()` of a model of the store: as a legacy service, and within a service of today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from received import INTERNAL
from server import BentoServer
from sink import Sink
from traffic import Answer, Client, Request

BODY = b"[[0.5, 1], [-0.5, 2], [0, 3]]"


@contextmanager
def asked(service: str, path: str, body: bytes) -> Iterator[tuple[Sink, Answer]]:
    """What one request leaves behind once the server has stopped."""
    with Sink() as sink, BentoServer(service, sink.environment()) as server:
        with Client(server.port) as client:
            answer = client.send(Request(path, path, body))
        server.stop()
        assert answer.status == 200, server.output
        yield sink, answer


def counted(sink: Sink, service: str, api: str) -> dict[tuple[object, ...], int]:
    """Values by signal, feature, model and whether they were compared with a reference."""
    found = {}
    for point in sink.last("ml.feature.value", bentoml__api__name=api):
        if point.resource["service.name"] == service:
            about = point.attributes
            key = (about["ml.signal"], about["ml.feature.name"], about.get("ml.model.name"), "ml.reference.id" in about)
            found[key] = point.count
    return found


COMPARED = {
    ("input", "width", "scores", True): 3,
    ("input", "height", "scores", True): 3,
    ("prediction", "value", "scores", True): 3,
}


def test_a_runner_is_compared_with_the_reference_of_its_model() -> None:
    """In its own process, where the model is known; the API has none of its own."""
    with asked("sklearn_runner:svc", "/score", BODY) as (sink, answer):
        assert counted(sink, "scorer", "predict") == COMPARED
        assert {key[2:] for key in counted(sink, "scores_api", "score")} == {(None, False)}
        spans = {
            span.name: span
            for span in sink.spans(trace_id=answer.trace_id)
            if span.resource["service.name"] == "scorer"
        }
        assert sorted(spans) == ["POST /predict", "batch predict", "predict"]
        assert {spans[name].attributes.get("ml.model.name") for name in ("batch predict", "predict")} == {"scores"}
        (rows,) = sink.last("bentoml.batch.rows")
        assert rows.sum == 3


def test_an_api_that_takes_what_the_reference_describes_is_compared_with_it() -> None:
    """By the columns that its descriptor declares; another one that takes five of them is not."""
    body = b'[{"width": 0.5, "height": 1}, {"width": 1, "height": 2}, {"width": 2, "height": -2}]'
    with asked("sklearn_runner:checked", "/sums", body) as (sink, _):
        found = counted(sink, "checked_api", "sums")
        assert {(signal, name, known): count for (signal, name, _, known), count in found.items()} == {
            ("input", "width", True): 3,
            ("input", "height", True): 3,
            ("prediction", "value", True): 3,
        }
        described = {point.attributes["bentoml.api.name"] for point in sink.last("ml.feature.reference.count")}
        assert described == {"sums"}


def test_a_local_runner_within_a_service_of_today() -> None:
    """Its calls are stages below the handler's, its features are compared with its own model's reference."""
    with asked("sklearn_runner:Migrated", "/score", b'{"rows": %s}' % BODY) as (sink, answer):
        spans = sink.spans(trace_id=answer.trace_id)
        (handler,) = [
            span for span in spans if span.attributes.get("bentoml.api.name") == "score" and span.name == "predict"
        ]
        (inner,) = [span for span in spans if span.attributes.get("bentoml.api.name") == "local.predict"]
        assert (inner.name, inner.kind, inner.parent_id) == ("predict", INTERNAL, handler.span_id)
        assert counted(sink, "Migrated", "local.predict") == COMPARED
