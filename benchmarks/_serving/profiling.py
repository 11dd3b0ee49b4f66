"""Shows where a worker's CPU time goes."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from _report import progress, table

from _serving import client
from _serving.fleet import fleet

__all__ = ["profile"]

_CONNECTIONS = 8
_SHOWN = 40
_IN_FULL = "bento_observe"  # the modules of this package are told apart


def profile(variant: str, requests: Sequence[bytes], count: int) -> None:
    """Load one variant with `count` requests over 8 connections; print its threads and most expensive functions.

    A function's own time holds that of the C functions it calls, its total time also that of the Python functions.
    """
    with tempfile.TemporaryDirectory(prefix="bento-observe-profile-") as directory:
        with fleet([variant], Path(directory)) as started:
            server = started.servers[variant]
            progress(f"sampling {count} requests to {variant}")
            began = server.processes.cpu_s()
            with client.connected(server.port, _CONNECTIONS) as connections:
                client.requests_per_second(connections, requests, count)
            used_us = (server.processes.cpu_s() - began) / count * 1e6
        samples = json.loads((Path(directory) / f"{variant}.json").read_text())
    threads = sorted(samples["threads"].items(), key=lambda item: -item[1])
    table(
        f"{variant}: {used_us:.0f} CPU us a request while sampled; threads since the start, in ms",
        ("thread", "CPU ms"),
        [(name, f"{ns / 1e6:.0f}") for name, ns in threads],
    )
    number = sum(own for _, own, _ in samples["functions"])
    us = used_us / max(number, 1)
    packages: Counter[str] = Counter()
    for module, own in samples["modules"].items():
        packages[module if module.startswith(_IN_FULL) else module.partition(".")[0]] += own
    table(
        f"{variant}: own time by package, us a request",
        ("package", "own"),
        [(package, f"{own * us:.1f}") for package, own in packages.most_common(_SHOWN)],
    )
    for title, column in (("own time", 1), ("total time", 2)):
        functions = sorted(samples["functions"], key=lambda function: -function[column])[:_SHOWN]
        table(
            f"{variant}: functions by {title}, us a request, of {number} samples",
            ("function", "own", "total"),
            [(name, f"{own * us:.1f}", f"{total * us:.1f}") for name, own, total in functions],
        )
