"""`bentoml serve` as a child of the demonstration: started, watched until ready, always stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import urllib3

from bento_observe.demo._errors import DemoError

__all__ = ["free_port", "serving"]

_HOST: Final = "127.0.0.1"
_TAIL_LINES: Final = 20
_POLL_SECONDS: Final = 0.1


def free_port(asked: int = 0) -> int:
    """`asked` if nobody listens there, any free port for 0; `DemoError` where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, asked))
        except OSError as error:
            raise DemoError(f"port {asked} is taken ({error.strerror}): choose another with --port") from error
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    target: str,
    *,
    directory: Path,
    environment: Mapping[str, str],
    port: int,
    log: Path,
    ready_timeout: float = 60.0,
    stop_timeout: float = 15.0,
) -> Iterator[str]:
    """Serve `target` from `directory` on 127.0.0.1; yields the URL as soon as it is ready, stops it afterwards.

    What it prints goes to `log`. Times are in seconds. `DemoError` with the end of the log when it doesn't get ready.
    """
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", _HOST, "--port", str(port)]
    with log.open("w") as output:
        # A session of its own: Ctrl-C in the terminal is ours to answer, and one signal reaches BentoML, not two.
        process = subprocess.Popen(  # noqa: S603
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://{_HOST}:{port}"
        _await_ready(process, url, log, ready_timeout)
        yield url
    finally:
        _stop(process, stop_timeout)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    with urllib3.PoolManager(retries=False, timeout=2.0) as pool:
        while not _answers(pool, f"{url}/readyz"):
            if process.poll() is not None:
                raise DemoError(_with_tail(f"the service ended with status {process.returncode} while starting", log))
            if time.monotonic() > deadline:
                raise DemoError(_with_tail(f"the service is not ready after {timeout:.0f} s", log))
            time.sleep(_POLL_SECONDS)


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return bool(pool.request("GET", url).status == 200)
    except urllib3.exceptions.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes], timeout: float) -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
    finally:  # also when a second Ctrl-C ends the waiting
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too: a supervisor that is killed leaves them behind
        process.wait()


def _with_tail(message: str, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join([f"{message}; the end of {log}:", *(f"  {line}" for line in lines)])
