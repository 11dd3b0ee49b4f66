"""What telemetry costs a request: CPU time, throughput and latency of one served model under several kinds of it.

One `bentoml serve` with one worker for each kind, all up at the same time, loaded in turn in random order: every round
loads each server once over 1 and once over 8 connections, then waits until that server has come to rest, so that what
it does in the background (batching, encoding, sending) is charged to the requests that caused it. CPU time is the
worker process's, all threads and children included; the OTLP sink is another process. Servers run on one CPU, client
and sink on another. After the rounds, requests at a fixed rate give the latencies, measured from the planned time.

Absolute CPU figures are the lower quartile of the rounds, throughputs the upper, latencies those of all requests;
ratios are medians of the ratios within a round, for latencies of the quantile within a round. `plain_again/plain`
compares two equal servers: what differs less than that is noise.

    python benchmarks/request_overhead.py [--quick] [--variants plain,asgi] [--profile bento_observe]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from _report import json_line, progress, table
from _serving import client, model, variants
from _serving.cpu import ProcessGroup, pin
from _serving.fleet import Fleet, fleet
from _serving.profiling import profile
from _serving.robust import paired_ratio, quantile
from _serving.server import Server
from _serving.sink import Sink

_CONNECTIONS = (1, 8)
_WARM_UP = 200
_RATE = 200.0
# A block's telemetry is on its way within this time: the feature statistics are flushed each second, spans sooner.
_DWELL_S, _QUIET_S, _BUSY, _REST_LIMIT_S = 1.1, 0.2, 0.01, 5.0


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds of `block` requests per connection count, then `paced` rounds of `paced_block`."""

    rounds: int
    block: int
    paced: int
    paced_block: int

    @property
    def requests(self) -> int:
        """How many a server gets in all, its start included."""
        return 1 + _WARM_UP + self.rounds * len(_CONNECTIONS) * self.block + self.paced * self.paced_block


_FULL = Plan(rounds=14, block=400, paced=10, paced_block=600)
_QUICK = Plan(rounds=3, block=120, paced=1, paced_block=160)


@dataclass
class Measured:
    """One variant's measurements, one entry a round; `rps` by number of connections."""

    cpu_us: list[float] = field(default_factory=list)
    idle_us: list[float] = field(default_factory=list)
    rps: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in _CONNECTIONS})
    latency_ms: list[list[float]] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Command line."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then, too
    requests = client.write_requests(model.rows(64))
    if arguments.profile:
        profile(arguments.profile, requests, 5000 if arguments.quick else 20000)
        return
    plan = _QUICK if arguments.quick else _FULL
    began = time.monotonic()
    progress(f"starting {len(arguments.variants)} servers: {', '.join(arguments.variants)}")
    with fleet(arguments.variants) as started:
        progress(f"ready after {time.monotonic() - began:.0f} s; warming up")
        measured = _measure(started, requests, plan)
    for name, sent in started.sent.items():
        measured[name].sent = {unit: count / plan.requests for unit, count in sent.items()}
    _report(measured, plan)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def names(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        if unknown := set(found) - set(variants.VARIANTS):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(variants.VARIANTS)}")
        return found

    parser.add_argument("--quick", action="store_true", help="under 50 s, with more noise")
    parser.add_argument("--variants", type=names, default=list(variants.DEFAULT), help="comma separated")
    parser.add_argument("--profile", choices=variants.VARIANTS, help="show where this one's CPU time goes instead")
    return parser.parse_args()


def _measure(started: Fleet, requests: Sequence[bytes], plan: Plan) -> dict[str, Measured]:
    servers = started.servers
    measured = {name: Measured() for name in servers}
    for server in servers.values():
        with client.connected(server.port, max(_CONNECTIONS)) as connections:
            client.requests_per_second(connections, requests, _WARM_UP)
    _pin(servers.values(), started.sink)
    _rest(*servers.values())
    rested = {name: (time.monotonic(), server.processes.cpu_s()) for name, server in servers.items()}
    for index in range(plan.rounds):
        for name in random.sample(list(servers), len(servers)):
            server, figures = servers[name], measured[name]
            began = server.processes.cpu_s()
            idle_since, idle_cpu = rested[name]
            if index:
                figures.idle_us.append((began - idle_cpu) / (time.monotonic() - idle_since) * 1e6)
            for count in _CONNECTIONS:
                with client.connected(server.port, count) as connections:
                    figures.rps[count].append(client.requests_per_second(connections, requests, plan.block))
            _rest(server)
            rested[name] = (time.monotonic(), server.processes.cpu_s())
            figures.cpu_us.append((rested[name][1] - began) / (plan.block * len(_CONNECTIONS)) * 1e6)
        costs = "  ".join(f"{name} {figures.cpu_us[-1]:.0f}" for name, figures in measured.items())
        progress(f"round {index + 1}/{plan.rounds}, CPU us/request: {costs}")
    for index in range(plan.paced):
        progress(f"paced {index + 1}/{plan.paced}, {plan.paced_block} requests each at {_RATE:.0f}/s")
        for name in random.sample(list(servers), len(servers)):
            with client.connected(servers[name].port, 1) as connections:
                latencies = client.paced(connections[0], requests, plan.paced_block, _RATE)
            measured[name].latency_ms.append(latencies)
    _rest(*servers.values())
    return measured


def _pin(servers: Iterable[Server], sink: Sink) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        progress("only one CPU: servers, client and sink share it")
        return
    for server in servers:
        server.processes.pin(allowed[0])
    for pid in (os.getpid(), sink.pid):
        pin(pid, allowed[1])


def _rest(*servers: Server) -> None:
    if not ProcessGroup.of(server.processes for server in servers).settle(_DWELL_S, _QUIET_S, _BUSY, _REST_LIMIT_S):
        names = ", ".join(server.variant for server in servers)
        progress(f"still busy {_REST_LIMIT_S:.0f} s after the last request: {names}")


def _report(measured: dict[str, Measured], plan: Plan) -> None:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    cpu = {name: one.cpu_us for name, one in measured.items()}
    rps = {count: {name: one.rps[count] for name, one in measured.items()} for count in _CONNECTIONS}
    latency = {name: np.concatenate(one.latency_ms).tolist() for name, one in measured.items()}
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    for name, one in measured.items():
        figures[f"cpu_us_per_request.{name}"] = quantile(cpu[name], 0.25)
        figures[f"cpu_us_per_request_mean.{name}"] = float(np.mean(cpu[name]))
        figures[f"idle_cpu_us_per_s.{name}"] = quantile(one.idle_us, 0.5)
        for count in _CONNECTIONS:
            figures[f"requests_per_s.c{count}.{name}"] = quantile(rps[count][name], 0.75)
        for key, share in shares.items():
            figures[f"latency_ms.{key}.{name}"] = quantile(latency[name], share)
        for unit, number in one.sent.items():
            figures[f"sent_per_request.{unit}.{name}"] = number
    pairs = [(variants.BENTO_OBSERVE, variants.ASGI)]
    pairs += [(name, variants.PLAIN) for name in measured if name != variants.PLAIN]
    for above, below in pairs:
        if above in measured and below in measured:
            pair = f"{above}/{below}"
            ratios[pair] = paired_ratio(cpu, above, below)
            for count in _CONNECTIONS:
                ratios[f"rps.c{count}.{pair}"] = paired_ratio(rps[count], above, below)
            for key, share in shares.items():
                blocks = {name: [quantile(block, share) for block in measured[name].latency_ms] for name in measured}
                ratios[f"latency.{key}.{pair}"] = paired_ratio(blocks, above, below)
    _tables(measured, figures, ratios, plan)
    json_line("request_overhead", figures, ratios)


def _tables(measured: dict[str, Measured], figures: dict[str, float], ratios: dict[str, float], plan: Plan) -> None:
    def over_plain(name: str, prefix: str = "") -> str:
        ratio = ratios.get(f"{prefix}{name}/{variants.PLAIN}")
        return f"{ratio:.3f}" if ratio else "-"

    table(
        f"CPU and throughput, {plan.rounds} rounds of {plan.block} requests over 1 and {plan.block} over 8 connections",
        ("", "CPU us/request", "p50", "p75", "/plain", "idle us/s", "rps c=1", "/plain", "rps c=8", "/plain", "spans",
         "records", "values"),
        [
            (
                name,
                *(f"{quantile(one.cpu_us, share):.0f}" for share in (0.25, 0.5, 0.75)),
                over_plain(name),
                f"{figures[f'idle_cpu_us_per_s.{name}']:.0f}",
                f"{figures[f'requests_per_s.c1.{name}']:.0f}",
                over_plain(name, "rps.c1."),
                f"{figures[f'requests_per_s.c8.{name}']:.0f}",
                over_plain(name, "rps.c8."),
                *(f"{one.sent.get(unit, 0.0):.2f}" for unit in ("spans", "records", "values")),
            )
            for name, one in measured.items()
        ],
    )  # fmt: skip
    table(
        f"Latency in ms, {plan.paced * plan.paced_block} requests at {_RATE:.0f}/s over one connection",
        ("", "p50", "p99", "p99.9", "max", "p50 /plain", "p99 /plain", "p99.9 /plain"),
        [
            (
                name,
                *(f"{figures[f'latency_ms.{key}.{name}']:.2f}" for key in ("p50", "p99", "p999")),
                f"{max(max(block) for block in one.latency_ms):.1f}",
                *(over_plain(name, f"latency.{key}.") for key in ("p50", "p99", "p999")),
            )
            for name, one in measured.items()
        ],
    )


if __name__ == "__main__":
    main()
