"""`bento-observe stack`: the real servers on this machine."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bento_observe.stack import (
    Stack,
    StackError,
    compose_command,
    env_file,
    missing_tools,
    prune_logs,
    write_passwords,
)

_NOT_RUNNING = 3  # as `systemctl status` has it

_console = Console(highlight=False, soft_wrap=True)

_cache_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the built servers are kept.  [default: $BENTO_OBSERVE_CACHE, else in the user's cache directory]",
)
_data_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where data, logs and state are kept.  [default: bento-observe/stack in the user's data directory]",
)


def _errors_told(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except StackError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:  # nobody reads on, which is click's to handle
            raise
        except OSError as error:  # a directory that cannot be made, written or read
            raise click.ClickException(str(error)) from error

    return wrapper


@click.group(name="stack")
def command() -> None:
    """Run Collector, Jaeger, Prometheus and Elasticsearch on this machine, without Docker."""


@command.command()
@_cache_option
@_data_option
@_errors_told
def up(cache_dir: Path | None, data_dir: Path | None) -> None:
    """Build what is missing (once), start the servers, return when they are ready.

    They listen on loopback only and keep running until `stack down`. Their data is kept: traces for a week, metrics for
    15 days, logs as long: this command deletes older ones, and so does `stack prune`.
    """
    # Ended from outside, it stops what it has begun, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if missing_tools(cache_dir) and (compose := compose_command()):
        _say(f"A container engine runs here; the same stack without building: {compose}")
    running = Stack(cache_dir=cache_dir, data_dir=data_dir).up(progress=_say)
    _say(f"OTLP           {running.otlp_grpc} (grpc), {running.otlp_http} (http/protobuf)")
    _say(f"Jaeger         {running.jaeger}")
    _say(f"Prometheus     {running.prometheus}")
    _say(f"Elasticsearch  {running.elasticsearch}")


@command.command()
@_data_option
@_errors_told
def down(data_dir: Path | None) -> None:
    """Stop the servers that `stack up` started; their data is kept."""
    if not Stack(data_dir=data_dir).down(progress=_say):
        _say("nothing is running")


@command.command()
@_data_option
@_errors_told
def prune(data_dir: Path | None) -> None:
    """Delete logs that are older than 15 days; for a stack that is never stopped, once a day.

    Elasticsearch's own distribution does it by itself. The node that `stack up` builds has no such service.
    """
    url = Stack(data_dir=data_dir).address("elasticsearch")
    if url is None:
        raise StackError("no Elasticsearch runs here; `bento-observe stack up` starts one")
    pruned = prune_logs(url)
    for index in pruned.deleted:
        _say(f"deleted {index}")
    _say(f"{len(pruned.deleted)} deleted, {pruned.kept} kept")


@command.command()
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file.  [default: .env beside docker-compose.yaml, where compose looks for it]",
)
@_errors_told
def env(file: Path | None) -> None:
    """Make the passwords for docker-compose.yaml, into a file that only you can read.

    What stands there already stays: the servers keep the passwords that they were first started with.
    """
    path = file or env_file()
    added = write_passwords(path)
    _say(f"{path}: {', '.join(added)}" if added else f"{path} has all passwords already")


@command.command()
@_cache_option
@_data_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array instead of a table.")
@click.pass_context
@_errors_told
def status(context: click.Context, cache_dir: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show each server's version, health, URL and memory.

    Exit status: 0 if all are healthy, 1 if one is not, 3 if nothing is running.
    """
    servers = Stack(cache_dir=cache_dir, data_dir=data_dir).status()
    if as_json:
        click.echo(json.dumps([asdict(server) for server in servers]))
    elif not servers:
        _say("nothing is running")
    else:
        table = Table("server", "version", "health", "URL", "pid", "memory")
        for server in servers:
            health = "[green]healthy[/]" if server.healthy else "[red]unhealthy[/]" if server.pid else "[red]stopped[/]"
            memory = f"{server.memory / 2**20:.0f} MiB" if server.pid else ""
            table.add_row(server.name, server.version, health, server.url, str(server.pid or ""), memory)
        _console.print(table)
    if not servers:
        context.exit(_NOT_RUNNING)
    if not all(server.healthy for server in servers):
        context.exit(1)


def _say(line: str) -> None:
    _console.print(line, markup=False)
