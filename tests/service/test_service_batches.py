"""Adaptive batching: what of it arrives as spans, links, metrics, features and log records."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from received import INTERNAL, SERVER, Span
from scene import SETTINGS, Scene
from server import BentoServer
from sink import Sink
from traffic import Answer, traceparent
from tree import tree

HOLD, FAIL, ODD = 1000.0, -1000.0, 2000.0
APIS = ["score", "ascore"]
STAGES = ["decode", "predict", "encode"]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sink() as sink, BentoServer("batches:Batches", {**sink.environment(), **SETTINGS}) as server:
        yield Scene(server, sink)


def rows(count: int, first: float = 1.0) -> list[list[float]]:
    return [[first, 2.0, 3.0]] * count


def together(scene: Scene, api: str, bodies: list[Any], sampled: list[bool] | None = None) -> list[Answer]:
    """The answers to requests that had to be in one batch: they were queued while another one was in the handler."""
    answers: dict[int, Answer] = {}

    def ask(number: int, data: Any) -> None:
        parent = traceparent(number == 0 or sampled is None or sampled[number - 1])
        answers[number] = scene.ask(f"/{api}", rows=data, headers={"traceparent": parent})

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in enumerate([rows(1, HOLD), *bodies])]
    scene.ask("/lock")
    try:
        threads[0].start()
        scene.sink.wait(lambda: scene.ask("/holding").json() == 1, what="a held batch")
        for thread in threads[1:]:
            thread.start()
        waiting = len(threads)
        scene.sink.wait(
            lambda: scene.sink.value("http.server.active_requests") == waiting, what=f"{waiting} requests in flight"
        )
    finally:
        scene.ask("/release")
        ended(threads)
    return [answers[number] for number in range(1, len(threads))]


def ended(threads: list[threading.Thread]) -> None:
    """Wait for those that were started. AssertionError if one is not answered in twice the time a client waits."""
    for thread in threads:
        if thread.ident:
            thread.join(60)
            assert not thread.is_alive(), "a request has no answer"


def spans_of(scene: Scene, answers: list[Answer]) -> list[tuple[Span, Span]]:
    """Server and predict span of each answer."""
    found = []
    for answer in answers:
        server, *stages = scene.trace(answer.trace_id)
        found.append((server, next(span for span in stages if span.name == "predict")))
    return found


def batch_of(scene: Scene, predict: Span) -> Span:
    """The only batch that a predict span links to."""
    (link,) = predict.links
    (batch,) = scene.sink.wait(lambda: scene.sink.spans(span_id=link.span_id), what="the batch's span")
    assert batch.trace_id == link.trace_id
    return batch  # type: ignore[no-any-return]


def below(scene: Scene, parent: Span, count: int) -> list[Span]:
    found: list[Span] = scene.sink.wait(
        lambda: (children := scene.sink.spans(parent_id=parent.span_id)) and len(children) >= count and children,
        what=f"{count} children of {parent.name}",
    )
    return found


# -- spans -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_a_batch_of_one_is_a_part_of_its_request(scene: Scene, api: str) -> None:
    """The batch, and what the handler does, is below the predict stage: the request's trace is whole."""
    scene.ask("/release")
    answer = scene.ask(f"/{api}", rows=rows(3))
    ((_, predict),) = spans_of(scene, [answer])
    batch = batch_of(scene, predict)
    below(scene, batch, 1)

    assert answer.json() == [6.0, 6.0, 6.0]
    assert tree(scene.sink.spans(trace_id=answer.trace_id)) == [
        f"SERVER Batches: POST /{api}",
        "  INTERNAL Batches: decode",
        "  INTERNAL Batches: predict",
        f"    INTERNAL Batches: batch {api}",
        "      INTERNAL Batches: look up",
        "  INTERNAL Batches: encode",
    ]
    assert batch.attributes == {
        "bentoml.api.name": api,
        "bentoml.batch.size": 1,
        "bentoml.batch.rows": 3,
        "batches.columns": 3,
    }
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(predict.trace_id, predict.span_id)]


@pytest.mark.parametrize("api", APIS)
def test_a_batch_of_several_is_linked_with_all_of_them(scene: Scene, api: str) -> None:
    """A trace of its own; links both ways; each request keeps its own trace, stages, parent and wait."""
    answers = together(scene, api, [rows(count) for count in (1, 2, 3, 1)])
    assert [len(answer.json()) for answer in answers] == [1, 2, 3, 1]
    pairs = spans_of(scene, answers)
    batch = batch_of(scene, pairs[0][1])
    (look_up,) = below(scene, batch, 1)

    assert (batch.name, batch.kind, batch.status, batch.parent_id) == (f"batch {api}", INTERNAL, 0, "")
    assert batch.attributes["bentoml.batch.size"] == 4
    assert batch.attributes["bentoml.batch.rows"] == 7
    assert batch.trace_id not in {answer.trace_id for answer in answers}
    assert {(link.trace_id, link.span_id) for link in batch.links} == {
        (predict.trace_id, predict.span_id) for _, predict in pairs
    }
    assert len(batch.links) == 4
    assert (look_up.name, look_up.trace_id) == ("look up", batch.trace_id)
    for answer, (server, predict) in zip(answers, pairs, strict=True):
        assert tree(scene.sink.spans(trace_id=answer.trace_id)) == [
            f"SERVER Batches: POST /{api}",
            "  INTERNAL Batches: decode",
            "  INTERNAL Batches: predict",
            "  INTERNAL Batches: encode",
        ]
        assert server.trace_id == answer.trace_id
        assert [(link.trace_id, link.span_id) for link in predict.links] == [(batch.trace_id, batch.span_id)]
        wait = predict.attributes["bentoml.batch.wait"]
        assert 0 < wait < (predict.end_ns - predict.start_ns) / 1e9
        # Two clocks begin the two spans: they agree to a few milliseconds on a busy machine.
        assert predict.start_ns + wait * 1e9 == pytest.approx(batch.start_ns, abs=50e6)


def test_a_request_too_large_for_a_batch_links_to_several(scene: Scene) -> None:
    """40 rows in batches of 16 at most, put together again; the first wait counts."""
    scene.ask("/release")
    waits = scene.count("bentoml.batch.wait", bentoml__api__name="score")
    answer = scene.ask("/score", rows=rows(40))
    ((_, predict),) = spans_of(scene, [answer])
    batches = scene.sink.wait(
        lambda: len(found := scene.sink.spans(trace_id=answer.trace_id, name="batch score")) == 3 and found
    )

    assert answer.json() == [6.0] * 40
    assert sorted(batch.attributes["bentoml.batch.rows"] for batch in batches) == [8, 16, 16]
    assert {batch.parent_id for batch in batches} == {predict.span_id}
    assert {link.span_id for link in predict.links} == {batch.span_id for batch in batches}
    assert len(predict.links) == 3
    scene.sink.wait(lambda: scene.sink.count("bentoml.batch.wait", bentoml__api__name="score") == waits + 1)


def test_a_batch_is_sampled_if_any_of_its_requests_is(scene: Scene) -> None:
    """Its links lead to all of them, to the sampled one first. Of a batch without any only the numbers arrive."""
    batches = scene.count("bentoml.batch.size", bentoml__api__name="score")
    unsampled = together(scene, "score", [rows(1), rows(1)], [False, False])
    scene.sink.wait(lambda: scene.sink.count("bentoml.batch.size", bentoml__api__name="score") == batches + 2)
    answers = together(scene, "score", [rows(1), rows(1), rows(1)], [False, True, False])
    ((_, predict),) = spans_of(scene, answers[1:2])
    batch = batch_of(scene, predict)

    assert batch.links[0].trace_id == answers[1].trace_id
    assert {link.trace_id for link in batch.links} == {answer.trace_id for answer in answers}
    linked = {link.trace_id for span in scene.sink.spans() for link in span.links}
    assert not linked & {answer.trace_id for answer in unsampled}


def test_the_first_request_of_all_leaves_nothing_behind(scene: Scene) -> None:
    """BentoML runs every batch in the context of the first request that was ever batched: none of its ids is in any
    later batch, nor in what is recorded within."""
    first = scene.ask("/turned", columns=[[1.0, 2.0]])
    spans_of(scene, [first])
    later = scene.ask("/turned", columns=[[1.0, 2.0, 3.0]])
    ((_, predict),) = spans_of(scene, [later])
    batch = batch_of(scene, predict)

    assert batch.attributes["bentoml.batch.rows"] == 3
    assert (batch.trace_id, batch.parent_id) == (later.trace_id, predict.span_id)
    assert len([span for span in scene.sink.spans(trace_id=first.trace_id) if span.name.startswith("batch")]) == 1


def test_what_is_called_within_a_batch_is_below_it(scene: Scene) -> None:
    """A call through the service's own application, a direct one, and one of the batchable API itself."""
    answer = scene.ask("/asks", numbers=[1.0, 2.0])
    ((_, predict),) = spans_of(scene, [answer])
    batch_of(scene, predict)
    own_call = ["INTERNAL Batches: POST /plain", *(f"  INTERNAL Batches: {stage}" for stage in STAGES)]

    assert answer.json() == [1.0, 2.0]
    assert tree(scene.sink.spans(trace_id=answer.trace_id)) == [
        "SERVER Batches: POST /asks",
        "  INTERNAL Batches: decode",
        "  INTERNAL Batches: predict",
        "    INTERNAL Batches: batch asks",
        *(f"      {line}" for line in own_call),
        "      INTERNAL Batches: predict",  # of `plain`
        "      INTERNAL Batches: predict",  # of `asks`, which calls itself with one number
        *(f"        {line}" for line in own_call),
        "        INTERNAL Batches: predict",
        "  INTERNAL Batches: encode",
    ]


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_a_batch_that_fails_fails_all_of_its_requests(scene: Scene, api: str) -> None:
    """Status and exception are on the batch's span and on each predict stage."""
    answers = together(scene, api, [rows(1), rows(1, FAIL), rows(1)])
    pairs = spans_of(scene, answers)
    batch = batch_of(scene, pairs[0][1])

    assert [answer.status for answer in answers] == [500] * 3
    for span in (batch, *(span for pair in pairs for span in pair)):
        assert (span.status, span.attributes["error.type"]) == (2, "ValueError")
    for span in (batch, *(predict for _, predict in pairs)):
        (event,) = span.events
        assert event.attributes["exception.message"] == "a row that fails"
        assert "in _act" in event.attributes["exception.stacktrace"]


@pytest.mark.parametrize(
    ("bodies", "error"),
    [
        ([rows(1), [[1.0, 2.0]]], "ValueError"),  # rows of another length: cannot be put together
        ([rows(1), rows(1, ODD)], "TypeError"),  # no results for rows
    ],
    ids=["inputs that do not fit", "a result that does not"],
)
def test_a_batch_that_cannot_be_made_or_shared_out_is_an_error_too(scene: Scene, bodies: list[Any], error: str) -> None:
    """BentoML raises around the handler; rows are counted all the same."""
    answers = together(scene, "score", bodies)
    pairs = spans_of(scene, answers)
    batch = batch_of(scene, pairs[0][1])

    assert {answer.status for answer in answers} == {500}
    assert (batch.status, batch.attributes["error.type"]) == (2, error)
    assert batch.attributes["bentoml.batch.rows"] == 2
    assert [predict.attributes["error.type"] for _, predict in pairs] == [error] * 2


# -- metrics, features, logs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "bodies", "count"),
    [
        ("ascore", [{"rows": rows(count)} for count in (1, 2, 5)], 8),
        ("texts", [{"texts": ["a", "b"]}, {"texts": ["c"]}], 3),
    ],
)
def test_sums_of_requests_rows_waits_and_features_are_exact(
    scene: Scene, api: str, bodies: list[dict[str, Any]], count: int
) -> None:
    """One wait and one queue a request, each row once, whoever was batched with whom; as BentoML's own metric says."""
    scene.ask("/release")
    sink = scene.sink

    def numbers() -> dict[str, float]:
        named = {"bentoml__api__name": api}
        return {
            "waits": sink.count("bentoml.batch.wait", **named),
            "queue": sink.count("bentoml.api.stage.duration", bentoml__api__stage="queue", **named),
            "predict": sink.count("bentoml.api.stage.duration", bentoml__api__stage="predict", **named),
            "size": sum(point.sum for point in sink.last("bentoml.batch.size", **named)),
            "rows": sum(point.sum for point in sink.last("bentoml.batch.rows", **named)),
            "inputs": _counted(sink, api, "input"),
            "predictions": _counted(sink, api, "prediction"),
            "batches": sink.count("bentoml.batch.size", **named),
        }

    before = numbers()
    answers = [scene.ask(f"/{api}", **body) for body in bodies]
    spans_of(scene, answers)
    requests = len(bodies)
    wanted = {
        **dict.fromkeys(("waits", "queue", "predict", "size", "batches"), requests),
        **dict.fromkeys(("rows", "inputs", "predictions"), count),
    }
    sink.wait(
        lambda: {name: value - before[name] for name, value in numbers().items()} == wanted,
        what=f"{wanted} since {before}",
    )
    observed = [
        value
        for key, value in scene.server.prometheus("bentoml_service_adaptive_batch_size_count").items()
        if f'method_name="{api}"' in key
    ]
    assert sum(observed) == numbers()["batches"]


def _counted(sink: Sink, api: str, signal: str) -> float:
    """Values of one column of an API: all columns have as many."""
    numeric = {
        point.attributes["ml.feature.name"]: point.count
        for point in sink.last("ml.feature.value", bentoml__api__name=api, ml__signal=signal)
    }
    categories = sink.value("ml.feature.category", bentoml__api__name=api, ml__signal=signal)
    assert len(set(numeric.values())) <= 1
    return next(iter(numeric.values()), categories)


def test_log_lines_of_a_batch_belong_to_it(scene: Scene) -> None:
    """Those within a span of the user's to that one; on the console, too."""
    answers = together(scene, "score", [rows(4), rows(5)])
    ((_, predict), _) = spans_of(scene, answers)
    batch = batch_of(scene, predict)
    (look_up,) = below(scene, batch, 1)
    records = scene.sink.wait(lambda: scene.sink.logs(trace_id=batch.trace_id))

    assert [(record.body, record.span_id) for record in records] == [("9 rows", look_up.span_id)]


def test_exemplars_of_batches_lead_to_their_spans(scene: Scene) -> None:
    """Of size, rows and wait."""
    scene.ask("/release")
    answer = scene.ask("/texts", texts=["a"])
    ((_, predict),) = spans_of(scene, [answer])
    batch = batch_of(scene, predict)

    for metric in ("bentoml.batch.size", "bentoml.batch.rows", "bentoml.batch.wait"):
        scene.sink.wait(
            lambda metric=metric: any(
                (exemplar.trace_id, exemplar.span_id) == (batch.trace_id, batch.span_id)
                for point in scene.sink.points(metric=metric)
                for exemplar in point.exemplars
            ),
            what=f"an exemplar of {metric}",
        )


def test_nothing_of_ours_went_wrong(scene: Scene) -> None:
    scene.nothing_went_wrong()


# -- requests that are gone ------------------------------------------------------------------------------------------


def test_requests_that_time_out_in_the_queue_disturb_nobody() -> None:
    """They are answered 504; their rows are still in the batch, which ends when it ends; later ones are as ever."""
    env = {**SETTINGS, "TEST_TIMEOUT": "1.5"}
    with Sink() as sink, BentoServer("batches:Batches", {**sink.environment(), **env}) as server:
        scene = Scene(server, sink)
        answers: list[Answer] = []
        asked: list[Callable[[], None]] = [
            lambda: answers.append(scene.ask("/score", rows=rows(1, HOLD))),
            lambda: answers.append(scene.ask("/score", rows=rows(2))),
            lambda: answers.append(scene.ask("/score", rows=rows(3))),
        ]
        threads = [threading.Thread(target=ask, daemon=True) for ask in asked]
        threads[0].start()
        sink.wait(lambda: scene.ask("/holding").json() == 1)
        for thread in threads[1:]:
            thread.start()
        ended(threads)
        assert [answer.status for answer in answers] == [504] * 3
        pairs = spans_of(scene, answers)
        scene.ask("/release")
        sink.wait(lambda: len(sink.spans(name="batch score")) == 2)
        later = scene.ask("/score", rows=rows(4))
        ((server_span, predict),) = spans_of(scene, [later])
        batch = batch_of(scene, predict)
        everyone = sink.wait(lambda: len(found := sink.spans(name="batch score")) >= 3 and found)

        assert json.loads(later.body) == [6.0] * 4
        assert (server_span.status, predict.status, batch.status) == (0, 0, 0)
        assert batch.attributes["bentoml.batch.size"] == 1
        for server_span, predict in pairs:
            assert (server_span.kind, server_span.attributes["http.response.status_code"]) == (SERVER, 504)
            assert (server_span.status, predict.status) == (2, 2)  # cut off by the time-out
        gone = {predict.span_id for _, predict in pairs}
        assert gone == {link.span_id for span in everyone if span is not batch for link in span.links} - {
            link.span_id for link in batch.links
        }
        assert sorted(span.attributes["bentoml.batch.rows"] for span in everyone) == [1, 4, 5]
        sink.wait(lambda: _counted(sink, "score", "input") == 10, what="all rows")
        scene.nothing_went_wrong()
