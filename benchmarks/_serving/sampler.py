"""A sampling profiler inside a server's process: where each thread's CPU time goes, by function.

A timer that runs with the process's CPU time interrupts it; each time, one sample is charged to the thread that used
most CPU time since the last. A profiler thread would not do: it gets the interpreter only when another thread gives
it up, so its samples crowd where threads wait. What a C function uses is charged to the Python function that called it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

__all__ = ["START", "STOP", "obey"]

START: Final = signal.SIGUSR1
"""Tells a process to begin."""
STOP: Final = signal.SIGUSR2
"""Tells it to end, and to leave what it found in the file `<pid>.json`."""

_DIRECTORY: Final = os.environ.get("BENCHMARK_PROFILE", "")
_INTERVAL_S: Final = 0.001  # the kernel makes it its tick, if that is longer

_own: Counter[CodeType] = Counter()
_total: Counter[CodeType] = Counter()
_modules: Counter[str] = Counter()
_used_ns: dict[int, int] = {}
_began_ns: dict[tuple[str, int], int] = {}


def obey() -> None:
    """Listen to both signals, if `BENCHMARK_PROFILE` names a directory. Call it in the main thread."""
    if _DIRECTORY:
        signal.signal(START, _start)
        signal.signal(STOP, _stop)


def _start(number: int, interrupted: FrameType | None) -> None:
    _began_ns.update(_threads_ns())
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)


def _stop(number: int, interrupted: FrameType | None) -> None:
    """Write samples per function (own, total) and module (own) and CPU nanoseconds per thread (JSON)."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    functions = [[_name(code), _own[code], total] for code, total in _total.items()]
    threads: Counter[str] = Counter()
    for (name, ident), used in _threads_ns().items():
        threads[name] += used - _began_ns.get((name, ident), 0)
    path = Path(_DIRECTORY, f"{os.getpid()}.json")
    written = path.with_suffix(".part")
    written.write_text(json.dumps({"functions": functions, "modules": _modules, "threads": threads}))
    written.rename(path)  # whoever waits for it finds all of it


def _threads_ns() -> dict[tuple[str, int], int]:
    return {(thread.name, thread.ident): _thread_ns(thread.ident) for thread in threading.enumerate() if thread.ident}


def _name(code: CodeType) -> str:
    path = code.co_filename.rpartition("site-packages/")[2]
    return f"{'/'.join(path.split('/')[-3:])}:{code.co_firstlineno} {code.co_qualname}"


def _thread_ns(ident: int) -> int:
    return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))


def _sample(number: int, interrupted: FrameType | None) -> None:
    alive = {thread.ident for thread in threading.enumerate()}  # a clock of an ended thread must not be asked for
    frames = sys._current_frames()
    # Its own frame, for which it would hold itself, and with it all others and their variables, until it is collected.
    mine = threading.get_ident()
    del frames[mine]
    most, busiest = 0, 0
    for ident in (mine, *frames):
        if ident in alive:
            used = _thread_ns(ident)
            spent = used - _used_ns.get(ident, used)
            _used_ns[ident] = used
            if spent > most:
                most, busiest = spent, ident
    if not busiest:
        return
    frame = interrupted if busiest == mine else frames[busiest]
    if frame is None:
        return
    _own[frame.f_code] += 1
    _modules[frame.f_globals.get("__name__", "?")] += 1
    seen: set[CodeType] = set()
    walked: FrameType | None = frame
    while walked is not None:
        seen.add(walked.f_code)
        walked = walked.f_back
    _total.update(seen)
