"""`bentoml serve` of one variant: started, found, measured and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from _serving import variants
from _serving.cpu import ProcessGroup
from _serving.surfaces import Surface

__all__ = ["Server"]

_START_S = 120.0
_STOP_S = 15.0
_WORKERS = {"_bentoml_impl.worker.service", "bentoml_cli.worker.http_api_server", "bentoml_cli.worker.runner"}


class Server:
    """One server. Nothing is awaited before `wait_ready`, so several can start side by side."""

    def __init__(
        self, surface: Surface, variant: str, sink_port: int, home: Path, profiles: Path | None = None
    ) -> None:
        self.variant = variant
        self._expected = surface.processes
        self.port = _free_port()
        self.log = home / "output.log"
        self.workers: list[int] = []
        self.processes = ProcessGroup([])
        home.mkdir(parents=True)
        with self.log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                _command(surface, self.port),
                env=_environment(variant, sink_port, home, profiles),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the servers in order
            )

    def wait_ready(self) -> None:
        """Until the service answers that it is ready; finds the processes that serve, and their children.

        Raises:
            RuntimeError: if it is not ready in two minutes, or ends before.
        """
        deadline = time.monotonic() + _START_S
        while not self._ready():
            if self._supervisor.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.variant} is not served:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)
        workers = [
            child
            for child in psutil.Process(self._supervisor.pid).children(recursive=True)
            if _WORKERS.intersection(child.cmdline())
        ]
        if len(workers) != self._expected:
            raise RuntimeError(f"{self.variant} is served by {len(workers)} processes, not by {self._expected}")
        helpers = [helper for worker in workers for helper in worker.children(recursive=True)]
        self.workers = [worker.pid for worker in workers]
        self.processes = ProcessGroup([process.pid for process in {*workers, *helpers}])

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def terminate(self) -> None:
        """Ask the server to stop; returns at once."""
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ask the server to stop, wait for it, and kill what has not stopped in 15 s."""
        try:
            processes = psutil.Process(self._supervisor.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            processes = []
        self.terminate()
        try:
            self._supervisor.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        _, alive = psutil.wait_procs(processes, timeout=2)
        for process in alive:
            process.kill()


def _command(surface: Surface, port: int) -> list[str]:
    return [
        sys.executable, "-m", "bentoml", "serve", surface.service,
        "--working-dir", str(Path(__file__).parents[1]),
        "--host", "127.0.0.1", "--port", str(port), *surface.options,
    ]  # fmt: skip


def _environment(variant: str, sink_port: int, home: Path, profiles: Path | None) -> dict[str, str]:
    ours = ("OTEL_", "BENTOML_", "BENTO_OBSERVE_", "BENCHMARK_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "BENTOML_HOME": str(home),  # one each: servers wipe each other's metrics in a common one
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **variants.environment(variant, sink_port),
        **({"BENCHMARK_PROFILE": str(profiles)} if profiles else {}),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
