"""Stands in for NVML's module in a server of a test: a host with one GPU, of which there is none here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

NVML_TEMPERATURE_GPU = 0
_ANSWERS: dict[str, Any] = {
    "nvmlInit": None,
    "nvmlDeviceGetCount": 1,
    "nvmlDeviceGetHandleByIndex": 0,
    "nvmlDeviceGetUUID": "GPU-stand-in",
    "nvmlDeviceGetName": "NVIDIA stand-in",
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50, memory=10),
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=80 << 30, used=8 << 30, free=72 << 30),
    "nvmlDeviceGetTemperature": 54,
    "nvmlDeviceGetPowerUsage": 312_500,
    "nvmlDeviceGetTotalEnergyConsumption": 1_000_000,
}


def __getattr__(name: str) -> Any:
    if name not in _ANSWERS:
        raise AttributeError(name)
    return lambda *_: _ANSWERS[name]
