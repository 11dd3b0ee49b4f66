"""Services that give telemetry little to hold on to: they are served, and what is not done is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from received import SERVER
from scene import SETTINGS, Scene
from server import SERVICES, BentoServer
from sink import Sink


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("odd:Odd", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/nothing", {}),
        ("/anything", {"kwargs": {"a": 1, "b": "c"}}),
        ("/several", {"args": ["a", "b"]}),
        ("/opaque", {"value": {"deep": [1, {"x": None}]}}),
        ("/opaque", {"value": None}),
    ],
)
def test_a_signature_with_nothing_to_count_is_served(scene: Scene, path: str, fields: dict[str, Any]) -> None:
    """With its spans, and without an error."""
    answer, (server, *stages) = scene.traced(path, **fields)

    assert (answer.status, server.status) == (200, 0)
    assert [stage.name for stage in stages] == ["decode", "predict", "encode"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "/ours",
            {"stage": 1, "api": "a", "health": 0.5, "call": 2, "recorder": 3, "func": "f", "request": "r"},
        ),
        ("/signal", {"signal": 1, "ml": 0.25, "bentoml_api_name": "y"}),
    ],
)
def test_parameters_with_names_of_ours_are_theirs(scene: Scene, path: str, fields: dict[str, Any]) -> None:
    """The handler gets them, and each is a feature."""
    answer, (server, *_) = scene.traced(path, **fields)

    assert answer.json() == list(fields.values())
    assert server.attributes["http.route"] == path
    numbers = {name for name, value in fields.items() if not isinstance(value, str)}
    scene.sink.wait(
        lambda: (
            numbers
            <= {
                point.attributes["ml.feature.name"]
                for point in scene.sink.last("ml.feature.value", bentoml__api__name=path[1:], ml__signal="input")
            }
        ),
        what="their features",
    )


def test_a_fork_is_served_and_told_once(scene: Scene) -> None:
    """The child's spans and records are nobody's; the parent's are all there, once."""
    for _ in range(3):
        answer, (_, *stages) = scene.traced("/forks")
        assert (answer.status, answer.body) == (200, b"45")
        assert [stage.name for stage in stages] == ["decode", "predict", "encode"]
    scene.trace(scene.ask("/nothing").trace_id)

    assert scene.server.output.count("what that records itself is not sent") == 1
    assert scene.sink.spans(name="in the child") == []
    assert [log for log in scene.sink.logs() if str(log.body).startswith("child ")] == []
    ids = [span.span_id for span in scene.sink.spans()]
    assert len(ids) == len(set(ids))


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()


def test_two_observed_services_in_one_process_each_tell_their_requests() -> None:
    """Under their own names; spans of the application's own have one provider, which is said."""
    with Sink() as sink, tempfile.TemporaryDirectory() as home:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "BENTO", "TEST_"))}
        environment = {**kept, **sink.environment(), **SETTINGS, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True"}
        script = [sys.executable, str(SERVICES / "two.py")]
        done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        answers = [line.split() for line in done.stdout.splitlines() if line.startswith("/")]
        assert [answer[:3] for answer in answers] == [["/one", "200", "2"], ["/two", "200", "3"]]
        for (path, _, _, trace_id), service in zip(answers, ("First", "Second"), strict=True):
            (server,) = sink.spans(trace_id=trace_id, kind=SERVER)
            assert (server.name, server.resource["service.name"]) == (f"POST {path}", service)
            assert sorted(span.name for span in sink.spans(trace_id=trace_id)) == sorted(
                [server.name, "decode", "predict", "encode", f"own of {path[1:]}"]
            )
            assert sink.count("http.server.request.duration", http__route=path) == 1
        assert (done.stdout + done.stderr).count("a second observed service in one process") == 1
