"""What this process uses of the machine, by the conventions for processes; read each time that metrics are collected.

What the host has of CPU, memory and network is the Collector's to tell, once for all processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psutil
from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import semconv
from bento_observe.telemetry._numbers import Reading, Readings

__all__ = ["ProcessMetrics"]

_USER, _SYSTEM = {semconv.CPU_MODE: "user"}, {semconv.CPU_MODE: "system"}
_VOLUNTARY, _INVOLUNTARY = (
    {semconv.PROCESS_CONTEXT_SWITCH_TYPE: "voluntary"},
    {semconv.PROCESS_CONTEXT_SWITCH_TYPE: "involuntary"},
)


class ProcessMetrics:
    """Reads this process, in the thread that collects; some system calls, no more than a millisecond."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """CPU time, memory, threads, file descriptors and context switches; what the platform has of them."""
        if self._process is None:
            self._process = psutil.Process()
            self._readings = Readings(semconv.SCOPE_PROCESS, int(self._process.create_time() * 1e9))
        return self._readings.metrics(_read(self._process), now_ns, delta)


def _read(process: psutil.Process) -> Iterator[Reading]:
    with process.oneshot():
        cpu, memory = process.cpu_times(), process.memory_info()
        yield semconv.PROCESS_CPU_TIME, _USER, cpu.user
        yield semconv.PROCESS_CPU_TIME, _SYSTEM, cpu.system
        yield semconv.PROCESS_MEMORY_USAGE, {}, memory.rss
        yield semconv.PROCESS_MEMORY_VIRTUAL, {}, memory.vms
        yield semconv.PROCESS_THREAD_COUNT, {}, process.num_threads()
        if hasattr(process, "num_fds"):  # not on Windows
            yield semconv.PROCESS_FILE_DESCRIPTOR_COUNT, {}, process.num_fds()
        switches = process.num_ctx_switches()
        yield semconv.PROCESS_CONTEXT_SWITCHES, _VOLUNTARY, switches.voluntary
        yield semconv.PROCESS_CONTEXT_SWITCHES, _INVOLUNTARY, switches.involuntary
