"""Tasks: submit, run and result belong together, whichever worker is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from received import INTERNAL, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, Request


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("tasks:Tasks", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def ask(scene: Scene, path: str, what: str, task: str, method: str = "GET") -> Answer:
    return scene.send(Request(what, f"{path}/{what}?task_id={task}", method=method))


def run(scene: Scene, path: str, **fields: Any) -> tuple[str, Answer, list[Span]]:
    """Submit a task and wait for its end: its id, the answer to the submit and the spans of that trace."""
    submitted = scene.ask(f"{path}/submit", **fields)
    task = submitted.json()["task_id"]
    wait_for(scene, path, task)
    # The run is told when it is over, after its submit has been.
    scene.sink.wait(lambda: scene.sink.spans(trace_id=submitted.trace_id, name="task"), what="the run of the task")
    return task, submitted, scene.trace(submitted.trace_id)


def wait_for(scene: Scene, path: str, task: str) -> None:
    deadline = time.monotonic() + 10
    while ask(scene, path, "status", task).json()["status"] == "in_progress":
        assert time.monotonic() < deadline, "the task does not end"


def test_a_task_runs_in_the_trace_of_its_submit(scene: Scene) -> None:
    """After the answer; its stages are below a span of its own, which has the task's id as the submit has."""
    task, submitted, (server, *spans) = run(scene, "/job", text="a b")
    by_name = {span.name: span for span in spans}

    assert sorted(by_name) == ["decode", "encode", "predict", "task"]
    assert by_name["task"].parent_id == server.span_id
    assert {by_name[name].parent_id for name in ("decode", "predict", "encode")} == {by_name["task"].span_id}
    assert server.name == "POST /job/submit"
    assert server.attributes["bentoml.task.id"] == by_name["task"].attributes["bentoml.task.id"] == task
    assert by_name["task"].start_ns >= server.start_ns
    assert (by_name["task"].kind, by_name["task"].status) == (INTERNAL, 0)
    stages = scene.sink.wait(
        lambda: scene.sink.last("bentoml.api.stage.duration", bentoml__api__name="job", bentoml__api__stage="task")
    )
    assert sum(point.count for point in stages) >= 1
    assert submitted.status == 200


@pytest.mark.parametrize(
    ("what", "method", "status"),
    [("status", "GET", 200), ("get", "GET", 200), ("cancel", "PUT", 400), ("retry", "POST", 200)],
)
def test_what_asks_about_a_task_is_linked_to_its_submit(scene: Scene, what: str, method: str, status: int) -> None:
    """Each is a trace of its own, with one link; cancelling is something that BentoML refuses locally."""
    task, _, (submit, *_) = run(scene, "/job", text="a")
    answer = ask(scene, "/job", what, task, method)
    (server, *_) = scene.trace(answer.trace_id)

    assert answer.status == server.attributes["http.response.status_code"] == status
    assert server.name == f"{method} /job/{what}"
    assert [(link.trace_id, link.span_id) for link in server.links] == [(submit.trace_id, submit.span_id)]
    assert server.trace_id != submit.trace_id
    asked = server.attributes["bentoml.task.id"]
    assert asked == (answer.json()["task_id"] if what == "retry" else task)


def test_a_retried_task_runs_in_the_trace_of_the_retry(scene: Scene) -> None:
    task, _, _ = run(scene, "/job", text="again")
    answer = ask(scene, "/job", "retry", task, "POST")
    wait_for(scene, "/job", answer.json()["task_id"])
    (span,) = scene.sink.wait(lambda: scene.sink.spans(trace_id=answer.trace_id, name="task"))

    assert span.attributes["bentoml.task.id"] == answer.json()["task_id"] != task
    assert ask(scene, "/job", "get", answer.json()["task_id"]).body == b"Again"


@pytest.mark.parametrize(
    ("how", "error"),
    [("value", "ValueError"), ("argument", "bentoml.exceptions.InvalidArgument"), ("status", "503")],
)
def test_a_task_that_fails_is_an_error_on_its_run(scene: Scene, how: str, error: str) -> None:
    """The submit was answered well before; BentoML calls every status from 400 on failed."""
    task, submitted, (server, *spans) = run(scene, "/fails", how=how)
    run_span = next(span for span in spans if span.name == "task")

    assert (submitted.status, server.status) == (200, 0)
    assert "error.type" not in server.attributes
    assert run_span.attributes["error.type"] == error
    assert run_span.status == 2
    assert ask(scene, "/fails", "status", task).json()["status"] == "failed"
    predict = next(span for span in spans if span.name == "predict")
    assert [event.attributes["exception.type"] for event in predict.events] == ([] if how == "status" else [error])


def test_what_a_task_cannot_decode_is_an_error_on_its_run(scene: Scene) -> None:
    _, _, (_, *spans) = run(scene, "/job", number=3)

    assert [span.name for span in spans] == ["task", "decode"]
    assert {span.attributes["error.type"] for span in spans} == {"pydantic_core._pydantic_core.ValidationError"}
    assert {span.status for span in spans} == {2}


def test_a_task_that_is_cancelled_runs_on(scene: Scene) -> None:
    """BentoML says that it does not support it, and notes it: both are told, and the run ends as it does."""
    submitted = scene.ask("/naps/submit", seconds=0.3)
    task = submitted.json()["task_id"]
    cancelled = ask(scene, "/naps", "cancel", task, "PUT")
    (server, *_) = scene.trace(cancelled.trace_id)
    (run_span,) = scene.sink.wait(lambda: scene.sink.spans(trace_id=submitted.trace_id, name="task"))

    assert cancelled.status == 400
    assert [link.trace_id for link in server.links] == [submitted.trace_id]
    assert run_span.end_ns - run_span.start_ns >= 0.3e9
    assert run_span.status == 0


def test_nothing_of_ours_is_in_what_a_task_sees(scene: Scene) -> None:
    """Neither when it runs first nor when it is run again from the store."""
    task, _, _ = run(scene, "/headers", text="a")
    first = ask(scene, "/headers", "get", task).json()
    again = ask(scene, "/headers", "retry", task, "POST").json()["task_id"]
    wait_for(scene, "/headers", again)

    assert ask(scene, "/headers", "get", again).json() == first
    assert not [name for name in first if "observe" in name]


@pytest.mark.parametrize("task", ["unknown", "x" * 5000, ""])
def test_an_id_that_is_none_is_no_link(scene: Scene, task: str) -> None:
    answer = ask(scene, "/job", "get", task)
    (server, *_) = scene.trace(answer.trace_id)

    assert answer.status == 404
    assert server.links == []
    assert len(server.attributes.get("bentoml.task.id", "")) <= 64


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()


def test_another_worker_knows_the_submit_of_what_it_gives_and_retries() -> None:
    """Two workers, one of which has submitted the task: each result and each retry is linked."""
    with Sink() as sink, BentoServer("tasks:Tasks", {**sink.environment(), **SETTINGS}, workers=2) as server:
        scene = Scene(server, sink)
        seen = set()
        task, submitted, (submit, *_) = run(scene, "/job", text="a")
        deadline = time.monotonic() + 20
        while len(seen) < 2:
            assert time.monotonic() < deadline, "only one worker answers"
            for what, method in (("get", "GET"), ("retry", "POST")):
                (span, *_) = scene.trace(ask(scene, "/job", what, task, method).trace_id)
                assert [(link.trace_id, link.span_id) for link in span.links] == [(submit.trace_id, submit.span_id)]
                seen.add(span.resource["process.pid"])
        assert submitted.status == 200
