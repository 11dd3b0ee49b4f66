"""`bento-observe run`: BentoML's services observed without a change to their code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bento_observe import _label_keys, settings

__all__ = ["command"]

_BOOTSTRAP = Path(__file__).parents[1] / "_bootstrap"
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127  # as a shell has them


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", metavar="-- COMMAND ...", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run a command, and observe every BentoML service that it serves.

    For example `bento-observe run -- bentoml serve service:Wine`, or a built bento: `-- bentoml serve wine:latest`. All
    services in all processes are observed as with `@observe`, whose arguments may be given as BENTO_OBSERVE_REFERENCE,
    BENTO_OBSERVE_SLICES and BENTO_OBSERVE_SLICE_VALUES; those that are decorated stay as they are. Client libraries
    whose OpenTelemetry instrumentations are installed are instrumented too, except those that
    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names.

    The command takes the place of this one: signals and exit status are its own.
    """
    if not arguments:
        raise click.UsageError("there is no command to run; write: bento-observe run -- bentoml serve service:Name")
    environment = dict(os.environ)
    if not settings.disabled():
        for problem in settings.from_environment().problems:
            click.echo(f"bento-observe: {problem}", err=True)
        _prepare(environment)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606
    except OSError as error:
        click.echo(f"bento-observe run: {arguments[0]}: {error.strerror or error}", err=True)
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        sys.exit(_NOT_FOUND if missing else _NOT_EXECUTABLE)


def _prepare(environment: dict[str, str]) -> None:
    """What makes every Python process under the command look for BentoML, see `_bootstrap/sitecustomize.py`."""
    entries = [str(_BOOTSTRAP), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    _label_keys.generate(environment)
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(entries))
    reference = environment.get("BENTO_OBSERVE_REFERENCE", "")
    if reference and os.path.exists(reference):
        # The workers of a built bento have another working directory.
        environment["BENTO_OBSERVE_REFERENCE"] = os.path.abspath(reference)
