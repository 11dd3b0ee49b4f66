"""`bento-observe logs`: log records from Elasticsearch, in the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console

from bento_observe.cli import _log_lines
from bento_observe.stack import Stack, StackError, compose_elasticsearch
from bento_observe.stack.logs import (
    ERRORS,
    LogRecord,
    follow_logs,
    of_service,
    of_trace,
    search_logs,
    slower_than,
    trace_id_of,
)

__all__ = ["command"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_USUAL_S = 3600.0
_LATE_NS = 10_000_000_000


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Seconds, written as `90s`, `10m`, `1h30m` or `2d`."""
    if value is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", value.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != value.strip().lower():
        raise click.BadParameter(f"{value!r} is no duration: write it as 10m, 2h or 1h30m", ctx, param)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _trace_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else trace_id_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command("logs")
@click.option("--trace", callback=_trace_id, metavar="ID", help="Of one trace, or of those whose id begins with ID.")
@click.option("--errors", is_flag=True, help="Of severity ERROR and above, and requests answered with 5xx.")
@click.option("--slow", type=click.FloatRange(0), metavar="SECONDS", help="Requests that took at least so long.")
@click.option("--service", metavar="NAME", help="Of one service.")
@click.option(
    "--since", callback=_duration, metavar="DURATION", help="How far back, as 10m or 2h.  [default: 1h; a trace: all]"
)
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 10_000), help="The newest so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record, with all its attributes.")
@click.option(
    "--url",
    envvar="ELASTICSEARCH_URL",
    metavar="URL",
    help="Elasticsearch, as http://user:password@host:9200.  [default: $ELASTICSEARCH_URL, else the running stack's]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where `stack up` keeps its state.  [default: bento-observe/stack in the user's data directory]",
)
def command(
    trace: str | None,
    errors: bool,
    slow: float | None,
    service: str | None,
    since: float | None,
    limit: int,
    follow: bool,
    as_json: bool,
    url: str | None,
    data_dir: Path | None,
) -> None:
    """Print log records from Elasticsearch, the newest last; what is asked for together has to hold together.

    Exit status: 0, even if there is no such record; 1 if Elasticsearch cannot be asked.
    """
    queries = [
        *([of_trace(trace)] if trace else []),
        *([ERRORS] if errors else []),
        *([slower_than(slow)] if slow is not None else []),
        *([of_service(service)] if service else []),
    ]
    try:
        address = (url or _running(data_dir)).rstrip("/")
        began = time.time_ns()
        seconds = since if since is not None else None if trace else _USUAL_S
        found = search_logs(address, queries, since_ns=_before(began, seconds), limit=limit)
        _print(found, as_json)
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(address, queries, began, {record.key for record in found}, as_json)
        elif not found:
            click.echo("no such records", err=True)
        elif len(found) == limit:
            click.echo(f"the newest {limit} records: --limit for more", err=True)
    except (StackError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # nobody reads on, which is click's to handle
            raise
        raise click.ClickException(str(error)) from error


def _running(data_dir: Path | None) -> str:
    found = Stack(data_dir=data_dir).address("elasticsearch")
    if found is None and data_dir is None:
        found = compose_elasticsearch()
    if found is None:
        raise StackError("no Elasticsearch runs here: `bento-observe stack up` starts one, --url names another")
    return found


def _follow(address: str, queries: Sequence[str], began_ns: int, printed: Set[str], as_json: bool) -> None:
    # From a little before: what was searchable too late for the first search is printed now, and nothing twice.
    for records, cut in follow_logs(address, queries, since_ns=began_ns - _LATE_NS):
        _print((record for record in records if record.key not in printed), as_json)
        if cut:
            click.echo("more came than can be shown", err=True)


def _before(now_ns: int, seconds: float | None) -> int | None:
    return None if seconds is None else max(0, now_ns - int(seconds * 1e9))


def _print(records: Iterable[LogRecord], as_json: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for record in records:
        if as_json:
            click.echo(_log_lines.as_json(record))
        else:
            for line in _log_lines.lines(record):
                console.print(line)
