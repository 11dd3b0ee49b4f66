"""The scenario "nothing lost": everything that was answered before a worker got SIGTERM arrives, exactly once.

    python tests/service/nothing_lost.py --runs 5 [--kill-worker] [--requests 3000]

prints a table of what was sent and what arrived, and exits with 1 if any figure differs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass

from received import SERVER, Span
from server import BentoServer
from sink import Sink
from traffic import STATUS, Answer, Request, mixed, send_all

_STAGES = {
    "ok": ["decode", "encode", "predict"],
    "bad_json": ["decode"],
    "wrong_shape": ["decode"],
    "not_found": [],
    "raises": ["decode", "predict"],
}


@dataclass
class Outcome:
    """What was expected and what arrived, figure by figure; `wrong` tells of single requests, a line each."""

    figures: dict[str, tuple[int, int]]
    wrong: list[str]
    stop_seconds: float

    @property
    def good(self) -> bool:
        return not self.wrong and all(expected == arrived for expected, arrived in self.figures.values())


def run(requests: int = 3000, clients: int = 8, kill_worker: bool = False, protocol: str = "grpc") -> Outcome:
    """Serve with two workers, send, SIGTERM right after the last answer, compare.

    With `kill_worker` one of the two also gets SIGTERM when half of the answers are there.
    """
    with Sink() as sink, BentoServer("simple:Simple", sink.environment(protocol), workers=2) as server:
        plan = mixed(requests)
        answers = _send_and_kill(server, plan, clients) if kill_worker else send_all(server.port, plan, clients)
        stop_seconds = server.stop()
        outcome = _compare(sink, answers)
        outcome.stop_seconds = stop_seconds
        instances = {log.resource["service.instance.id"] for log in sink.logs()}
        outcome.figures["worker processes heard of"] = (3 if kill_worker else 2, len(instances))
        return outcome


def _send_and_kill(server: BentoServer, plan: list[Request], clients: int) -> list[Answer]:
    """Two thirds under full load, in the midst of which a worker is told to stop; the rest to it and its successor."""
    victim = server.workers[0]

    def on_answer(count: int) -> None:
        if count == len(plan) // 2:
            os.kill(victim, signal.SIGTERM)

    first = len(plan) * 2 // 3
    answers = send_all(server.port, plan[:first], clients, on_answer)
    server.wait_for_output("Service Simple initialized", count=3)
    return answers + send_all(server.port, plan[first:], clients)


def _compare(sink: Sink, answers: list[Answer]) -> Outcome:
    servers = {span.trace_id: span for span in sink.spans(kind=SERVER)}
    access = sink.logs(scope="bentoml.access")
    sent = Counter(answer.request.kind for answer in answers)
    rows = Counter[str]()
    for answer in answers:
        rows[answer.request.kind] += answer.request.rows
    figures = {
        "server spans": (len(answers), len(sink.spans(kind=SERVER))),
        "different traces": (len(answers), len(servers)),
        "all spans": (sum(sent[kind] * (1 + len(stages)) for kind, stages in _STAGES.items()), len(sink.spans())),
        "http.server.request.duration": (len(answers), sink.count("http.server.request.duration")),
        "predict stages": (
            sent["ok"] + sent["raises"],
            sink.count("bentoml.api.stage.duration", bentoml__api__stage="predict"),
        ),
        "access log records": (len(answers), len(access)),
    }
    for status in sorted(set(STATUS.values())):
        expected = sum(sent[kind] for kind, code in STATUS.items() if code == status)
        arrived = sink.count("http.server.request.duration", http__response__status_code=status)
        figures[f"http.server.request.duration {status}"] = (expected, arrived)
    for column in range(4):
        arrived = sink.count("ml.feature.value", ml__signal="input", ml__feature__name=str(column))
        figures[f"input rows, feature {column}"] = (rows["ok"] + rows["raises"], arrived)
    figures["prediction rows"] = (rows["ok"], sink.count("ml.feature.value", ml__signal="prediction"))
    figures["dropped"] = (0, int(sink.value("bento_observe.dropped")))
    figures["errors"] = (0, int(sink.value("bento_observe.errors")))
    return Outcome(figures, list(_wrong(sink, answers, servers)), 0.0)


def _wrong(sink: Sink, answers: list[Answer], servers: dict[str, Span]) -> list[str]:
    found = []
    stages = defaultdict(list)
    for span in sink.spans():
        if span.kind != SERVER:
            stages[span.trace_id].append(span)
    logged = {(log.trace_id, log.span_id) for log in sink.logs(scope="bentoml.access")}
    for answer in answers:
        kind = answer.request.kind
        server = servers.get(answer.trace_id)
        if answer.status != STATUS[kind]:
            found.append(f"{kind} was answered with {answer.status}")
        if server is None:
            found.append(f"{kind} has no server span")
            continue
        _, trace_id, parent_id, _ = answer.request.headers.get("traceparent", "-" + server.trace_id + "--").split("-")
        if (server.trace_id, server.parent_id) != (trace_id, parent_id):
            found.append(f"{kind} does not continue the caller's trace")
        if sorted(span.name for span in stages[server.trace_id]) != _STAGES[kind]:
            found.append(f"{kind} has the stages {[span.name for span in stages[server.trace_id]]}")
        if any(span.parent_id != server.span_id for span in stages[server.trace_id]):
            found.append(f"{kind} has a stage that is not the server span's child")
        if server.attributes["http.response.status_code"] != answer.status:
            found.append(f"{kind} has status {server.attributes['http.response.status_code']} in its span")
        if (server.trace_id, server.span_id) not in logged:
            found.append(f"{kind} has no access log record with its ids")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--protocol", choices=("grpc", "http/protobuf"), default="grpc")
    parser.add_argument("--kill-worker", action="store_true", help="one worker gets SIGTERM half way")
    options = parser.parse_args()
    good = True
    for number in range(1, options.runs + 1):
        outcome = run(options.requests, kill_worker=options.kill_worker, protocol=options.protocol)
        good = good and outcome.good
        verdict = "good" if outcome.good else "WRONG"
        print(f"run {number}: {verdict}, bentoml serve stopped in {outcome.stop_seconds:.2f} s")
        for name, (expected, arrived) in outcome.figures.items():
            if number == 1 or expected != arrived:
                print(f"  {name:40} expected {expected:6}  arrived {arrived:6}{'' if expected == arrived else '  <--'}")
        for line, count in Counter(outcome.wrong).most_common(10):
            print(f"  {count} x {line}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
