"""Observed and plain services of every way of serving: CPU time of all their processes, and throughput."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

from _report import table
from _serving import client, rounds, variants
from _serving.fleet import Fleet, fleet
from _serving.robust import paired_ratio, quantile
from _serving.server import Server
from _serving.surfaces import Surface

__all__ = ["compare"]

# BentoML's own metric, of services and of runners.
_BATCHES = re.compile(r"^bentoml_\w*adaptive_batch_size_(count|sum)\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """How long is measured: rounds, and the seconds that a block is meant to last in each."""

    rounds: int
    block_s: float
    warm_up_s: float


_FULL = Plan(rounds=12, block_s=2.0, warm_up_s=3.0)
_QUICK = Plan(rounds=2, block_s=0.7, warm_up_s=0.5)


@dataclass
class Measured:
    """One variant's measurements, one entry a round."""

    costs: rounds.Costs = field(default_factory=rounds.Costs)
    rps: list[float] = field(default_factory=list)
    made: int = 0
    requests_per_batch: float | None = None
    sent: dict[str, int] = field(default_factory=dict)


def compare(surface: Surface, names: Sequence[str], quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and ratios of these variants of one way of serving; prints a table."""
    with fleet(surface, names) as started:
        measured = _measure(surface, started, _QUICK if quick else _FULL)
    for name, sent in started.sent.items():
        measured[name].sent = sent
    return _report(surface, measured)


def _measure(surface: Surface, started: Fleet, plan: Plan) -> dict[str, Measured]:
    measured = {name: Measured(made=1) for name in started.servers}

    def load(name: str, server: Server, count: int) -> float:
        with client.connected(server.port, surface.connections) as connections:
            rps = client.requests_per_second(connections, surface.requests, count)
        measured[name].made += count
        return rps

    with rounds.apart(started):
        first = 2 * surface.connections
        slowest = min(load(name, server, first) for name, server in started.servers.items())
        for name, server in started.servers.items():
            load(name, server, _whole(surface, slowest * plan.warm_up_s))
        block = _whole(surface, slowest * plan.block_s)

        def block_of(name: str, server: Server) -> int:
            measured[name].rps.append(load(name, server, block))
            return block

        before = {name: _batches(server) for name, server in started.servers.items()}
        for name, costs in rounds.measure(started, plan.rounds, block_of).items():
            measured[name].costs = costs
        for name, server in started.servers.items():
            batches, requests = (now - then for now, then in zip(_batches(server), before[name], strict=True))
            measured[name].requests_per_batch = requests / batches if batches else None
    return measured


def _whole(surface: Surface, requests: float) -> int:
    return max(1, round(requests / surface.connections)) * surface.connections


def _batches(server: Server) -> tuple[float, float]:
    """How many batches there were, and of how many requests in all."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        values = _BATCHES.findall(answer.read().decode())
    count, total = (sum(float(value) for kind, value in values if kind == wanted) for wanted in ("count", "sum"))
    return count, total


def _report(surface: Surface, measured: dict[str, Measured]) -> tuple[dict[str, float], dict[str, float]]:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    cpu = {name: one.costs.per_request for name, one in measured.items()}
    rps = {name: one.rps for name, one in measured.items()}
    for name, one in measured.items():
        case = f"{surface.name}.{name}"
        figures[f"cpu_us_per_request.{case}"] = quantile(cpu[name], 0.25)
        figures[f"idle_cpu_us_per_s.{case}"] = quantile(one.costs.idle_per_s, 0.5)
        figures[f"requests_per_s.{case}"] = quantile(rps[name], 0.75)
        if one.requests_per_batch:
            figures[f"requests_per_batch.{case}"] = one.requests_per_batch
        for unit, number in one.sent.items():
            figures[f"sent_per_request.{unit}.{case}"] = number / one.made
        if name != variants.PLAIN and variants.PLAIN in measured:
            pair = f"{name}/{variants.PLAIN}.{surface.name}"
            ratios[pair] = paired_ratio(cpu, name, variants.PLAIN)
            ratios[f"rps.{pair}"] = paired_ratio(rps, name, variants.PLAIN)
    _table(surface, measured, figures, ratios)
    return figures, ratios


def _table(
    surface: Surface, measured: dict[str, Measured], figures: dict[str, float], ratios: dict[str, float]
) -> None:
    def over_plain(name: str, prefix: str = "") -> str:
        ratio = ratios.get(f"{prefix}{name}/{variants.PLAIN}.{surface.name}")
        return f"{ratio:.3f}" if ratio else "-"

    made = max(one.made for one in measured.values())
    table(
        f"{surface.name}: {surface.title}\n{made} requests over {surface.connections} connections",
        ("", "CPU us/request", "p50", "p75", "/plain", "idle us/s", "rps", "/plain", "a batch", "spans", "records",
         "values"),
        [
            (
                name,
                *(f"{quantile(one.costs.per_request, share):.0f}" for share in (0.25, 0.5, 0.75)),
                over_plain(name),
                f"{figures[f'idle_cpu_us_per_s.{surface.name}.{name}']:.0f}",
                f"{figures[f'requests_per_s.{surface.name}.{name}']:.0f}",
                over_plain(name, "rps."),
                f"{one.requests_per_batch:.1f}" if one.requests_per_batch else "-",
                *(f"{one.sent.get(unit, 0) / one.made:.2f}" for unit in ("spans", "records", "values")),
            )
            for name, one in measured.items()
        ],
    )  # fmt: skip
