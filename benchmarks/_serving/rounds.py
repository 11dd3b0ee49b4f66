"""Servers loaded in turn, each brought to rest before the next, so that all it does for its requests is charged to it.

Telemetry does part of its work later and elsewhere: it batches, encodes and sends in threads of its own. A server's CPU
time is therefore taken when it has come to rest, and no other server is loaded before.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from _report import progress

from _serving.cpu import ProcessGroup, pin
from _serving.fleet import Fleet
from _serving.server import Server

__all__ = ["Costs", "apart", "measure", "rest"]

# A block's telemetry is on its way within this time: the feature statistics are flushed each second, spans sooner.
_DWELL_S, _QUIET_S, _BUSY, _REST_LIMIT_S = 1.1, 0.2, 0.01, 5.0


@dataclass
class Costs:
    """What one server used, in CPU microseconds: a request of each round, and a second at rest before it."""

    per_request: list[float] = field(default_factory=list)
    idle_per_s: list[float] = field(default_factory=list)


def measure(started: Fleet, rounds: int, load: Callable[[str, Server], int]) -> dict[str, Costs]:
    """Load each server once a round, in random order; `load` says how many requests it made."""
    servers = started.servers
    costs = {name: Costs() for name in servers}
    rest(*servers.values())
    rested = {name: (time.monotonic(), server.processes.cpu_s()) for name, server in servers.items()}
    for index in range(rounds):
        for name in random.sample(list(servers), len(servers)):
            server = servers[name]
            began = server.processes.cpu_s()
            idle_since, idle_cpu = rested[name]
            if index:
                costs[name].idle_per_s.append((began - idle_cpu) / (time.monotonic() - idle_since) * 1e6)
            made = load(name, server)
            rest(server)
            rested[name] = (time.monotonic(), server.processes.cpu_s())
            costs[name].per_request.append((rested[name][1] - began) / made * 1e6)
        latest = "  ".join(f"{name} {one.per_request[-1]:.0f}" for name, one in costs.items())
        progress(f"round {index + 1}/{rounds}, CPU us/request: {latest}")
    return costs


def rest(*servers: Server) -> None:
    """Wait until these servers have nothing left to do; says so, if that takes too long."""
    if not ProcessGroup.of(server.processes for server in servers).settle(_DWELL_S, _QUIET_S, _BUSY, _REST_LIMIT_S):
        names = ", ".join(server.variant for server in servers)
        progress(f"still busy {_REST_LIMIT_S:.0f} s after the last request: {names}")


@contextmanager
def apart(started: Fleet) -> Iterator[None]:
    """Servers on one CPU, this process and the sink on another, for as long as the context lasts."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        progress("only one CPU: servers, client and sink share it")
        yield
        return
    servers_cpu, ours, *_ = sorted(allowed)
    for server in started.servers.values():
        server.processes.pin(servers_cpu)
    for pid in (os.getpid(), started.sink.pid):
        pin(pid, ours)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)  # servers that are started later inherit it
