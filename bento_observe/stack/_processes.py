"""Server processes that outlive their starter, and are recognised later by pid and start time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

# The start time of a process is computed from the boot time, which moves by a little when the clock is set.
_SAME_START_S = 2.0

_Handler = Callable[[int, FrameType | None], object] | int | None


@dataclass(frozen=True)
class Handle:
    """A process that this stack started: a pid alone may belong to somebody else by now."""

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _SAME_START_S:
                return None
            if process.status() == psutil.STATUS_ZOMBIE:
                process.wait(0)  # ours and not yet collected, or its parent's to collect
                return None
        except (psutil.NoSuchProcess, psutil.TimeoutExpired):
            return None
        return process

    def alive(self) -> bool:
        return self.process() is not None

    def rss(self) -> int:
        """Resident memory in bytes; 0 if it does not run."""
        process = self.process()
        try:
            return int(process.memory_info().rss) if process else 0
        except psutil.NoSuchProcess:
            return 0

    def kill(self) -> None:
        """End it at once, as a crash would, and wait until it is gone."""
        if process := self.process():
            process.kill()
            process.wait()


def spawn(argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> Handle:
    """Start a server in its own session, so that neither the end of this program nor its Ctrl-C reaches it.

    The log begins anew; the one of the start before is kept beside it, as `.1`.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    # Its end is seen and collected through psutil; Popen would warn that it was dropped while it runs.
    process.returncode = 0
    return Handle(process.pid, psutil.Process(process.pid).create_time())


@contextmanager
def signals_held() -> Iterator[None]:
    """What would end this program meanwhile does so after the block.

    Held by handlers and not by a mask, which a process started in the block would inherit. In another thread than the
    main one, which signals do not reach, nothing is to be done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before: dict[int, _Handler] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda number, _frame: held.append(number))
        yield
    finally:
        for ended, handler in before.items():
            signal.signal(ended, handler)
        for ended in held:
            signal.raise_signal(ended)


def stop(handles: Sequence[Handle], timeout: float) -> None:
    """Ask all to end with SIGTERM; after `timeout` seconds end the rest with SIGKILL."""
    processes = [process for handle in handles if (process := handle.process())]
    for process in processes:
        process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn)


def last_lines(log: Path, count: int = 12) -> list[str]:
    """The end of a log file, without reading all of it."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 16_384, 0))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []
