"""What `bento-observe dev` says: at the start, while it runs, at the end."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bento_observe.dev import DevReceiver

__all__ = ["Rates", "greet", "shown", "summarize"]

_SUMMARY: Final = """
SELECT
    (SELECT count(*) FROM requests WHERE start_ns >= $began),
    (SELECT count(*) FROM requests WHERE start_ns >= $began AND status >= 500),
    (SELECT count(*) FROM metric_latest WHERE time_ns >= $began)
"""


def greet(console: Console, receiver: DevReceiver, path: Path, max_bytes: int, *, wanted: tuple[int, int]) -> None:
    """Two lines on what this is and what the real servers add; one more where a port isn't the one asked for."""
    console.print(
        f"[bold]bento-observe dev[/]: OTLP over gRPC at {_at(receiver.grpc_endpoint)} and HTTP at "
        f"{_at(receiver.http_endpoint)}, this machine only, into {_short(path)} (at most {max_bytes / 1e6:,.0f} MB).",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        "A development tool. Dashboards, alerts, search and long retention come with the real servers: "
        "bento-observe stack up",
        highlight=False,
        soft_wrap=True,
    )
    got = (int(receiver.grpc_endpoint.rpartition(":")[2]), int(receiver.http_endpoint.rpartition(":")[2]))
    for asked, port in zip(wanted, got, strict=True):
        if asked not in (0, port):
            console.print(f"Port {asked} is taken: {port} instead.", style="yellow", highlight=False)


def summarize(console: Console, receiver: DevReceiver, path: Path, began_ns: int) -> None:
    """One screen: what arrived since `began_ns`, where it is, and how to look at it."""
    counts = receiver.counts()
    requests, failed, series = receiver.query(_SUMMARY, {"began": began_ns})[0]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("requests", f"{requests:,}", f"{failed:,} with a 5xx status" if failed else "")
    table.add_row("spans", f"{counts.spans:,}", "")
    table.add_row("log records", f"{counts.logs:,}", "")
    table.add_row("metric series", f"{series:,}", f"{counts.metric_points:,} points")
    for label, count, note in (
        ("pruned", counts.pruned, "oldest rows, for space: --max-size"),
        ("refused", counts.refused, "export requests, the queue was full"),
        ("failed", counts.failed, "export requests that could not be stored"),
    ):
        if count:
            table.add_row(label, f"{count:,}", note)
    console.print()
    console.print("[bold]Received[/]", highlight=False)
    console.print(table)
    option = f" --db {shlex.quote(str(path))}"
    console.print(f"\nKept in {_short(path)}. To look at it:", highlight=False, soft_wrap=True)
    for what in ("trace", "features", 'query "select * from requests limit 10"'):
        console.print(f"  bento-observe dev {what}{option}", highlight=False, markup=False, soft_wrap=True)


class Rates:
    """The live line: totals, and how fast they grow."""

    def __init__(self, receiver: DevReceiver) -> None:
        self._receiver = receiver
        self._last = (time.monotonic(), 0, 0, 0)

    def line(self, path: Path) -> str:
        """What has arrived, what arrives a second since the last call, and the size of the file; or what is wrong."""
        try:
            counts = self._receiver.counts()
        except TimeoutError as error:
            return f"{error} · Ctrl-C stops"
        now = (time.monotonic(), counts.spans, counts.metric_points, counts.logs)
        seconds = max(now[0] - self._last[0], 1e-3)
        parts = [
            f"{total:,} {what} ({(total - before) / seconds:,.0f}/s)"
            for what, total, before in zip(("spans", "points", "logs"), now[1:], self._last[1:], strict=True)
        ]
        self._last = now
        try:
            parts.append(f"{path.stat().st_size / 1e6:,.1f} MB")
        except FileNotFoundError:
            parts.append(f"{path} was removed")
        if counts.pruned:
            parts.append(f"{counts.pruned:,} oldest rows pruned")
        return " · ".join([*parts, "Ctrl-C stops"])


def shown(value: object) -> str:
    """A value of a query's answer in a table."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _at(endpoint: str) -> str:
    return endpoint.removeprefix("http://")


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (RuntimeError, ValueError):  # there is no home, or the path is not below it
        return str(path)
