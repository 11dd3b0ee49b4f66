"""The host's NVIDIA GPUs by the conventions for hardware, read through NVML each time that metrics are collected.

Needs `nvidia-ml-py`, which comes with BentoML; without it, without a driver or without a GPU there is nothing to tell,
and nothing is told.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import ScopeMetrics

from bento_observe import semconv
from bento_observe.telemetry._numbers import Reading, Readings

__all__ = ["GpuMetrics"]


class GpuMetrics:
    """Reads all GPUs of this host: for one process of it. NVML is loaded with the first collection, in its thread.

    `load` imports NVML's module.
    """

    def __init__(self, load: Callable[[], Any] = lambda: importlib.import_module("pynvml")) -> None:
        self._load = load
        self._nvml: Any = None
        self._devices: list[tuple[Any, dict[str, str]]] | None = None
        self._readings = Readings(semconv.SCOPE_GPU, time.time_ns())
        self._energy: dict[str, float] = {}

    def collect(self, now_ns: int, delta: bool) -> Iterable[ScopeMetrics]:
        """Utilisation, memory, temperature, power and energy of each GPU; what it says of them."""
        if self._devices is None:
            self._devices = self._find()
        readings = [reading for handle, about in self._devices for reading in self._read(handle, about)]
        return self._readings.metrics(readings, now_ns, delta)

    def _find(self) -> list[tuple[Any, dict[str, str]]]:
        try:
            nvml = self._nvml = self._load()
            nvml.nvmlInit()
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            return [(handle, self._about(handle)) for handle in handles]
        except Exception:  # noqa: BLE001 - no package, no driver, no permission: no GPUs
            return []

    def _about(self, handle: Any) -> dict[str, str]:
        return {
            semconv.HW_ID: _text(self._nvml.nvmlDeviceGetUUID(handle)),
            semconv.HW_NAME: _text(self._nvml.nvmlDeviceGetName(handle)),
            semconv.HW_VENDOR: "NVIDIA",
        }

    def _read(self, handle: Any, about: dict[str, str]) -> Iterator[Reading]:
        nvml, typed = self._nvml, {**about, semconv.HW_TYPE: "gpu"}
        rates = _asked(nvml.nvmlDeviceGetUtilizationRates, handle)
        if rates is not None:
            yield semconv.HW_GPU_UTILIZATION, about, rates.gpu / 100
        memory = _asked(nvml.nvmlDeviceGetMemoryInfo, handle)
        if memory is not None:
            yield semconv.HW_GPU_MEMORY_USAGE, about, int(memory.used)
            yield semconv.HW_GPU_MEMORY_LIMIT, about, int(memory.total)
        degrees = _asked(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        if degrees is not None:
            yield semconv.HW_TEMPERATURE, typed, float(degrees)
        milliwatts = _asked(nvml.nvmlDeviceGetPowerUsage, handle)
        if milliwatts is not None:
            yield semconv.HW_POWER, typed, milliwatts / 1000
        millijoules = _asked(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        if millijoules is not None:
            # Since the driver was loaded; ours begin with this process.
            began = self._energy.setdefault(about[semconv.HW_ID], millijoules)
            yield semconv.HW_ENERGY, typed, (millijoules - began) / 1000


def _asked(ask: Callable[..., Any], *arguments: Any) -> Any:
    """The answer; None where the device does not support the question, or is gone."""
    try:
        return ask(*arguments)
    except Exception:  # noqa: BLE001 - NVML's errors, whose class belongs to a module that may be absent
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
