"""Shows where a worker's CPU time goes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _report import progress, table

from _serving import client
from _serving.fleet import fleet

__all__ = ["profile"]

_SHOWN = 40


def profile(variant: str, requests: Sequence[bytes], count: int) -> None:
    """Load one variant with `count` requests over one connection and print its threads and most expensive functions.

    Own time is a function's own and that of the C functions it calls; total time includes what it calls in Python.
    The sampling itself makes everything slower, so only shares count.
    """
    with tempfile.TemporaryDirectory(prefix="bento-observe-profile-") as directory:
        with fleet([variant], Path(directory)) as started:
            progress(f"sampling {count} requests to {variant}")
            with client.connected(started.servers[variant].port, 1) as connections:
                client.requests_per_second(connections, requests, count)
        samples = json.loads((Path(directory) / f"{variant}.json").read_text())
    whole = sum(samples["threads"].values())

    def row(name: str, *nanoseconds: int) -> list[str]:
        return [name, *(text for ns in nanoseconds for text in (f"{ns / count / 1000:.1f}", f"{ns / whole:.1%}"))]

    threads = sorted(samples["threads"].items(), key=lambda item: -item[1])
    table(f"{variant}: threads", ("thread", "us/request", "share"), [row(*thread) for thread in threads])
    for title, column in (("own time", 1), ("total time", 2)):
        functions = sorted(samples["functions"], key=lambda function: -function[column])[:_SHOWN]
        table(
            f"{variant}: functions by {title}",
            ("function", "own us/request", "own", "total us/request", "total"),
            [row(*function) for function in functions],
        )
