"""The start of a service: what the supervisor does not do, what disabling leaves out, what bad settings say."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from server import BentoServer, plain_and_observed
from sink import Sink
from traffic import PREDICT, Client, Request, send_all


def _thread_names(pid: int) -> list[str]:
    return sorted(path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm"))


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[BentoServer, BentoServer, Sink]]:
    """Plain and observed; the observed one has sent something."""
    with Sink() as sink, plain_and_observed("everything:Everything", sink.environment()) as (plain, observed):
        with Client(observed.port) as client:
            client.send(Request("any", "/coroutine", b'{"text": "a"}'))
        sink.wait(sink.spans)
        yield plain, observed, sink


def test_the_supervisor_starts_no_thread(pair: tuple[BentoServer, BentoServer, Sink]) -> None:
    """It has the threads of plain BentoML's supervisor, and our worker has more than the plain one."""
    plain, observed, _ = pair
    assert len(_thread_names(observed.supervisor)) == len(_thread_names(plain.supervisor))
    assert len(_thread_names(observed.workers[0])) > len(_thread_names(plain.workers[0]))


def test_the_supervisor_opens_no_connection(pair: tuple[BentoServer, BentoServer, Sink]) -> None:
    """The worker talks to the sink, the supervisor to nobody."""
    _, observed, sink = pair

    def peers(pid: int) -> set[int]:
        return {connection.raddr.port for connection in psutil.Process(pid).net_connections("inet") if connection.raddr}

    assert sink.grpc_port in peers(observed.workers[0])
    assert peers(observed.supervisor) == set()


def test_a_disabled_sdk_leaves_plain_bentoml() -> None:
    """With OTEL_SDK_DISABLED=true none of our modules that do anything is loaded, no thread runs, nothing is sent."""
    with (
        Sink() as sink,
        BentoServer("everything:Everything", observed=False) as plain,
        BentoServer("everything:Everything", {**sink.environment(), "OTEL_SDK_DISABLED": "true"}) as disabled,
    ):
        answers = []
        for server in (plain, disabled):
            with Client(server.port) as client:
                answers.append(client.send(Request("modules", "/modules", b"{}")))
        assert "x-bentoml-trace-id" not in answers[1].headers
        ours = {name for name in answers[1].json() if name.startswith("bento_observe")}
        assert not {"bento_observe.service", "bento_observe.asgi", "bento_observe.telemetry"} & ours
        assert set(answers[1].json()) - set(answers[0].json()) == ours
        assert len(_thread_names(disabled.workers[0])) == len(_thread_names(plain.workers[0]))
        disabled.stop()
        assert sink.exports == []


def test_bad_settings_are_told_once_and_the_service_serves(tmp_path: Path) -> None:
    """One line each with setting, value and remedy, from the supervisor and not once more per worker."""
    unreadable = tmp_path / "missing.pem"
    env = {
        "OTEL_TRACES_SAMPLER": "sometimes",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "my collector",
        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE": str(unreadable),
        "OTEL_METRIC_EXPORT_INTERVAL": "soon",
        "OTEL_TRACES_EXPORTER": "jaeger",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_SDK_DISABLED": "yes",
    }
    with BentoServer("simple:Simple", env, workers=2) as server:
        answers = send_all(server.port, [PREDICT] * 10)
        server.stop()

        assert {answer.status for answer in answers} == {200}
        told = [line for line in server.output.splitlines() if "[ERROR]" in line or "Traceback" in line]
        assert len(told) == len(env)
        for name, value in env.items():
            (line,) = [line for line in told if f"{name}={value!r}" in line]
            assert re.search(r"(is not|cannot be read).*; .*", line), line


def test_a_service_that_cannot_be_observed_is_served_all_the_same() -> None:
    """One of our modules cannot be imported in the worker: told with its reason, and no worker dies of it."""
    with BentoServer("unready:Unready") as server:
        workers = server.workers
        with Client(server.port) as client:
            answer = client.send(Request("answer", "/answer", b"{}"))
        assert (answer.status, answer.body) == (200, b"42")
        assert "cannot be set up; Unready is served unobserved" in server.output
        assert server.workers == workers


_IMPORT = """
import json, sys, time
start = time.process_time()
import numpy, bentoml, _bentoml_impl.server.app
before = set(sys.modules)
began = time.process_time()
import bento_observe
face = set(sys.modules) - before
import bento_observe.service, bento_observe.telemetry._grpc
share = (time.process_time() - began) / (began - start)
print(json.dumps({"share": share, "face": sorted(face)}))
"""


def _import(bytecode: Path) -> dict[str, object]:
    """With modules compiled once, as they are where pip has installed them."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    result = subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True, env=env)
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_importing_costs_little_beside_what_a_plain_worker_loads(tmp_path: Path) -> None:
    """Median of five processes: CPU time of all that an observed worker loads, over that of what a plain one loads.

    A share, because the same imports take twice as long on one machine as on another.
    """
    _import(tmp_path)
    assert statistics.median(float(str(_import(tmp_path)["share"])) for _ in range(5)) <= 0.35


def test_the_supervisor_loads_nothing_heavy(tmp_path: Path) -> None:
    """`import bento_observe` alone brings in neither gRPC nor pandas nor a database nor any exporter."""
    face = _import(tmp_path)["face"]
    assert isinstance(face, list)
    heavy = (
        "grpc",
        "pandas",
        "duckdb",
        "urllib3",
        "opentelemetry.exporter",
        "opentelemetry.proto",
        "bento_observe.asgi",
    )
    assert [name for name in face if name.startswith(heavy)] == []
