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

__all__ = ["Server"]

_START_S = 120.0
_STOP_S = 15.0
_WORKER = "_bentoml_impl.worker.service"


class Server:
    """One server with one worker. Nothing is awaited before `wait_ready`, so several can start side by side."""

    def __init__(self, variant: str, sink_port: int, home: Path, profile: Path | None = None) -> None:
        self.variant = variant
        self.port = _free_port()
        self.log = home / "output.log"
        self.processes = ProcessGroup([])
        home.mkdir(parents=True)
        with self.log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                _command(self.port),
                env=_environment(variant, sink_port, home, profile),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the servers in order
            )

    def wait_ready(self) -> None:
        """Until the service answers that it is ready; finds the worker and its children.

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
            if _WORKER in child.cmdline()
        ]
        if len(workers) != 1:
            raise RuntimeError(f"{self.variant} has {len(workers)} workers, not one")
        helpers = workers[0].children(recursive=True)
        self.processes = ProcessGroup([process.pid for process in (*workers, *helpers)])

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


def _command(port: int) -> list[str]:
    return [
        sys.executable, "-m", "bentoml", "serve", "_serving.service:Service",
        "--working-dir", str(Path(__file__).parents[1]),
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip


def _environment(variant: str, sink_port: int, home: Path, profile: Path | None) -> dict[str, str]:
    ours = ("OTEL_", "BENTOML_", "BENTO_OBSERVE_", "BENCHMARK_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "BENTOML_HOME": str(home),  # one each: servers wipe each other's metrics in a common one
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **variants.environment(variant, sink_port),
        **({"BENCHMARK_PROFILE": str(profile)} if profile else {}),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
