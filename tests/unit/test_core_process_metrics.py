"""What a worker tells of itself and of the host's GPUs. There is no GPU here: NVML is a stand-in that answers as the
real module does (values in its units, exceptions for what a device does not support)."""

from __future__ import annotations

import logging
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from received import Point, points

from bento_observe import semconv
from bento_observe.telemetry import GpuMetrics, ProcessMetrics


def collected(metrics: Any, delta: bool = False) -> dict[tuple[str, str], Point]:
    """The points of one collection, by metric and by the value that tells points of it apart."""
    scopes = metrics.collect(time.time_ns(), delta)
    request = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=scopes)])
    found = {}
    for point in points(ExportMetricsServiceRequest.FromString(request.SerializeToString())):
        what = point.attributes.get("cpu.mode") or point.attributes.get("process.context_switch.type")
        found[point.metric, what or point.attributes.get("hw.id", "")] = point
    return found


def declared(point: Point) -> bool:
    """Whether the point is as `semconv` says: unit, attributes, kind."""
    (metric,) = [one for one in semconv.METRICS if one.name == point.metric]
    monotonic = metric.kind is semconv.Kind.COUNTER
    kind = "gauge" if metric.kind is semconv.Kind.GAUGE else "sum"
    return (
        (point.unit, point.kind, point.monotonic) == (metric.unit, kind, monotonic)
        and set(point.attributes) == set(metric.attributes)
    )  # fmt: skip


def test_a_process_tells_what_it_uses() -> None:
    """CPU time, memory, threads, file descriptors, context switches: as psutil and /proc have them."""
    metrics = ProcessMetrics()
    before, me = collected(metrics), psutil.Process()
    assert all(map(declared, before.values()))
    assert {name for name, _ in before} == {m.name for m in semconv.METRICS if m.name.startswith("process.")}

    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    held = bytearray(64 << 20)
    read, write = os.pipe()
    thread.start()
    try:
        sum(range(3_000_000))
        after = collected(metrics)
        assert after["process.thread.count", ""].value == before["process.thread.count", ""].value + 1
        files = "process.unix.file_descriptor.count"
        assert after[files, ""].value == before[files, ""].value + 2
        grown = after["process.memory.usage", ""].value - before["process.memory.usage", ""].value
        assert grown > 0.9 * len(held)
        assert after["process.memory.virtual", ""].value > after["process.memory.usage", ""].value
    finally:
        stop.set()
        thread.join()
        os.close(read)
        os.close(write)
    assert after["process.cpu.time", "user"].value > before["process.cpu.time", "user"].value
    assert after["process.cpu.time", "user"].value == pytest.approx(me.cpu_times().user, abs=0.5)
    switches = "process.context_switches"
    assert after[switches, "voluntary"].value >= before[switches, "voluntary"].value
    assert after[switches, "voluntary"].start_ns == pytest.approx(me.create_time() * 1e9, abs=1e9)


def test_with_delta_counters_say_what_came_since() -> None:
    """They add up to the whole, and each interval begins where the last one ended; the others are as ever."""
    metrics, told, last_ns = ProcessMetrics(), 0.0, 0
    for _ in range(3):
        sum(range(2_000_000))
        found = collected(metrics, delta=True)
        cpu = found["process.cpu.time", "user"]
        assert (cpu.temporality, found["process.memory.usage", ""].temporality) == (1, 2)
        assert last_ns in (0, cpu.start_ns)
        told, last_ns = told + cpu.value, cpu.time_ns
    assert told == pytest.approx(psutil.Process().cpu_times().user, abs=0.3)


def test_reading_is_cheap() -> None:
    """Well under a millisecond of CPU, once in each export interval."""
    metrics = ProcessMetrics()
    metrics.collect(1, False)
    began = time.thread_time()
    for number in range(100):
        metrics.collect(number, False)
    assert (time.thread_time() - began) / 100 < 0.001


class NoSuchThingError(Exception):
    """Stands for NVMLError."""


class Nvml:
    """Stands in for the module `pynvml` on a host with `count` GPUs, the second of which knows less."""

    NVML_TEMPERATURE_GPU = 0

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.used = 0
        self.begun = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.begun += 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return b"NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        if handle == 1:  # as where it is divided by MIG
            raise NoSuchThingError
        return SimpleNamespace(gpu=73, memory=12)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(total=80 << 30, used=(8 + handle) << 30, free=0)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return 54

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return 312_500

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if handle == 1:
            raise NoSuchThingError
        self.used += 5000
        return 1_000_000 + self.used


def test_gpus_tell_what_they_do() -> None:
    """By the conventions' names and units, each GPU by its id; what one does not know of itself is left out."""
    nvml = Nvml()
    metrics = GpuMetrics(load=lambda: nvml)
    collected(metrics)
    found = collected(metrics)

    assert nvml.begun == 1
    assert all(map(declared, found.values()))
    assert {key: point.value for key, point in found.items()} == {
        ("hw.gpu.utilization", "GPU-0"): 0.73,
        ("hw.gpu.memory.usage", "GPU-0"): 8 << 30,
        ("hw.gpu.memory.usage", "GPU-1"): 9 << 30,
        ("hw.gpu.memory.limit", "GPU-0"): 80 << 30,
        ("hw.gpu.memory.limit", "GPU-1"): 80 << 30,
        ("hw.temperature", "GPU-0"): 54,
        ("hw.temperature", "GPU-1"): 54,
        ("hw.power", "GPU-0"): 312.5,
        ("hw.power", "GPU-1"): 312.5,
        ("hw.energy", "GPU-0"): 5,
    }
    about = found["hw.power", "GPU-1"].attributes
    assert about == {"hw.id": "GPU-1", "hw.name": "NVIDIA H100 80GB HBM3", "hw.vendor": "NVIDIA", "hw.type": "gpu"}


def _absent() -> Any:
    raise ModuleNotFoundError("No module named 'pynvml'")


def _without_driver() -> Any:
    nvml: Any = Nvml()
    nvml.nvmlInit = _fail
    return nvml


def _fail(*_: Any) -> Any:
    raise NoSuchThingError("Driver Not Loaded")


@pytest.mark.parametrize("load", [_absent, _without_driver, lambda: Nvml(count=0)], ids=["package", "driver", "gpu"])
def test_without_a_gpu_nothing_is_told(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No metrics, not one log line, and it is tried once only."""
    tried: list[int] = []

    def loaded() -> Any:
        tried.append(1)
        return load()

    metrics = GpuMetrics(load=loaded)
    with caplog.at_level(logging.DEBUG):
        assert collected(metrics) == collected(metrics) == {}
    assert (len(tried), caplog.records) == (1, [])


def test_a_gpu_that_is_lost_tells_no_more() -> None:
    """No exception, and the other one goes on."""
    nvml: Any = Nvml()
    metrics = GpuMetrics(load=lambda: nvml)
    memory = nvml.nvmlDeviceGetMemoryInfo
    nvml.nvmlDeviceGetMemoryInfo = lambda handle: _fail() if handle == 0 else memory(handle)
    assert [gpu for name, gpu in collected(metrics) if name == "hw.gpu.memory.usage"] == ["GPU-1"]


def test_the_real_module_has_what_is_asked_of_it() -> None:
    """Every name that the stand-in has, so that the one is as good as the other; and no GPU is told of here."""
    pynvml = pytest.importorskip("pynvml")
    assert [name for name in vars(Nvml) if "vml" in name.lower() and not hasattr(pynvml, name)] == []
    if not os.path.exists("/dev/nvidiactl"):
        assert collected(GpuMetrics()) == {}
