"""One build at work: it runs commands that can be stopped, and knows how far it is."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bento_observe.stack._errors import StackError

_ERROR_LINES = 15
_NICENESS = 10


class CancelledError(Exception):
    """The build was stopped from outside."""


class Job:
    """The commands and the progress of one build.

    Args:
        name: What is built, for messages.
        expected: Seconds that it took on two idle cores with nothing cached.
        log: Where the output of all commands goes.
    """

    def __init__(self, name: str, expected: float, log: Path) -> None:
        self.name = name
        self._expected = expected
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = threading.Event()
        self._phase = "waiting"
        self._started: float | None = None
        self._compiling: float | None = None
        self._done = 0
        self._total = 0

    def start(self) -> None:
        """The clock of the estimate starts."""
        self._started = time.monotonic()

    def phase(self, phase: str, steps: int = 0) -> None:
        """What is being done now; with `steps`, how many `step()` it will take."""
        self._phase, self._done, self._total = phase, 0, steps
        if steps:
            self._compiling = time.monotonic()

    def step(self, _line: str = "") -> None:
        """One step done; fits `run(on_line=...)`."""
        self._done += 1

    def wait(self, seconds: float) -> None:
        """Wait, but not when cancelled.

        Raises:
            CancelledError: if the build was stopped.
        """
        if self._cancelled.wait(seconds):
            raise CancelledError

    def cancel(self) -> None:
        """Stop the command that runs and refuse further ones."""
        with self._lock:
            self._cancelled.set()
            if self._process is not None and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run a command at low priority and return its standard output; `on_line` gets the lines of standard error.

        Raises:
            CancelledError: if the build was stopped.
            StackError: if the command fails, with its last lines.
        """
        tail: deque[str] = deque(maxlen=_ERROR_LINES)
        with tempfile.TemporaryFile("w+") as output, self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n")
            process = self._spawn([str(arg) for arg in argv], cwd, env, output.fileno())
            assert process.stderr is not None
            for line in process.stderr:
                log.write(line)
                tail.append(line.rstrip())
                if on_line is not None:
                    on_line(line)
            status = process.wait()
            if self._cancelled.is_set():
                raise CancelledError
            output.seek(0)
            result = output.read()
        if status != 0:
            lines = "\n  ".join(tail or result.splitlines()[-_ERROR_LINES:])
            raise StackError(f"building {self.name} failed (all output: {self._log}):\n  {lines}")
        return result

    def _spawn(self, argv: list[str], cwd: Path, env: Mapping[str, str] | None, output: int) -> subprocess.Popen[str]:
        with self._lock:
            if self._cancelled.is_set():
                raise CancelledError
            # Its own process group, so that stopping it reaches the compilers too.
            self._process = subprocess.Popen(  # noqa: S603
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                text=True, start_new_session=True,
            )  # fmt: skip
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
            return self._process

    def describe(self) -> str:
        """How far it is, in one line."""
        if self._started is None:
            return f"{self.name}: waiting"
        now = time.monotonic()
        steps = f" {self._done} of {self._total} packages" if self._total else ""
        left = self._remaining(now)
        estimate = f"about {duration(left)} left" if left > 0 else "longer than usual"
        return f"{self.name}: {self._phase}{steps}, {duration(now - self._started)} so far, {estimate}"

    def _remaining(self, now: float) -> float:
        assert self._started is not None
        usual = self._expected - (now - self._started)
        share = self._done / self._total if self._total else 0.0
        if self._compiling is None or share < 0.1:
            return usual
        # The machine's own pace, once there is enough of it to judge by.
        return (now - self._compiling) * (1 - share) / share


def duration(seconds: float) -> str:
    """`95` as `1 min 35 s`."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
