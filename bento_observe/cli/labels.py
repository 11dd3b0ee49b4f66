"""`bento-observe labels`: labels in a file sent to a service."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import urllib3
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bento_observe.cli._label_files import KINDS, Noted, chunks

__all__ = ["command"]

_ENDPOINT = "/observe/labels"
_TRIES = 6
_AGAIN = (429, 500, 502, 503, 504)
_MATCHED, _DUPLICATE = "matched", "duplicate"
_HEADERS = "BENTO_OBSERVE_LABEL_HEADERS"


@click.command("labels")
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="The service, with its path prefix.")
@click.option("--id", "id_column", default="id", show_default=True, metavar="COL", help="The ids of predictions.")
@click.option("--label", "label_column", default="label", show_default=True, metavar="COL", help="The truth.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help=f"A header, as for a middleware that authenticates; {_HEADERS} has them one a line.",
)
@click.option("--restart", is_flag=True, help="From the first row, whatever has been sent before.")
def command(data: Path, url: str, id_column: str, label_column: str, headers: tuple[str, ...], restart: bool) -> None:
    """Send the labels in DATA (.parquet, .csv, .tsv or .jsonl) to a service that is observed with labels=True.

    How far it came is noted in DATA.sent: interrupted, the same command goes on from there. What is sent twice all the
    same counts once. The exit status is 1 if labels were refused for another reason than that.
    """
    if data.suffix not in KINDS:
        raise click.UsageError(f"{data}: its name ends in none of {', '.join(KINDS)}")
    url = url.rstrip("/")
    sent = _headers(headers)
    noted = Noted(data, url)
    skipped = 0 if restart else noted.rows
    found: Counter[str] = Counter()
    row = 0
    try:
        with _progress() as advance:
            for ids, labels, share in chunks(data, id_column, label_column):
                row += len(ids)
                if row > skipped:
                    left = min(len(ids), row - skipped)
                    found.update(_sent(url, sent, ids[-left:], labels[-left:]))
                    noted.write(row)
                advance(share)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{data}: {error}{_where(noted.rows)}") from error
    except KeyboardInterrupt:
        raise click.ClickException(f"interrupted{_where(noted.rows)}") from None
    _tell(found, skipped)
    if set(found) - {_MATCHED, _DUPLICATE}:
        raise click.exceptions.Exit(1)


def _where(rows: int) -> str:
    return f"; {rows:,} rows are sent, the same command goes on from there" if rows else ""


def _tell(found: Counter[str], skipped: int) -> None:
    if skipped:
        click.echo(f"{skipped:,} rows had been sent before.")
    click.echo(f"{found[_MATCHED]:,} labels matched.")
    for reason, count in found.most_common():
        if reason != _MATCHED:
            click.echo(f"{count:,} refused: {reason}")


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """Those of the command line, else of the environment; of bad ones only the name is shown.

    Raises:
        click.UsageError: one has no name, or no value.
    """
    found = {"content-type": "application/json"}
    for line in given or os.environ.get(_HEADERS, "").splitlines():
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not name or not colon or not value.isprintable():
            raise click.UsageError(f"--header {name[:40]!r}: write it as NAME:VALUE")
        found[name.lower()] = value
    return found


def _sent(url: str, headers: dict[str, str], ids: list[Any], labels: list[Any]) -> Counter[str]:
    """What became of some labels, tried again while the service is busy or away.

    Raises:
        OSError: it stays so.
        ValueError: the service takes no labels, or these are none.
    """
    body = json.dumps({"ids": ids, "labels": labels}, default=str).encode()
    pause, before = 0.25, 0
    for attempt in range(1, _TRIES + 1):
        try:
            answer = urllib3.request("POST", f"{url}{_ENDPOINT}", body=body, headers=headers, retries=False)
            if answer.status in (200, 422):
                told = answer.json()
                found = Counter({_MATCHED: int(told[_MATCHED]), **told["refused"]})
                # Those that an earlier answer told as matched, when the others had to be sent again.
                return found - Counter({_DUPLICATE: before}) + Counter({_MATCHED: before})
            if answer.status in (401, 403):
                raise ValueError(f"{url} answers {answer.status}: give what it wants to see with --header")
            if answer.status == 404:
                raise ValueError(f"{url} takes no labels: observe the service with labels=True")
            if answer.status not in _AGAIN:
                raise ValueError(f"{url} answers {answer.status}: {answer.data[:200].decode(errors='replace')}")
            before += _matched(answer.data)
            fault = f"answers {answer.status}"
        except urllib3.exceptions.HTTPError as error:
            fault = str(error)
        if attempt < _TRIES:
            time.sleep(pause)
            pause *= 2
    raise OSError(f"{url}: {fault}")


def _matched(body: bytes) -> int:
    try:
        return int(json.loads(body)[_MATCHED])
    except (ValueError, TypeError, KeyError):
        return 0


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    console = Console(stderr=True)
    parts = (TextColumn("sending"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("sending", total=1.0)
        yield lambda share: shown.update(task, completed=share)
