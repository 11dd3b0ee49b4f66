"""A real `bentoml serve` in a process group of its own, and what a test wants to know of it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from ports import free_port

SERVICES = Path(__file__).parent / "services"
_START_SECONDS = 60.0
_WORKERS = {"_bentoml_impl.worker.service", "bentoml_cli.worker.http_api_server", "bentoml_cli.worker.runner"}
_CLEARED = ("OTEL_", "BENTO", "TEST_", "PROMETHEUS_")


class BentoServer:
    """`bentoml serve` of one test service.

    `service` is `module:Class` in `directory`, or `module:name` in lower case, a legacy one, or the path of a built
    bento, or without a `directory` its tag, with the `name` of its service. With `observed=False` the same module
    serves plain BentoML: it does not even import bento_observe. `launcher` comes before `bentoml`, `options` after the
    service; `prefix` is the service's path prefix. Each server has a BENTOML_HOME of its own: two that share one
    destroy each other's metrics. What it leaves in its temporary directory goes with it.
    """

    def __init__(
        self,
        service: str,
        env: Mapping[str, str] | None = None,
        *,
        workers: int = 1,
        observed: bool = True,
        launcher: Sequence[str] = (),
        options: Sequence[str] = (),
        name: str = "",
        directory: Path | None = SERVICES,
        prefix: str = "",
    ) -> None:
        self._service = service
        self._name = name or service.rpartition(":")[2]
        self._legacy = self._name.islower() and not name
        self._launcher, self._options = launcher, options
        self._directory = directory
        self._workers = workers
        self._prefix = prefix
        self._home = tempfile.TemporaryDirectory(prefix="bento-observe-test-", ignore_cleanup_errors=True)
        self._output = Path(self._home.name) / "output.log"
        self._env = {key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)}
        self._env.update(
            BENTOML_HOME=self._home.name,
            TMPDIR=self._home.name,
            BENTOML_DO_NOT_TRACK="True",
            PYTHONHASHSEED="0",  # the order of a set of methods is in an answer
            TEST_WORKERS=str(workers),
            TEST_OBSERVED="1" if observed else "0",
        )
        self._env.update(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self) -> BentoServer:
        """Start and wait until every worker serves. AssertionError, with the output, if that takes a minute."""
        command = [*self._launcher, str(Path(sys.executable).parent / "bentoml"), "serve", self._service]
        if self._directory is not None and not os.path.isdir(self._service):
            command += ["--working-dir", str(self._directory)]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += [*self._options, *(["--api-workers", str(self._workers)] if self._legacy else [])]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(command, env=self._env, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise AssertionError(f"{self._service} does not serve:\n{self.output}")
            time.sleep(0.05)
        return self

    def stop(self) -> float:
        """SIGTERM the supervisor; the seconds it took to end. AssertionError after half a minute."""
        process = self._running()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"bentoml serve does not stop:\n{self.output}") from None
        return time.monotonic() - began

    def kill(self) -> None:
        """End whatever is left of it, workers that crash and come back included."""
        if self._process is None:
            return
        if self._process.poll() is None:
            # Workers have sessions of their own; a supervisor that stands still starts no new ones meanwhile.
            self._process.send_signal(signal.SIGSTOP)
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            self._process.kill()
        self._process.wait()

    def __enter__(self) -> BentoServer:
        return self.start()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            print(self.output[-8000:])
        self.kill()
        self._home.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> str:
        """Its BENTOML_HOME."""
        return self._home.name

    @property
    def output(self) -> str:
        """Everything the supervisor and the workers have written to stdout and stderr."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    @property
    def supervisor(self) -> int:
        return self._running().pid

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers, in no particular order."""
        children = psutil.Process(self.supervisor).children(recursive=True)
        return [child.pid for child in children if _is_worker(child)]

    def wait_for_output(self, text: str, count: int = 1, timeout: float = 20.0) -> str:
        """Wait until `text` was written `count` times; the whole output."""
        deadline = time.monotonic() + timeout
        while self.output.count(text) < count:
            assert time.monotonic() < deadline, f"{text!r} was not written:\n{self.output}"
            time.sleep(0.02)
        return self.output

    def get(self, path: str, timeout: float = 10.0) -> tuple[int, bytes]:
        """Status and body of a GET on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def prometheus(self, name: str) -> dict[str, float]:
        """The samples of one family at BentoML's /metrics: labels as written -> value."""
        text = self.get("/metrics")[1].decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        return {key: float(value) for key, _, value in lines}

    def _ready(self) -> bool:
        # Legacy services say nothing of themselves; they are ready when their runners are.
        if not self._legacy and self.output.count(f"Service {self._name} initialized") < self._workers:
            return False
        try:
            return self.get(f"{self._prefix}/readyz")[0] == 200
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(_WORKERS.intersection(process.cmdline()))
    return False


@contextlib.contextmanager
def plain_and_observed(
    service: str, env: Mapping[str, str], prefix: str = ""
) -> Iterator[tuple[BentoServer, BentoServer]]:
    """The same service twice: as BentoML serves it, and observed."""
    with (
        BentoServer(service, env, observed=False, prefix=prefix) as plain,
        BentoServer(service, env, prefix=prefix) as observed,
    ):
        yield plain, observed
