"""Workers and hosts: what the service uses, each worker and all together."""

from __future__ import annotations

from typing import Final

from bento_observe import semconv
from bento_observe.semconv import Metric
from collector.grafana import foreign, names
from collector.grafana.boards import common
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Query
from collector.grafana.panels import lines
from collector.grafana.promql import added, by, legend, rate, select

__all__ = ["PANELS"]

_REQUESTS: Final = names.count(semconv.REQUEST_DURATION)
_IDLE: Final = f'{foreign.HOST_CPU}{{state="idle"}}'
_USED: Final = f'{foreign.HOST_MEMORY}{{state="used"}}'
_WIRE: Final = f'{foreign.HOST_NETWORK}{{device!="lo"}}'
_NO_HOST: Final = "No data yet, because no Collector on a host has sent host metrics."
_NO_WIRE: Final = (
    "No data yet, because no Collector on a host has sent host metrics, or it runs in a container, which does not see "
    "its host's network (docs/operating.md)."
)
_NO_GPU: Final = "No data yet, because no worker sees a GPU, or its NVML bindings (nvidia-ml-py) are not installed."


def _of_gpu(metric: Metric) -> str:
    """Each worker tells of all GPUs of its host, so they are the same in all."""
    return f"max{by(names.HOST, names.GPU)} ({select(names.name(metric))})"


_WORKER: Final = legend(names.INSTANCE)

PANELS: Final = [
    lines(
        Look(
            "Requests by worker",
            "Requests a second of each worker; their sum is the service's.",
            common.NO_REQUESTS, Traffic.ANY, "reqps",
        ),
        Query(rate(select(_REQUESTS), names.INSTANCE), _WORKER),
        stacked=True,
    ),
    lines(
        Look(
            "CPU by worker", "Cores that each worker process uses, and all together.", common.NO_REQUESTS, Traffic.ANY,
            "short",
        ),
        Query(rate(select(names.name(semconv.PROCESS_CPU_TIME)), names.INSTANCE), _WORKER),
        Query(rate(select(names.name(semconv.PROCESS_CPU_TIME))), "all workers"),
    ),
    lines(
        Look(
            "Memory by worker",
            "Physical memory of each worker process, and of all together.",
            common.NO_REQUESTS, Traffic.ANY, "bytes",
        ),
        Query(added(select(names.name(semconv.PROCESS_MEMORY_USAGE)), names.INSTANCE), _WORKER),
        Query(added(select(names.name(semconv.PROCESS_MEMORY_USAGE))), "all workers"),
    ),
    lines(
        Look(
            "Threads and files", "Threads and open file descriptors of all workers.", common.NO_REQUESTS, Traffic.ANY,
            "short",
        ),
        Query(added(select(names.name(semconv.PROCESS_THREAD_COUNT))), "threads"),
        Query(added(select(names.name(semconv.PROCESS_FILE_DESCRIPTOR_COUNT))), "open files"),
    ),
    lines(
        Look(
            "CPU of hosts", "Share of the hosts' CPU time that is not idle, of all hosts with a Collector.",
            _NO_HOST, Traffic.NOTHING, "percentunit",
        ),
        Query(
            f"1 - {rate(_IDLE, names.HOST)} / {rate(foreign.HOST_CPU, names.HOST)}",
            legend(names.HOST),
        ),
    ),
    lines(
        Look(
            "Memory of hosts", "Share of the hosts' memory in use.",
            _NO_HOST, Traffic.NOTHING, "percentunit",
        ),
        Query(
            f"{added(_USED, names.HOST)} / {added(foreign.HOST_MEMORY, names.HOST)}",
            legend(names.HOST),
        ),
    ),
    lines(
        Look(
            "Network of hosts", "Bytes a second that go over the hosts' network devices, the loopback left out.",
            _NO_WIRE, Traffic.NOTHING, "Bps",
        ),
        Query(
            rate(_WIRE, names.HOST, "direction"),
            legend(names.HOST, "direction"),
        ),
    ),
    lines(
        Look(
            "GPU", "Share of the time in which each GPU was at work.",
            _NO_GPU,
            Traffic.GPU, "percentunit", most=1,
        ),
        Query(_of_gpu(semconv.HW_GPU_UTILIZATION), legend(names.HOST, names.GPU)),
    ),
    lines(
        Look(
            "GPU memory", "Share of each GPU's memory in use, by whatever process.",
            _NO_GPU,
            Traffic.GPU, "percentunit", most=1,
        ),
        Query(
            f"{_of_gpu(semconv.HW_GPU_MEMORY_USAGE)} / {_of_gpu(semconv.HW_GPU_MEMORY_LIMIT)}",
            legend(names.HOST, names.GPU),
        ),
    ),
]  # fmt: skip
