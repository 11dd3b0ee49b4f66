"""`bento-observe dev`: the embedded receiver, alone or next to a command, and a look at what it received."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from bento_observe.cli import _dev_words as words
from bento_observe.dev import (
    DevError,
    DevReceiver,
    PortTakenError,
    ask,
    otlp_elsewhere,
    otlp_environment,
    run_command,
)
from bento_observe.dev.pictures import (
    category_bars,
    histogram_bars,
    read_categories,
    read_histograms,
    read_trace,
    waterfall,
)

__all__ = ["command"]

T = TypeVar("T")

_CHILD = "bento_observe.dev.child"
_NOT_FOUND = 127
_ONE_LINE = 100_000
_ALL_FEATURES = """
SELECT api, signal, feature, "count", missing, round(mean, 4) AS mean, round("min", 4) AS "min",
    round("max", 4) AS "max", round(psi, 3) AS psi, round(psi_critical, 3) AS critical
FROM features WHERE slice IS NULL AND ("count" > 0 OR missing > 0) ORDER BY ALL
"""
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Bytes, written as `512MB`, `1GiB` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise click.BadParameter(f"{value!r} is not a size: write it as 512MB or 1GiB", ctx, param)
    return int(float(match[1]) * unit)


class _DevGroup(click.Group):
    """A group that, without a subcommand, takes a command to run behind `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, child = args, list[str]()
        if "--" in args:
            at = args.index("--")
            if not any(argument in self.commands for argument in args[:at]):
                own, child = args[:at], args[at + 1 :]
        ctx.meta[_CHILD] = child
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS] [-- COMMAND ...]"]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            ctx.fail(f"{args[0]!r} is no subcommand; to run a command: bento-observe dev -- {' '.join(args)}")
        return super().resolve_command(ctx, args)


def _path(ctx: click.Context, db: Path | None) -> Path:
    """The database: --db of the subcommand, of the group, or the default, which is looked up only when needed."""
    if given := db or ctx.obj:
        return Path(given)
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise click.ClickException("this user has no home directory: set XDG_STATE_HOME or --db") from error
    return Path(home) / "bento-observe" / "dev.duckdb"


_db = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BENTO_OBSERVE_DEV_DB",
    help="The DuckDB file. Default: bento-observe/dev.duckdb in the user's state directory (XDG_STATE_HOME).",
)


@click.group("dev", cls=_DevGroup, invoke_without_command=True)
@_db
@click.option("--grpc-port", default=4317, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--http-port", default=4318, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--max-size", default="512MB", show_default=True, callback=_size, help="Beyond it the oldest rows go.")
@click.pass_context
def command(ctx: click.Context, db: Path | None, grpc_port: int, http_port: int, max_size: int) -> None:
    """Receive traces, metrics and logs on this machine, into a DuckDB file, with no other server.

    With a command behind `--`, such as `bento-observe dev -- bentoml serve service:Wine`, runs it, pointed here by the
    OTEL_EXPORTER_OTLP_* variables (unless they are set), and ends with its exit status.
    """
    ctx.obj = db
    if ctx.invoked_subcommand is not None:
        return
    child: list[str] = ctx.meta[_CHILD]
    path = _path(ctx, db)
    console = Console(stderr=True)
    # Telemetry can hold what users sent: the file, DuckDB's log beside it and directories made for them are private.
    umask = os.umask(0o077)
    ctx.call_on_close(partial(os.umask, umask))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        receiver = DevReceiver(
            path, grpc_port=grpc_port, http_port=http_port, otherwise_free=bool(child), max_bytes=max_size
        )
    except PortTakenError as error:
        option = "--grpc-port" if error.port == grpc_port else "--http-port"
        raise click.ClickException(f"{error} ({option})") from error
    except (DevError, OSError) as error:
        raise click.ClickException(str(error)) from error
    began = time.time_ns()
    status = 0
    with receiver:
        words.greet(console, receiver, path, max_size, wanted=(grpc_port, http_port))
        if child:
            status = _beside(receiver, child, console, umask)
        else:
            _until_stopped(receiver, path, console)
        try:
            words.summarize(console, receiver, path, began)
        except TimeoutError as error:
            console.print(f"What was received can't be told: {error}", style="red", highlight=False, soft_wrap=True)
    ctx.exit(status)


def _beside(receiver: DevReceiver, child: list[str], console: Console, umask: int) -> int:
    added = otlp_environment(os.environ, receiver.grpc_endpoint, receiver.http_endpoint)
    if elsewhere := otlp_elsewhere(os.environ):
        stay = "is set and stays" if len(elsewhere) == 1 else "are set and stay"
        console.print(f"{', '.join(elsewhere)} {stay}: that telemetry goes there.", style="yellow", soft_wrap=True)
    try:
        return run_command(child, added, umask=umask)
    except OSError as error:
        console.print(f"{child[0]} can't be started: {error.strerror or error}", style="red", highlight=False)
        return _NOT_FOUND


def _until_stopped(receiver: DevReceiver, path: Path, console: Console) -> None:
    stop = threading.Event()
    # nohup has SIGHUP ignored, so that the end of the terminal is not ours.
    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in ending}
    try:
        if not console.is_terminal:
            stop.wait()
            return
        with Live(console=console, auto_refresh=False, transient=True) as live:
            rates = words.Rates(receiver)
            while not stop.wait(1.0):
                live.update(Text(rates.line(path), style="dim"), refresh=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(ctx: click.Context, db: Path | None) -> Any:
    path = _path(ctx, db)
    return lambda sql, parameters=None: ask(path, sql, parameters).rows


@command.command("query")
@click.argument("sql")
@_db
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="Rows at most.")
@click.pass_context
def _query(ctx: click.Context, sql: str, db: Path | None, as_json: bool, limit: int) -> None:
    """Ask the database a SELECT, whether the receiver is running or not.

    Tables: spans, metric_points, logs. Views: requests, traces, errors, metric_latest, metric_totals, features.
    """
    try:
        answer = ask(_path(ctx, db), sql, limit=limit)
    except DevError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for row in answer.rows:
            click.echo(json.dumps(dict(zip(answer.columns, row, strict=True)), default=str))
    else:
        table = Table(*(Column(Text(name), overflow="fold") for name in answer.columns), box=SIMPLE_HEAD)
        for row in answer.rows:
            table.add_row(*(Text(words.shown(value)) for value in row))
        # Into a file or a pipe each row is one line, however long.
        Console(width=None if sys.stdout.isatty() else _ONE_LINE).print(table)
    if answer.truncated:
        click.echo(f"only the first {len(answer.rows)} rows: --limit for more", err=True)


@command.command("trace")
@click.argument("trace_id", required=False)
@_db
@click.pass_context
def _trace(ctx: click.Context, trace_id: str | None, db: Path | None) -> None:
    """Draw a trace as a waterfall: the last one, or the one whose id begins with TRACE_ID."""
    try:
        full_id, spans = read_trace(_answers(ctx, db), trace_id)
    except (DevError, LookupError) as error:
        raise click.ClickException(str(error)) from error
    Console().print(waterfall(spans, title=f"trace {full_id}"))


@command.command("features")
@click.argument("name", required=False)
@_db
@click.option("--signal", help="input, feature, prediction or label. Default: the one last seen.")
@click.option("--minutes", type=float, help="Compare the last MINUTES with what was before. Default: half and half.")
@click.pass_context
def _features(ctx: click.Context, name: str | None, db: Path | None, signal: str | None, minutes: float | None) -> None:
    """List the features that were seen, or draw the values of one, earlier and later ones side by side.

    In the list `psi` is the distance from the training data of the worker that moved most, and drift where it is above
    `critical`; empty where there is no reference or not enough data. The view `features` has more columns, and slices.
    """
    if name is None:
        ctx.invoke(_query, sql=_ALL_FEATURES, db=db, as_json=False, limit=1000)
        return
    split = None if minutes is None else time.time_ns() - int(minutes * 60e9)
    try:
        picture = _picture(_answers(ctx, db), name, signal, split)
    except (DevError, LookupError) as error:
        raise click.ClickException(str(error)) from error
    Console().print(picture)


def _picture(answers: Any, name: str, signal: str | None, split: int | None) -> RenderableType:
    try:
        histograms = read_histograms(answers, name, signal=signal, split_ns=split)
    except LookupError:
        categories = read_categories(answers, name, signal=signal, split_ns=split)
        return category_bars(name, *_filled(categories, lambda counts: sum(counts.values())))
    return histogram_bars(name, *_filled(histograms, lambda buckets: buckets.total))


def _filled(sides: tuple[T, T], total: Callable[[T], float]) -> Sequence[T]:
    """Both sides, or the one that holds anything."""
    return sides if all(total(side) > 0 for side in sides) else [max(sides, key=total)]
