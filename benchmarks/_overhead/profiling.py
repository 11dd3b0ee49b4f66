"""Shows where the CPU time of a service's processes goes."""

from __future__ import annotations

import itertools
import json
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from _report import progress, table
from _serving import client, sampler
from _serving.fleet import fleet
from _serving.server import Server
from _serving.surfaces import Surface

__all__ = ["profile"]

_WARM_UP = 500
_QUICK_S, _FULL_S = 5, 25
_SHOWN = 40
_IN_FULL = "bento_observe"  # the modules of this package are told apart
_WRITTEN_S = 10.0


def profile(surface: Surface, variant: str, quick: bool) -> None:
    """Load one variant for a while; print its threads and most expensive functions, of all processes.

    A function's own time holds that of the C functions it calls, its total time also that of the Python functions.

    Raises:
        RuntimeError: if a process does not tell what it sampled.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bento-observe-profile-") as directory,
        fleet(surface, [variant], Path(directory)) as started,
    ):
        server = started.servers[variant]
        with client.connected(server.port, surface.connections) as connections:
            rps = client.requests_per_second(connections, surface.requests, _WARM_UP)
        count = round(rps * (_QUICK_S if quick else _FULL_S))
        _tell(server, sampler.START)
        progress(f"sampling {count} requests to {variant} of {surface.name}")
        began = server.processes.cpu_s()
        with client.connected(server.port, surface.connections) as connections:
            client.requests_per_second(connections, surface.requests, count)
        used_us = (server.processes.cpu_s() - began) / count * 1e6
        _tell(server, sampler.STOP)
        processes = {_name(pid): _samples(Path(directory, f"{pid}.json")) for pid in server.workers}
    _show(f"{surface.name}, {variant}", used_us, count, processes)


def _tell(server: Server, what: signal.Signals) -> None:
    for pid in server.workers:
        os.kill(pid, what)


def _samples(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _WRITTEN_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("a process did not tell what it sampled")
        time.sleep(0.05)
    samples: dict[str, Any] = json.loads(path.read_text())
    return samples


def _name(pid: int) -> str:
    """What is served by this process."""
    arguments = psutil.Process(pid).cmdline()
    named = [after for before, after in itertools.pairwise(arguments) if before.endswith("-name")]
    return f"{' '.join(named) or 'service'} ({pid})"


def _show(case: str, used_us: float, count: int, processes: dict[str, dict[str, Any]]) -> None:
    threads = Counter(
        {f"{process}: {name}": ns for process, samples in processes.items() for name, ns in samples["threads"].items()}
    )
    table(
        f"{case}: {used_us:.0f} CPU us a request while sampled",
        ("thread", "CPU us a request"),
        [(name, f"{ns / 1e3 / count:.1f}") for name, ns in threads.most_common(_SHOWN) if ns],
    )
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for samples in processes.values():
        modules.update(samples["modules"])
        for name, number, number_in_all in samples["functions"]:
            own[name] += number
            total[name] += number_in_all
    number = own.total()
    us = used_us / max(number, 1)
    packages: Counter[str] = Counter()
    for module, sampled in modules.items():
        if module.startswith(_IN_FULL):
            packages[f"{_IN_FULL}, all of it"] += sampled
        packages[module if module.startswith(_IN_FULL) else module.partition(".")[0]] += sampled
    table(
        f"{case}: own time by package, us a request",
        ("package", "own"),
        [(package, f"{sampled * us:.1f}") for package, sampled in packages.most_common(_SHOWN)],
    )
    for title, by in (("own time", own), ("total time", total)):
        table(
            f"{case}: functions by {title}, us a request, of {number} samples",
            ("function", "own", "total"),
            [(name, f"{own[name] * us:.1f}", f"{total[name] * us:.1f}") for name, _ in by.most_common(_SHOWN)],
        )
