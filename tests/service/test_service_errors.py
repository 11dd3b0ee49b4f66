"""What failed, and who is to blame: `error.type` and status of spans, attributes of metrics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import traceparent


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    environment = {**SETTINGS, "TEST_TIMEOUT": "1"}
    with Sink() as sink, BentoServer("errors:Errors", {**sink.environment(), **environment}) as server:
        yield Scene(server, sink)


def counted(scene: Scene, route: str, status: int, error: str) -> bool:
    """Whether the request's metric has just these attributes."""
    return bool(
        scene.sink.last(
            "http.server.request.duration", http__route=route, http__response__status_code=status, error__type=error
        )
    )


@pytest.mark.parametrize("path", ["/fails", "/afails"])
@pytest.mark.parametrize(
    ("how", "status", "error"),
    [
        ("conflict", 409, "errors.OutOfStock"),
        ("inherited", 409, "errors.SoldOut"),
        ("given", 402, "bentoml.exceptions.BentoMLException"),
        ("argument", 400, "bentoml.exceptions.InvalidArgument"),
        ("unavailable", 503, "bentoml.exceptions.ServiceUnavailable"),
        ("gateway", 502, "errors.Overloaded"),
        ("pydantic", 400, "pydantic_core._pydantic_core.ValidationError"),
        ("value", 500, "ValueError"),
        ("timeout", 500, "TimeoutError"),
    ],
)
def test_an_exception_is_named_and_keeps_its_status(scene: Scene, path: str, how: str, status: int, error: str) -> None:
    """The handler's stage is an error in any case, the request only where the service is to blame (from 500 on)."""
    answer, (server, _, predict) = scene.traced(path, how=how)

    assert answer.status == server.attributes["http.response.status_code"] == status
    assert server.attributes["error.type"] == predict.attributes["error.type"] == error
    assert server.status == (2 if status >= 500 else 0)
    assert predict.status == 2
    assert [event.attributes["exception.type"] for event in predict.events] == [error]
    scene.sink.wait(lambda: counted(scene, path, status, error), what="its count")
    scene.sink.wait(
        lambda: scene.sink.last(
            "bentoml.api.stage.duration", bentoml__api__name=path[1:], bentoml__api__stage="predict", error__type=error
        )
    )


@pytest.mark.parametrize("path", ["/status", "/response"])
@pytest.mark.parametrize("code", [201, 404, 429, 500, 503])
def test_a_status_that_the_handler_sets_is_the_error(scene: Scene, path: str, code: int) -> None:
    """Through the context or as a response of its own; nothing was raised, so there is no other name for it."""
    answer, (server, *stages) = scene.traced(path, code=code)

    assert answer.status == server.attributes["http.response.status_code"] == code
    assert server.attributes.get("error.type") == (str(code) if code >= 400 else None)
    assert server.status == (2 if code >= 500 else 0)
    assert [stage.status for stage in stages if stage.name == "predict"] == [0]


def test_an_answer_that_does_not_fit_its_type_is_an_error_of_encoding(scene: Scene) -> None:
    answer, (server, *stages) = scene.traced("/misfit")
    encode = next(stage for stage in stages if stage.name == "encode")

    assert answer.status >= 400
    assert server.attributes["error.type"] == encode.attributes["error.type"]
    assert encode.status == 2
    assert [stage.status for stage in stages if stage.name != "encode"] == [0, 0]


def test_a_time_out_is_a_504_and_its_handler_cancelled(scene: Scene) -> None:
    """The error of both is what the client was told: the stage was cut off with it."""
    answer, (server, _, predict) = scene.traced("/sleeps", seconds=5)

    assert answer.status == 504
    assert (server.attributes["error.type"], server.status) == ("504", 2)
    assert (predict.attributes["error.type"], predict.status) == ("504", 2)
    assert predict.end_ns <= server.end_ns
    scene.sink.wait(lambda: counted(scene, "/sleeps", 504, "504"))


def test_a_handler_that_cancels_itself_is_answered_in_the_end(scene: Scene) -> None:
    """Not by BentoML, which waits until its time is up and then has nothing to say: the server makes it a 500."""
    given = traceparent()
    answer = scene.ask("/cancels", headers={"traceparent": given})
    server, _, predict = scene.trace(given.split("-")[1])

    assert answer.status == server.attributes["http.response.status_code"] == 500
    assert (server.attributes["error.type"], server.status) == ("500", 2)
    assert predict.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    scene.nothing_in_flight()


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()
