"""The units that Grafana knows, and how the pictures write numbers in them."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Final

__all__ = ["known_unit", "written"]

_FIXED: Final = {
    "none": "", "string": "", "": "", "short": "", "locale": "", "celsius": " °C", "watt": " W", "joule": " J",
    "reqps": " req/s", "cps": " c/s", "ops": " ops/s", "rps": " rd/s", "wps": " wr/s", "reqpm": " req/min",
    "eps": " ev/s", "cpm": " c/min", "opm": " ops/min", "rpm": " rd/min", "hertz": " Hz", "sci": "",
}  # fmt: skip
_BYTES: Final = {"bytes": ("B", 1024), "decbytes": ("B", 1000), "Bps": ("B/s", 1000), "binBps": ("B/s", 1024)}
_SECONDS: Final = {
    "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "dtdurations": 1.0,
    "dtdurationms": 1e-3,
}  # fmt: skip
_SHARES: Final = {"percentunit": 100.0, "percent": 1.0}
_DATES: Final = {"dateTimeAsIso", "dateTimeAsIsoNoDateIfToday", "dateTimeFromNow", "dateTimeAsLocal"}
_CUSTOM: Final = ("suffix:", "prefix:", "count:", "si:", "time:", "bool:", "currency:")
_PREFIXES: Final = ("", "K", "M", "G", "T", "P")


def known_unit(unit: str) -> bool:
    """Whether Grafana would take it for a unit rather than for a text to put behind the number."""
    ids = _FIXED.keys() | _BYTES.keys() | _SECONDS.keys() | _SHARES.keys() | _DATES
    return unit in ids or unit.startswith(_CUSTOM)


def written(value: float, unit: str = "", decimals: int | None = None) -> str:
    """A number as Grafana would show it, or nearly."""
    if math.isnan(value):
        return "–"
    if unit in _DATES:
        return f"{datetime.fromtimestamp(value / 1000, timezone.utc):%Y-%m-%d %H:%M:%S}"
    if unit in _SHARES:
        return f"{_digits(value * _SHARES[unit], decimals)}%"
    if unit in _SECONDS:
        return _duration(value * _SECONDS[unit], decimals)
    if unit in _BYTES:
        name, base = _BYTES[unit]
        return _scaled(value, base, name, decimals)
    for custom in ("suffix:", "count:", "si:"):
        if unit.startswith(custom):
            return f"{_digits(value, decimals)} {unit.removeprefix(custom)}"
    if unit.startswith(("prefix:", "currency:")):
        return f"{unit.partition(':')[2]}{_digits(value, decimals)}"
    if unit in ("", "none", "string", "locale"):
        return _digits(value, decimals)
    return _scaled(value, 1000, _FIXED.get(unit, "").strip(), decimals)


def _digits(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _scaled(value: float, base: int, name: str, decimals: int | None) -> str:
    power = 0
    while abs(value) >= base and power < len(_PREFIXES) - 1:
        value, power = value / base, power + 1
    mark = _PREFIXES[power] + ("i" if power and base == 1024 else "")
    return f"{_digits(value, decimals)} {mark}{name}".rstrip()


def _duration(seconds: float, decimals: int | None) -> str:
    for name, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= length:
            return f"{_digits(seconds / length, decimals)} {name}"
    return "0 s" if seconds == 0 else f"{_digits(seconds * 1e9, decimals)} ns"
