"""Global OpenTelemetry providers of the application's own, and none."""

from __future__ import annotations

import pytest
from received import SERVER
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Request

_LINE = "the application has global OpenTelemetry providers of its own"


@pytest.mark.parametrize("when", ["import", "init"])
def test_what_the_application_records_goes_where_it_says(when: str) -> None:
    """Whether it sets its providers when it is imported or when it starts: its spans and metrics there, ours here, each
    once, in one trace, and one line says so."""
    with Sink() as ours, Sink() as theirs:
        environment = {
            **ours.environment(), **SETTINGS, "TEST_PROVIDERS": when, "TEST_ENDPOINT": theirs.grpc_url,
        }  # fmt: skip
        with BentoServer("own_providers:OwnProviders", environment, workers=2) as server:
            scene = Scene(server, ours)
            answers = [scene.ask("/predict", number=number) for number in range(6)]
            traces = {answer.trace_id for answer in answers}
            theirs.wait(lambda: len(theirs.spans(name="their span")) == 6, what="their spans")
            theirs.wait(lambda: theirs.value("theirs.counted") == 6, what="their metrics")
            for answer in answers:
                server_span, _, predict, _ = scene.trace(answer.trace_id)
                (their,) = theirs.spans(trace_id=answer.trace_id)
                assert their.parent_id == predict.span_id
                assert predict.parent_id == server_span.span_id
            assert {span.trace_id for span in ours.spans(kind=SERVER)} == traces
            assert ours.spans(name="their span") == []
            assert ours.points(metric="theirs.counted") == []
            assert theirs.spans(kind=SERVER) == []
            assert {span.resource["service.name"] for span in theirs.spans()} == {"theirs"}
            assert server.output.count(_LINE) == 1
            assert "Overriding of current" not in server.output


def test_a_legacy_service_keeps_its_own_providers_and_says_so() -> None:
    """In each of its processes, the runner's included."""
    with Sink() as ours, Sink() as theirs:
        environment = {
            **ours.environment(), **SETTINGS, "TEST_PROVIDERS": "import", "TEST_ENDPOINT": theirs.grpc_url,
        }  # fmt: skip
        with BentoServer("own_providers:svc", environment, workers=2) as server:
            scene = Scene(server, ours)
            answers = [scene.send(Request("predict", "/predict", b"1")) for _ in range(3)]
            theirs.wait(lambda: len(theirs.spans(name="their span")) == 6, what="their spans")
            stages = ours.wait(lambda: len(found := ours.spans(name="predict")) == 6 and found, what="both processes")
            theirs_by_parent = {span.parent_id: span for span in theirs.spans(name="their span")}
            assert theirs_by_parent.keys() == {stage.span_id for stage in stages}
            assert {span.trace_id for span in theirs_by_parent.values()} == {answer.trace_id for answer in answers}
            assert ours.spans(name="their span") == []
            assert server.output.count(_LINE) == 2


def test_without_any_the_application_finds_ours() -> None:
    """Its spans, also those of its start, go with ours; there is nothing to say."""
    with (
        Sink() as sink,
        BentoServer(
            "own_providers:OwnProviders", {**sink.environment(), **SETTINGS, "TEST_PROVIDERS": "never"}
        ) as server,
    ):
        scene = Scene(server, sink)
        _, (_, _, predict, *_) = scene.traced("/predict", number=1)
        (own,) = sink.wait(lambda: sink.spans(name="their span"))
        assert own.parent_id == predict.span_id
        assert own.resource == predict.resource
        assert sink.wait(lambda: sink.spans(name="load"))
        sink.wait(lambda: sink.value("theirs.counted") == 1)
        assert _LINE not in server.output
