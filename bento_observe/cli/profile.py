"""`bento-observe profile`: training data in a file summed up, as a reference for serving."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bento_observe.features._types import MAX_NAME_LENGTH
from bento_observe.features.reference import FeatureReference, NumericReference, Reference
from bento_observe.features.reference._losses import FIT
from bento_observe.features.reference._model_store import path_in_model

__all__ = ["command"]

_CATEGORIES_SHOWN = 3
_LONGEST = 40
_PIPED_WIDTH = 1000  # as wide as a table can get: programs read lines


@click.command("profile")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write, JSON.")
@click.option("--prediction", "predictions", multiple=True, metavar="COL", help="What the model predicts.")
@click.option("--label", "labels", multiple=True, metavar="COL", help="The truth.")
@click.option("--slice", "slices", multiple=True, metavar="COL", help="Repeat all for each of its frequent values.")
@click.option("--drop", "drops", multiple=True, metavar="COL", help="No input of the model.")
@click.option(
    "--loss-model",
    type=click.Choice([FIT]),
    help="Of a regression: fit a tree that tells how far off it is, so that its error can be estimated.",
)
@click.option("--model", "tag", metavar="TAG", help="Put it into this model's folder in BentoML's model store.")
def command(
    data: Path,
    output: Path | None,
    predictions: tuple[str, ...],
    labels: tuple[str, ...],
    slices: tuple[str, ...],
    drops: tuple[str, ...],
    loss_model: str | None,
    tag: str | None,
) -> None:
    """Sum up training DATA (.parquet, .csv or .tsv, or one of these two and .gz), to compare serving with.

    All columns are inputs but those of --prediction, --label and --drop; each of these, and --slice, can be given
    several times. Several --prediction columns can be class probabilities, and a lone one that of the second of two
    classes; with a --label they are calibrated, so that performance can be estimated while labels are not there: they
    must be of rows that the model was not trained on. The file may be larger than memory.
    """
    if output is None and tag is None:
        raise click.UsageError("say where the reference goes: -o FILE, --model TAG, or both")
    for stream in (sys.stdout, sys.stderr):  # where a name cannot be shown as it is, something else is
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        # Before hours of reading.
        if output is not None:
            _check(output, data)
        if tag is not None:
            _check(path_in_model(tag), data)
        with _progress() as bar:
            reference = Reference.from_file(
                data,
                prediction=predictions,
                label=labels,
                slices=slices,
                drop=drops,
                loss_model=loss_model,
                progress=bar,
            )
        if output is not None:
            reference.save(output)
        if tag is not None:
            reference.save_with(tag)
    except OSError as error:
        raise click.ClickException(f"{error.filename or output}: {error.strerror or error}") from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    _show(reference, Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH))
    if output is not None:
        click.echo(f"Written to {output}.")
    if tag is not None:
        click.echo(f"Put next to the model {tag}.")


def _check(output: Path, data: Path) -> None:
    """Raises OSError where nothing can be written to `output`, or it would replace `data`."""
    target = Path(os.path.realpath(output))  # what is there is replaced, so that its directory is written to
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no directory {target.parent}", str(output))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"the directory {target.parent} cannot be written to", str(output))
    if target.exists() and not target.is_file():
        raise FileExistsError(errno.EEXIST, "is not a regular file", str(output))
    if target.exists() and data.exists() and target.samefile(data):
        raise FileExistsError(errno.EEXIST, "is the training data", str(output))


class _Bar:
    """A bar that begins anew with each pass over the file."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._task = shown.add_task("reading", total=1.0)
        self._pass = 0

    def __call__(self, number: int, done: float) -> None:
        if number != self._pass:
            self._pass = number
            self._shown.reset(self._task, description=f"reading, pass {number}")
        self._shown.update(self._task, completed=done)


@contextmanager
def _progress() -> Iterator[_Bar]:
    console = Console(stderr=True)
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=console, transient=True, disable=not console.is_terminal) as shown:
        yield _Bar(shown)


def _show(reference: Reference, console: Console) -> None:
    table = Table("signal", box=SIMPLE_HEAD)
    table.add_column("feature", overflow="fold", no_wrap=not console.is_terminal)
    table.add_column("kind")
    for heading in ("missing", "distinct", "buckets"):
        table.add_column(heading, justify="right")
    table.add_column("range or categories", overflow="fold")
    for name, signal in reference.signals.items():
        for feature, one in signal.features.items():
            table.add_row(
                name, _text(feature, MAX_NAME_LENGTH), one.kind, *_numbers(one, reference.rows), _text(_content(one))
            )
    console.print(table)
    for signal in reference.signals.values():
        if (calibration := signal.calibration) is not None:
            told = ", ".join(f"{metric} {value:.3f}" for metric, value in calibration.measured.items())
            console.print(f"calibrated on {calibration.rows:,} predictions with labels: {told}", soft_wrap=True)
    for signal in reference.signals.values():
        if (tree := signal.losses) is not None:
            absolute, squared, *_ = tree.sums(tree.rows)
            told = f"mae {absolute / tree.total:.4g}, rmse {math.sqrt(squared / tree.total):.4g}"
            by = ", ".join(map(_short, tree.splits.columns)) or "nothing"
            line = f"error of {tree.total:,} predictions with labels: {told}; told by {by}"
            console.print(_text(line, longest=None), soft_wrap=True)
    for column, values in reference.slices.items():
        console.print(_text(f"sliced by {column}: {', '.join(map(_short, values))}", longest=None), soft_wrap=True)
    for column, why in reference.skipped.items():
        console.print(_text(f"left out {_short(column)}: {why}", longest=None), style="yellow", soft_wrap=True)
    console.print(f"{reference.rows:,} rows, reference {reference.id}", soft_wrap=True)


def _numbers(one: FeatureReference, rows: int) -> tuple[str, str, str]:
    missing = f"{one.missing / rows:.1%}" if one.missing else ""
    if not isinstance(one, NumericReference):
        return missing, f"{one.distinct:,}{'+' if one.kind == 'high_cardinality' else ''}", ""
    return missing, "many" if one.distinct is None else str(one.distinct), str(one.edges.size - 1)


def _content(one: FeatureReference) -> str:
    if isinstance(one, NumericReference):
        infinite = f", {one.non_finite:,} not finite" if one.non_finite else ""
        return (f"{one.min:.6g}" if one.min == one.max else f"{one.min:.6g} .. {one.max:.6g}") + infinite
    shown = [_short(name) for name in list(one.categories)[:_CATEGORIES_SHOWN]]
    return ", ".join(shown) + (", ..." if one.distinct > len(shown) else "")


def _short(text: str) -> str:
    """Text of the data, without what a terminal would obey and not longer than a column."""
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 3]}..."


def _text(text: str, longest: int | None = 3 * _LONGEST) -> Text:
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return Text(clean if longest is None else clean[:longest])
