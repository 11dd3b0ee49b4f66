"""Workers that are many, crash, come back, are reloaded, or in development: nothing lost, nothing counted twice."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from received import SERVER, Point
from server import SERVICES, BentoServer
from sink import Sink
from traffic import PREDICT, Client, Request, send_all

SOON = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "BENTO_OBSERVE_FLUSH_INTERVAL": "50"}
REQUESTS = "http.server.request.duration"


def counted(sink: Sink) -> int:
    """Requests by the last word of each worker."""
    return sink.count(REQUESTS, http__route="/predict")


def instances(points: list[Point]) -> set[str]:
    return {point.resource["service.instance.id"] for point in points}


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """What `condition` returned once it held. AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return found


def never_falls(sink: Sink) -> bool:
    """Whether all cumulative counts and sums of each series go up only, from one and the same start."""
    series = defaultdict(list)
    for point in sink.points():
        if point.kind in ("histogram", "exponential_histogram") or (point.kind == "sum" and point.monotonic):
            series[point.series].append((point.time_ns, point.count or point.value, point.start_ns))
    histories = [sorted(history) for history in series.values()]
    assert any(len(history) > 2 for history in histories)
    return all(
        [value for _, value, _ in history] == sorted(value for _, value, _ in history)
        and len({start for *_, start in history}) == 1
        for history in histories
    )


def test_each_of_several_workers_is_an_instance_of_its_own() -> None:
    """Three of them: counts add up, process metrics come once from each, of the process they are of."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **SOON}, workers=3) as server:
        pids = server.workers
        answers = send_all(server.port, [PREDICT] * 150, clients=6)
        assert {answer.status for answer in answers} == {200}
        sink.wait(lambda: counted(sink) == 150)
        sink.wait(lambda: len(instances(sink.last("process.memory.usage"))) == 3)
        server.stop()

        assert counted(sink) == 150
        assert never_falls(sink)
        usage = sink.last("process.memory.usage")
        assert sorted(point.resource["process.pid"] for point in usage) == sorted(pids)
        assert sorted(point.resource["bentoml.worker.index"] for point in usage) == [1, 2, 3]
        assert len(instances(usage)) == len(usage) == 3
        assert all(point.value > 30 << 20 for point in usage)
        for metric, modes in (("process.cpu.time", 2), ("process.context_switches", 2), ("process.thread.count", 1)):
            assert len(sink.last(metric)) == 3 * modes
        assert sink.value("process.cpu.time") > 3 * 0.5  # each has at least imported BentoML
        assert {point.resource["service.name"] for point in usage} == {"Simple"}


def test_a_host_without_a_gpu_tells_of_none() -> None:
    """BentoML brings NVML's module with it: without a driver no metric and no line in the log, from no worker."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **SOON}, workers=2) as server:
        sink.wait(lambda: len(instances(sink.last("process.memory.usage"))) == 2)
        server.stop()
        found = {point.metric for point in sink.points() if point.metric.startswith("hw.")}
        assert bool(found) == os.path.exists("/dev/nvidiactl")
        assert "nvml" not in server.output.lower()
        assert "[ERROR]" not in server.output


def test_the_gpus_of_a_host_are_told_of_by_one_worker() -> None:
    """By the first of three. There is no GPU here: the servers import a stand-in for NVML's module."""
    path = os.pathsep.join([str(SERVICES.parent / "stand_ins"), *filter(None, [os.environ.get("PYTHONPATH")])])
    with Sink() as sink:
        with BentoServer("simple:Simple", {**sink.environment(), **SOON, "PYTHONPATH": path}, workers=3) as server:
            sink.wait(lambda: len(instances(sink.last("process.memory.usage"))) == 3)
            server.stop()
        found = [point for point in sink.points() if point.metric.startswith("hw.")]
        assert {point.resource["bentoml.worker.index"] for point in found} == {1}
        assert {point.metric: point.value for point in found} == {
            "hw.gpu.utilization": 0.5,
            "hw.gpu.memory.usage": 8 << 30,
            "hw.gpu.memory.limit": 80 << 30,
            "hw.temperature": 54,
            "hw.power": 312.5,
            "hw.energy": 0,
        }


def test_a_worker_that_is_killed_and_comes_back_is_another_instance() -> None:
    """BentoML gives it the same index again. What the former had sent stays, the new one begins anew, sums hold."""
    with Sink() as sink, BentoServer("simple:Simple", {**sink.environment(), **SOON}, workers=2) as server:
        send_all(server.port, [PREDICT] * 60, clients=6)
        sink.wait(lambda: counted(sink) == 60)
        sink.wait(lambda: len(sink.spans(kind=SERVER)) == 60)
        before = {point.resource["process.pid"]: point.resource for point in sink.last("process.memory.usage")}
        victim = server.workers[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in server.workers and len(server.workers) == 2, "the new worker")
        (new,) = set(server.workers) - set(before)
        server.wait_for_output("Service Simple initialized", 3)

        answers = send_all(server.port, [PREDICT] * 90, clients=6)
        assert {answer.status for answer in answers} == {200}
        server.stop()

        assert counted(sink) == len(sink.spans(kind=SERVER)) == 150
        assert never_falls(sink)
        after = {point.resource["process.pid"]: point.resource for point in sink.last("process.memory.usage")}
        assert set(after) == {*before, new}
        assert after[new]["bentoml.worker.index"] == before[victim]["bentoml.worker.index"]
        assert len({resource["service.instance.id"] for resource in after.values()}) == 3


def test_a_worker_that_crashes_in_a_request_takes_only_what_was_running_with_it() -> None:
    """The answers that it had given are told of, as far as a flush interval goes; then it is back."""
    with Sink() as sink, BentoServer("crashing:Crashing", {**sink.environment(), **SOON}) as server:
        with Client(server.port) as client:
            for _ in range(20):
                client.send(Request("ok", "/fine", b"{}"))
        sink.wait(lambda: sink.count(REQUESTS, http__route="/fine") == len(sink.spans(name="POST /fine")) == 20)
        (first,) = server.workers
        crashed = psutil.Process(first)
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.get("/crash", timeout=5)
        crashed.wait(10)
        server.wait_for_output("Service Crashing initialized", 2)
        with Client(server.port) as client:
            assert client.send(Request("ok", "/fine", b"{}")).status == 200
        server.stop()

        assert sink.count(REQUESTS, http__route="/fine") == len(sink.spans(name="POST /fine")) == 21
        assert len(instances(sink.last(REQUESTS, http__route="/fine"))) == 2
        assert sink.spans(name="GET /crash") == []
        assert never_falls(sink)


def _watches_files(supervisor: int) -> bool:
    """Whether one of its children, BentoML's reloader, which says nothing itself, has begun to."""
    for child in psutil.Process(supervisor).children(recursive=True):
        for link in Path(f"/proc/{child.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "inotify" in os.readlink(link):
                    return True
    return False


def test_a_reload_loses_nothing(tmp_path: Path) -> None:
    """A file is changed: the old worker sends all it has, the new one is another instance with the new code."""
    for name in ("simple.py", "switch.py"):
        shutil.copy(SERVICES / name, tmp_path / name)
    source = tmp_path / "simple.py"
    env = {"OTEL_METRIC_EXPORT_INTERVAL": "60000", "BENTO_OBSERVE_FLUSH_INTERVAL": "30000"}  # nothing goes by itself
    with (
        Sink() as sink,
        BentoServer("simple:Simple", {**sink.environment(), **env}, options=["--reload"], directory=tmp_path) as server,
        Client(server.port) as client,
    ):
        until(lambda: _watches_files(server.supervisor), "the reloader")
        body = b'{"rows": [[1, 2, 3, 4]]}'
        assert client.send(Request("before", "/predict", body)).body == b"[10.0]"
        answers = 1 + len(send_all(server.port, [PREDICT] * 50, clients=4))
        source.write_text(source.read_text().replace("rows.sum(axis=1)", "-rows.sum(axis=1)"))
        server.wait_for_output("Service Simple initialized", 2)
        assert counted(sink) == answers  # sent by the old worker as it stopped
        assert client.send(Request("after", "/predict", body)).body == b"[-10.0]"
        server.stop()

        assert counted(sink) == len(sink.spans(kind=SERVER)) == answers + 1
        assert len(instances(sink.last(REQUESTS))) == 2
        assert sink.value("bento_observe.dropped") == 0


def test_in_development_each_worker_tells_as_ever() -> None:
    """`--development`: the same spans and counts."""
    with (
        Sink() as sink,
        BentoServer("simple:Simple", sink.environment(), workers=2, options=["--development"]) as server,
    ):
        answers = send_all(server.port, [PREDICT] * 40, clients=4)
        server.stop()
        assert {answer.status for answer in answers} == {200}
        assert counted(sink) == len(sink.spans(kind=SERVER)) == 40
        assert len(sink.spans(name="predict")) == 40
        assert len(instances(sink.last("process.memory.usage"))) == 2
