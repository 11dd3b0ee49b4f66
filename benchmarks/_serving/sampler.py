"""A sampling profiler inside a worker: where each thread's CPU time goes, by function.

A sample charges to a thread's current frames the CPU time the thread used since the last sample, read from the
thread's own CPU clock. So a thread that waits costs nothing, however often it is looked at.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from types import CodeType, FrameType
from typing import Final

__all__ = ["start_if_asked", "write_if_asked"]

_PATH: Final = os.environ.get("BENCHMARK_PROFILE", "")
_INTERVAL_S: Final = 0.001
# A thread that computes gives up the interpreter this soon; by default 5 ms, and samples would crowd where it waits.
_SWITCH_S: Final = 0.00002

_own: Counter[CodeType] = Counter()
_total: Counter[CodeType] = Counter()
_threads: Counter[str] = Counter()


def start_if_asked() -> None:
    """Begin to sample, if `BENCHMARK_PROFILE` names a file."""
    if _PATH:
        sys.setswitchinterval(_SWITCH_S)
        threading.Thread(target=_sample, name="sampler", daemon=True).start()


def write_if_asked() -> None:
    """Write nanoseconds per function and per thread into that file, as JSON."""
    if not _PATH:
        return
    functions = [[_name(code), own, _total[code]] for code, own in _own.copy().items()]
    functions += [[_name(code), 0, total] for code, total in _total.copy().items() if code not in _own]
    with open(_PATH, "w") as file:
        json.dump({"functions": functions, "threads": dict(_threads)}, file)


def _name(code: CodeType) -> str:
    path = code.co_filename.rpartition("site-packages/")[2]
    return f"{'/'.join(path.split('/')[-4:])}:{code.co_firstlineno} {code.co_qualname}"


def _sample() -> None:
    me = threading.get_ident()
    before: dict[int, int] = {}
    while True:
        time.sleep(_INTERVAL_S)
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident == me or ident not in names:
                continue
            now = time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
            spent = now - before.get(ident, now)
            before[ident] = now
            if spent <= 0:
                continue
            _threads[names[ident]] += spent
            _own[frame.f_code] += spent
            seen: set[CodeType] = set()
            walked: FrameType | None = frame
            while walked is not None:
                seen.add(walked.f_code)
                walked = walked.f_back
            for code in seen:
                _total[code] += spent
