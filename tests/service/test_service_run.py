"""`bento-observe run`: projects that know nothing of it, observed in every process, however BentoML serves them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from received import CLIENT, INTERNAL, SERVER, Span
from server import SERVICES, BentoServer
from sink import Sink
from traffic import Answer, Request, send_all

BIN = Path(sys.executable).parent
RUN = (str(BIN / "bento-observe"), "run", "--")
ROOT = Path(__file__).parents[2]


def _request(api: str, **arguments: Any) -> Request:
    return Request(api, f"/{api}", json.dumps(arguments).encode())


def _tree(spans: list[Span], trace_id: str) -> dict[str, Any]:
    """The names of a trace's spans, nested; AssertionError if it has not one root."""
    (trace,) = [[span for span in spans if span.trace_id == trace_id]]
    ids = {span.span_id for span in trace}
    (root,) = [span for span in trace if span.parent_id not in ids]

    def below(span: Span) -> dict[str, Any]:
        children = sorted((one for one in trace if one.parent_id == span.span_id), key=lambda one: one.start_ns)
        return {f"{one.resource['service.name']}: {one.name}": below(one) for one in children}

    return {f"{root.resource['service.name']}: {root.name}": below(root)}


STAGES: dict[str, Any] = {"decode": {}, "predict": {}, "encode": {}}


def _staged(service: str, path: str, **below: Any) -> dict[str, Any]:
    stages = {f"{service}: {stage}": below.get(stage, {}) for stage in STAGES}
    return {f"{service}: POST {path}": stages}


def _called(path: str) -> dict[str, Any]:
    """A call of Front's to Scorer."""
    return {f"Front: POST {path}": _staged("Scorer", path)}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Sink, list[Answer], BentoServer]]:
    """Both services of the untouched project, with two workers each, after requests of every kind."""
    with Sink() as sink:
        web = sink.http_url  # any web server will do; this one answers 501 to a GET
        requests = [_request("decide", income=1500.0)] * 20 + [_request("decide_async", income=1500.0)] * 20
        requests += [_request("fetch", url=web)] * 5 + [_request("query", number=1)] * 5
        env = {**sink.environment(), "BENTO_OBSERVE_SLICES": "income"}
        with BentoServer("untouched:Front", env, workers=2, launcher=RUN, observed=False) as server:
            answers = send_all(server.port, requests)
            server.stop()
            yield sink, answers, server


def test_every_request_is_one_trace_through_all_services(served: tuple[Sink, list[Answer], BentoServer]) -> None:
    """Each service with its own name; BentoML's call to the dependency is one client span, ours and not aiohttp's."""
    sink, answers, _ = served
    assert {answer.status for answer in answers} == {200}
    spans = sink.spans()
    scored = _called("/score")
    for answer in answers:
        kind = answer.request.kind
        if kind in ("decide", "decide_async"):
            tree = _tree(spans, answer.trace_id)
            assert tree == _staged("Front", f"/{kind}", predict=scored)
    workers = {point.resource["service.instance.id"]: point.resource["service.name"] for point in sink.points()}
    assert sorted(workers.values()) == ["Front", "Front", "Scorer", "Scorer"]
    assert len([span for span in spans if span.kind == SERVER]) == len(answers) + 40


def test_client_libraries_are_instrumented(served: tuple[Sink, list[Answer], BentoServer]) -> None:
    """aiohttp, httpx and sqlite3 below `predict`, from our own provider."""
    sink, answers, _ = served
    spans = sink.spans()
    by_id = {span.span_id: span for span in spans}
    clients = [span for span in spans if span.kind == CLIENT and span.scope != "bento_observe.server"]
    scopes = [span.scope.removeprefix("opentelemetry.instrumentation.") for span in clients]
    assert {scope: scopes.count(scope) for scope in scopes} == {"aiohttp_client": 5, "httpx": 5, "sqlite3": 5}
    assert {by_id[span.parent_id].name for span in clients} == {"predict"}
    assert {by_id[span.parent_id].trace_id for span in clients} == {
        answer.trace_id for answer in answers if answer.request.kind in ("fetch", "query")
    }


def test_metrics_logs_and_features_are_as_with_the_decorator(served: tuple[Sink, list[Answer], BentoServer]) -> None:
    """All requests counted, the access log sent, inputs counted, by slices that the environment names."""
    sink, answers, server = served
    assert sink.count("http.server.request.duration") == len(answers) + 40
    assert len(sink.logs(scope="bentoml.access")) == len(answers) + 40
    whole = [
        point
        for point in sink.last("ml.feature.value", ml__signal="prediction", bentoml__api__name="score")
        if "ml.slice.name" not in point.attributes
    ]
    assert sum(point.count for point in whole) == 40
    assert sink.count("ml.feature.value", ml__slice__name="income", bentoml__api__name="score") == 40
    assert "Traceback" not in server.output


def test_a_decorated_service_is_not_observed_twice() -> None:
    """And its own arguments win over the environment's."""
    with (
        Sink() as sink,
        BentoServer("simple:Simple", sink.environment(), launcher=RUN) as server,
    ):
        send_all(server.port, [Request("any", "/predict", b'{"rows": [[1, 2, 3, 4]]}')] * 10)
        server.stop()
        assert len(sink.spans(kind=SERVER)) == 10
        assert len(sink.spans(kind=INTERNAL)) == 30
        assert sink.count("http.server.request.duration") == 10


@pytest.mark.parametrize("option", ["--development", "--reload"])
def test_it_works_in_the_modes_of_a_developer(option: str) -> None:
    """In development mode the dependency lives in the same process, and its call is a stage."""
    with (
        Sink() as sink,
        BentoServer("untouched:Front", sink.environment(), launcher=RUN, observed=False, options=(option,)) as server,
    ):
        (answer,) = send_all(server.port, [_request("decide", income=1500.0)])
        server.stop()
        below = _called("/score") if option == "--reload" else {"Front: predict": {}}
        assert _tree(sink.spans(), answer.trace_id) == _staged("Front", "/decide", predict=below)


def test_a_legacy_service_is_observed_with_its_runners() -> None:
    """Each in its own process, in one trace, as with the decorator."""
    body = b"[[1, 2, 3, 4]]"
    with (
        Sink() as sink,
        BentoServer("runners:svc", sink.environment(), launcher=RUN, observed=False) as server,
    ):
        answers = send_all(server.port, [Request("any", "/predict", body)] * 10)
        server.stop()
        assert {answer.status for answer in answers} == {200}
        spans = sink.spans()
        servers = sorted(span.resource["service.name"] for span in spans if span.kind == SERVER)
        assert len(servers) == 20
        assert len(set(servers)) == 2
        assert {span.trace_id for span in spans if span.kind == SERVER} == {answer.trace_id for answer in answers}
        assert len([span for span in spans if span.kind == CLIENT]) == 10


def test_client_libraries_of_a_legacy_service_and_its_runners_are_instrumented() -> None:
    """In both processes; BentoML's own call of the runner is one client span, ours and not aiohttp's."""
    with (
        Sink() as sink,
        BentoServer("untouched_legacy:svc", sink.environment(), launcher=RUN, observed=False) as server,
    ):
        requests = [Request("add", "/add", b"5"), Request("fetch", "/fetch", json.dumps(sink.http_url).encode())]
        answers = {answer.request.kind: answer for answer in send_all(server.port, requests)}
        server.stop()
        assert {kind: answer.json() for kind, answer in answers.items()} == {"add": 7, "fetch": 501}
        spans = sink.spans()
        assert _tree(spans, answers["add"].trace_id) == {
            "untouched_legacy: POST /add": {
                "untouched_legacy: decode": {},
                "untouched_legacy: predict": {
                    "untouched_legacy: select": {},
                    "untouched_legacy: POST /add": {
                        "adder: POST /add": {"adder: decode": {}, "adder: predict": {"adder: select": {}}}
                    },
                },
                "untouched_legacy: encode": {},
            }
        }
        clients = [span.scope.rpartition(".")[2] for span in spans if span.kind == CLIENT]
        assert sorted(clients) == ["aiohttp_client", "server", "sqlite3", "sqlite3"]


def test_a_built_bento_is_observed(tmp_path: Path) -> None:
    """By its tag; the reference is given by a path that is relative to where the command is run."""
    (tmp_path / "untouched.py").write_text((SERVICES / "untouched.py").read_text())
    (tmp_path / "bentofile.yaml").write_text(
        "service: 'untouched:Scorer'\ninclude: ['untouched.py']\npython: {lock_packages: false}\n"
    )
    frame = "import pandas as pd; from bento_observe import Reference; "
    frame += "Reference.from_frame(pd.DataFrame({'income': range(500)})).save('reference.json')"
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(tmp_path / "home")}
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    subprocess.run([sys.executable, "-c", frame], cwd=tmp_path, env=environment, check=True)
    build = [str(BIN / "bentoml"), "build", "--version", "v1"]
    subprocess.run(build, cwd=tmp_path, env=environment, check=True, capture_output=True)
    with Sink() as sink:
        env = {
            **sink.environment(),
            "BENTO_OBSERVE_REFERENCE": os.path.relpath(tmp_path / "reference.json"),
            "BENTOML_HOME": environment["BENTOML_HOME"],
        }
        served = BentoServer("scorer:v1", env, launcher=RUN, observed=False, name="Scorer", directory=None)
        with served as server:
            send_all(server.port, [_request("score", income=1500.0)] * 10)
            server.stop()
        (span, *_) = sink.spans(kind=SERVER)
        names = ("service.name", "service.namespace", "service.version")
        assert [span.resource[name] for name in names] == ["Scorer", "scorer", "v1"]
        (point,) = sink.last("ml.feature.value", ml__signal="input", ml__feature__name="income")
        assert point.count == 10
        assert point.bounds


FAKE = """
class Fine:
    def instrument(self, **_):
        print("fine instrumented", flush=True)

class Broken:
    def instrument(self, **_):
        raise RuntimeError("this one\\ncannot")

class Server:
    def instrument(self, **_):
        print("server instrumented", flush=True)
"""


def _instrumentations(directory: Path) -> Path:
    """A distribution of instrumentations, as pip would leave it."""
    (directory / "fake_instrumentations.py").write_text(FAKE)
    info = directory / "fake_instrumentations-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-instrumentations\nVersion: 1.0\n")
    entries = {
        "fine": "Fine", "unwanted": "Fine", "broken": "Broken", "flask": "Server", "click": "Server", "gone": "Gone",
    }  # fmt: skip
    lines = [f"{name} = fake_instrumentations:{found}" for name, found in entries.items()]
    lines.append("absent = no_such_library:Instrumentor")
    (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\n" + "\n".join(lines) + "\n")
    return directory


def test_an_instrumentation_that_fails_is_told_once_and_the_service_serves(tmp_path: Path) -> None:
    """Those of servers and those that are disabled are left alone; a sitecustomize of the user's own runs as before."""
    directory = _instrumentations(tmp_path)
    (directory / "sitecustomize.py").write_text("print('sitecustomize of the user', __file__, flush=True)\n")
    with Sink() as sink:
        env = {
            **sink.environment(),
            "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]),
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3, unwanted",
        }
        with BentoServer("untouched:Front", env, launcher=RUN, observed=False, workers=2) as server:
            (answer,) = send_all(server.port, [_request("query", number=1)])
            server.stop()
            output = server.output
    lines = output.splitlines()
    assert answer.status == 200
    assert len([line for line in lines if line == "fine instrumented"]) == 4
    assert len([line for line in lines if "broken cannot be instrumented (RuntimeError: this one cannot)" in line]) == 2
    assert len([line for line in lines if "gone cannot be instrumented" in line]) == 2
    assert "server instrumented" not in output
    assert "absent" not in output
    assert f"sitecustomize of the user {directory / 'sitecustomize.py'}" in output
    assert not [span for span in sink.spans() if span.scope.endswith("sqlite3")]


def test_our_own_exports_are_not_traced() -> None:
    """Over gRPC and over HTTP, whose client libraries are instrumented: else each export would make another."""
    for protocol in ("grpc", "http/protobuf"):
        with Sink() as sink:
            env = {**sink.environment(protocol), "OTEL_METRIC_EXPORT_INTERVAL": "200"}
            with BentoServer("untouched:Scorer", env, launcher=RUN, observed=False) as server:
                send_all(server.port, [_request("score", income=1.0)])
                sink.wait(lambda: len({point.time_ns for point in sink.points()}) > 3)
                server.stop()
            assert len(sink.spans()) == 4


def test_disabled_it_runs_the_command_as_it_is() -> None:
    """Not even the environment changes."""
    command = [*RUN, sys.executable, "-c", "import os; print(os.environ.get('PYTHONPATH'))"]
    environment = {**os.environ, "OTEL_SDK_DISABLED": "true", "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout == f"{ROOT}\n"


def test_exit_status_and_signals_are_those_of_the_command() -> None:
    """It has the very process."""
    assert subprocess.run([*RUN, sys.executable, "-c", "raise SystemExit(7)"]).returncode == 7
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    process = subprocess.Popen([*RUN, sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
    process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "Error: there is no command to run; write: bento-observe run -- bentoml serve service:Name"),
        (("no-such-command", "x"), 127, "bento-observe run: no-such-command: No such file or directory"),
        (("/",), 126, "bento-observe run: /: Permission denied"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(arguments: tuple[str, ...], status: int, message: str) -> None:
    """With the status that a shell has for it."""
    result = subprocess.run([*RUN, *arguments], capture_output=True, text=True)
    assert result.returncode == status
    assert result.stderr.splitlines()[-1] == message


def test_bad_settings_are_told_before_anything_is_run() -> None:
    """One line each, and the command is run all the same."""
    environment = {**os.environ, "OTEL_TRACES_SAMPLER": "sometimes", "BENTO_OBSERVE_REFERENCE": "missing.json"}
    result = subprocess.run([*RUN, "echo", "ran"], env=environment, capture_output=True, text=True)
    assert result.stdout == "ran\n"
    assert [line.split("=")[0] for line in result.stderr.splitlines()] == [
        "bento-observe: OTEL_TRACES_SAMPLER", "bento-observe: BENTO_OBSERVE_REFERENCE",
    ]  # fmt: skip
