"""The example and the demonstration as a newcomer meets them: through the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import urllib3

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

import duckdb

from bento_observe import semconv
from bento_observe.demo._service import free_port, serving
from bento_observe.dev import DevReceiver, otlp_environment
from service_example._plan import plan

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["--rate", "100", "--duration", "3"]
# Long enough that there are rows for an answer before the drift, wherever the last export before it falls.
LONGER = ["--rate", "100", "--duration", "6"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory for this module: the model is trained once."""
    return tmp_path_factory.mktemp("cache")


class Demo:
    """`bento-observe demo` as a child process, with what it has printed so far."""

    def __init__(self, cache: Path, arguments: list[str], output: Path) -> None:
        self.output = output
        self._seen: dict[int, psutil.Process] = {}
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from bento_observe.cli import main; main()", "demo", *arguments],
                cwd=ROOT,
                env={**os.environ, "BENTO_OBSERVE_CACHE": str(cache), "COLUMNS": "100"},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        """Standard output and error."""
        return self.output.read_text(encoding="utf-8")

    def await_line(self, pattern: str, timeout: float = 90.0) -> re.Match[str]:
        """Wait until it has printed what `pattern` matches."""
        deadline = time.monotonic() + timeout
        while True:
            self.note_children()
            if found := re.search(pattern, self.printed):
                return found
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)

    def note_children(self) -> None:
        """Remember the processes that it has started, which leave its family when it ends."""
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._seen[child.pid] = child
        except psutil.NoSuchProcess:
            pass

    def end(self, timeout: float = 90.0) -> int:
        """Its exit status; what it has started must be gone then, but for a process that is just ending."""
        status = self.process.wait(timeout)
        assert psutil.wait_procs(list(self._seen.values()), timeout=3)[1] == []
        return status


@contextmanager
def _demo(cache: Path, output: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(cache, [*arguments], output / "output.txt")
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.process.wait(60)


def test_the_demo_finds_everything_that_it_sent(cache: Path, tmp_path: Path) -> None:
    """Every count is equal, pictures and drift are there, the exit status is 0, no line is wider than the terminal."""
    with _demo(cache, tmp_path, *LONGER, "--exit") as demo:
        demo.await_line("  service ")
        assert demo.end() == 0
    assert "All 13 counts are equal" in demo.printed
    assert "DIFFERS" not in demo.printed
    assert re.search(r"requests sent, and answered as they must be +600 +600 +equal", demo.printed)
    matched = re.search(r"labels held against confidence +([\d,]+) +\1 +equal", demo.printed)
    assert matched is not None
    assert int(matched[1].replace(",", "")) > 1000  # one to eight samples in each of some 500 requests
    assert re.search(r"├─ predict +[\d.]+ +█", demo.printed)
    assert re.search(r"alcohol +before: [\d,]+ values +after: [\d,]+ values", demo.printed)
    assert re.search(r"alcohol +[\d,]+ +[\d.]+ ≤ [\d.]+ +[\d,]+ +[\d.]+ > [\d.]+ +drift\b", demo.printed)
    assert re.search(r"hue +[\d,]+ +[\d.]+ ≤ [\d.]+ +[\d,]+ +[\d.]+ ≤ [\d.]+", demo.printed)
    assert re.search(r"prediction: confidence +[\d,]+ ", demo.printed)
    assert max(map(len, demo.printed.splitlines())) <= 100
    query = (
        "SELECT attributes->>'$.\"ml.performance.metric\"', min(value), max(value) FROM metric_points"
        " WHERE name = 'ml.performance.estimate' AND attributes->>'$.\"bentoml.api.name\"' = 'classify' GROUP BY ALL"
    )
    with duckdb.connect(str(cache / "demo" / "telemetry.duckdb"), read_only=True) as database:
        estimates = {metric: (low, high) for metric, low, high in database.execute(query).fetchall()}
    assert set(estimates) == set(semconv.PERFORMANCE_METRICS)
    assert all(0.8 < low < high <= 1 for low, high in estimates.values()), estimates


def test_the_demo_fails_when_a_count_differs(cache: Path, tmp_path: Path) -> None:
    """A request that it did not send makes one server span, one access log record and so on too many."""
    port = free_port()
    with _demo(cache, tmp_path, *SHORT, "--exit", "--port", str(port)) as demo:
        demo.await_line("  service ")
        assert urllib3.request("POST", f"http://127.0.0.1:{port}/classify", body=b"{").status == 400
        assert demo.end() == 1
    assert re.search(r"server spans, by status +300 +301 +DIFFERS", demo.printed)
    assert re.search(r"server spans, by status: 400: \d+ expected, \d+ arrived", demo.printed)
    assert "counts differ" in demo.printed


def test_the_demo_stays_until_it_is_interrupted(cache: Path, tmp_path: Path) -> None:
    """Meanwhile the service answers and the database can be asked from outside; then it ends with status 0."""
    with _demo(cache, tmp_path, "--rate", "50", "--duration", "1") as demo:
        demo.await_line("Ctrl-C stops it")
        demo.await_line("its log")
        url = demo.await_line(r"the service +(http://\S+)")[1]
        assert urllib3.request("GET", f"{url}/readyz").status == 200
        asked = subprocess.run(
            [
                sys.executable, "-c", "from bento_observe.cli import main; main()", "dev", "query",
                "SELECT count(*) AS requests FROM requests", "--db", str(cache / "demo" / "telemetry.duckdb"), "--json",
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert asked.stdout == '{"requests": 50}\n'
        demo.process.send_signal(signal.SIGINT)
        assert demo.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_everything(cache: Path, tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of the traffic: status 130, one line, no process and no listening port left behind."""
    port = free_port()
    with _demo(cache, tmp_path, "--duration", "60", "--port", str(port)) as demo:
        demo.await_line("  service ")
        deadline = time.monotonic() + 30
        while not any("service_example.traffic" in _command(child) for child in _children(demo)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        demo.note_children()
        demo.process.send_signal(number)
        assert demo.end(30) == 130
    assert demo.printed.splitlines()[-1] == "Interrupted; everything is stopped."
    assert "Traceback" not in demo.printed
    assert free_port(port) == port


def test_a_second_demo_is_refused_while_one_runs(cache: Path, tmp_path: Path) -> None:
    """They would wipe each other's files; the message names the way out."""
    with _demo(cache, tmp_path, "--duration", "60") as demo:
        demo.await_line("  receiver ")
        (tmp_path / "second").mkdir()
        with _demo(cache, tmp_path / "second", "--exit") as second:
            assert second.end(30) == 1
    assert "another demo is running" in second.printed
    assert "BENTO_OBSERVE_CACHE" in second.printed


def test_a_port_that_is_taken_is_told_at_once(cache: Path, tmp_path: Path) -> None:
    """Before anything is started, in one line with the remedy."""
    with DevReceiver() as other:
        port = other.http_endpoint.rpartition(":")[2]
        with _demo(cache, tmp_path, "--port", port, "--exit") as demo:
            assert demo.end(30) == 1
    assert f"port {port} is taken" in demo.printed
    assert "--port" in demo.printed
    assert "receiver" not in demo.printed


def test_a_service_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The reason is in what BentoML printed, and nothing runs on."""
    (tmp_path / "broken.py").write_text("raise RuntimeError('no model today')\n")
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    port = free_port()
    with (
        pytest.raises(Exception, match=r"(?s)ended with status.*no model today"),
        serving("broken:Service", directory=tmp_path, environment=environment, port=port, log=tmp_path / "log"),
    ):
        pytest.fail("it became ready")
    assert free_port(port) == port


def test_a_bento_is_built_and_served_with_observability(tmp_path: Path) -> None:
    """From bentofile.yaml: offline, the plugin inside, spans that tell the bento's name and version."""
    if shutil.which("uv") is None and not (Path(sys.executable).parent / "uv").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("bentoml build needs uv on PATH: pip install uv")
    home = tmp_path / "home"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PATH": path}
    subprocess.run([sys.executable, "-m", "service_example.train"], cwd=ROOT, env=environment, check=True)
    built = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag", "--version", "v1"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    tag = built.stdout.strip().rpartition("__tag__:")[2]
    source = home / "bentos" / tag.replace(":", "/") / "src"
    assert (source / "bento_observe" / "__init__.py").is_file()
    assert not (source / "tests").exists()
    assert not [
        tool for tool in ("cli", "demo", "dev", "doctor", "stack") if (source / "bento_observe" / tool).exists()
    ]
    request = next(one for one in plan(rate=100, duration=1, drift_at=1, seed=0) if one.status == 200)
    with DevReceiver() as receiver:
        environment.update(otlp_environment({}, receiver.grpc_endpoint, receiver.http_endpoint))
        with serving(tag, directory=tmp_path, environment=environment, port=free_port(), log=tmp_path / "log") as url:
            headers = {"content-type": "application/json"}
            answer = urllib3.request("POST", f"{url}/{request.api}", body=request.body, headers=headers)
            assert answer.status == 200
            query = (
                "SELECT resource->>'service.namespace', resource->>'service.version' FROM spans WHERE kind = 'server'"
            )
            ((namespace, version),) = receiver.wait_for(query)
    assert f"{namespace}:{version}" == tag


def _children(demo: Demo) -> list[psutil.Process]:
    return psutil.Process(demo.process.pid).children(recursive=True)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
