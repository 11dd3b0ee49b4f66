"""CPU time of other processes, to the nanosecond, and which CPU they run on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Sequence

__all__ = ["ProcessGroup", "pin"]

_CPUCLOCK_SCHED = 2
_POLL_S = 0.05


class ProcessGroup:
    """Some processes whose CPU time is looked at as one."""

    def __init__(self, pids: Sequence[int]) -> None:
        # What clock_getcpuclockid(3) gives on Linux: the clock of a whole process, ended threads included.
        self._clocks = [(~pid << 3) | _CPUCLOCK_SCHED for pid in pids]
        self._pids = pids

    @classmethod
    def of(cls, groups: Iterable[ProcessGroup]) -> ProcessGroup:
        """Several groups as one."""
        return cls([pid for group in groups for pid in group._pids])

    def cpu_s(self) -> float:
        """CPU seconds of all threads, in user and kernel mode, since the processes began."""
        return sum(time.clock_gettime(clock) for clock in self._clocks)

    def settle(self, dwell_s: float, quiet_s: float, busy: float, limit_s: float) -> bool:
        """Wait until a process uses, on average, less than the share `busy` of a CPU over `quiet_s`.

        Waits `dwell_s` at least and `limit_s` at most, seconds. Returns whether it became quiet.
        """
        began = time.monotonic()
        time.sleep(dwell_s - quiet_s)
        readings = [(time.monotonic(), self.cpu_s())]
        while True:
            time.sleep(_POLL_S)
            now, cpu = time.monotonic(), self.cpu_s()
            readings.append((now, cpu))
            while len(readings) > 1 and readings[1][0] <= now - quiet_s:
                readings.pop(0)
            since, before = readings[0]
            if now - since >= quiet_s and cpu - before < busy * len(self._pids) * (now - since):
                return True
            if now - began > limit_s:
                return False

    def pin(self, cpu: int) -> None:
        """Keep all threads, and those they will start, on one CPU."""
        for pid in self._pids:
            pin(pid, cpu)


def pin(pid: int, cpu: int) -> None:
    """Keep a process and all its threads on `cpu`; where that is not allowed, they run anywhere."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):  # ended in the meantime, or not permitted
            os.sched_setaffinity(int(thread), {cpu})
