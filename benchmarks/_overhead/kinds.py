"""One API under several kinds of telemetry: CPU time, throughput and latency."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from _report import progress, table
from _serving import client, rounds, variants
from _serving.fleet import Fleet, fleet
from _serving.robust import paired_ratio, quantile
from _serving.server import Server
from _serving.surfaces import REQUEST

__all__ = ["compare"]

_CONNECTIONS = (1, 8)
_WARM_UP = 200
_RATE = 200.0


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

    costs: rounds.Costs = field(default_factory=rounds.Costs)
    rps: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in _CONNECTIONS})
    latency_ms: list[list[float]] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)


def compare(names: Sequence[str], quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and ratios of these variants; prints the tables."""
    plan = _QUICK if quick else _FULL
    began = time.monotonic()
    progress(f"starting {len(names)} servers: {', '.join(names)}")
    with fleet(REQUEST, names) as started:
        progress(f"ready after {time.monotonic() - began:.0f} s; warming up")
        measured = _measure(started, plan)
    for name, sent in started.sent.items():
        measured[name].sent = {unit: count / plan.requests for unit, count in sent.items()}
    return _report(measured, plan)


def _measure(started: Fleet, plan: Plan) -> dict[str, Measured]:
    servers, requests = started.servers, REQUEST.requests
    measured = {name: Measured() for name in servers}
    for server in servers.values():
        with client.connected(server.port, max(_CONNECTIONS)) as connections:
            client.requests_per_second(connections, requests, _WARM_UP)

    def load(name: str, server: Server) -> int:
        for count in _CONNECTIONS:
            with client.connected(server.port, count) as connections:
                measured[name].rps[count].append(client.requests_per_second(connections, requests, plan.block))
        return plan.block * len(_CONNECTIONS)

    with rounds.apart(started):
        for name, costs in rounds.measure(started, plan.rounds, load).items():
            measured[name].costs = costs
        for index in range(plan.paced):
            progress(f"paced {index + 1}/{plan.paced}, {plan.paced_block} requests each at {_RATE:.0f}/s")
            for name in random.sample(list(servers), len(servers)):
                with client.connected(servers[name].port, 1) as connections:
                    latencies = client.paced(connections[0], requests, plan.paced_block, _RATE)
                measured[name].latency_ms.append(latencies)
        rounds.rest(*servers.values())
    return measured


def _report(measured: dict[str, Measured], plan: Plan) -> tuple[dict[str, float], dict[str, float]]:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    cpu = {name: one.costs.per_request for name, one in measured.items()}
    rps = {count: {name: one.rps[count] for name, one in measured.items()} for count in _CONNECTIONS}
    latency = {name: np.concatenate(one.latency_ms).tolist() for name, one in measured.items()}
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    for name, one in measured.items():
        figures[f"cpu_us_per_request.{name}"] = quantile(cpu[name], 0.25)
        figures[f"cpu_us_per_request_mean.{name}"] = float(np.mean(cpu[name]))
        figures[f"idle_cpu_us_per_s.{name}"] = quantile(one.costs.idle_per_s, 0.5)
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
    return figures, ratios


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
                *(f"{quantile(one.costs.per_request, share):.0f}" for share in (0.25, 0.5, 0.75)),
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
