"""`bento-observe doctor`: what is right with an installation and a service, what is not, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click

from bento_observe import settings
from bento_observe.doctor import (
    Finding,
    Level,
    check_endpoints,
    check_environment,
    check_installation,
    check_predictions,
    check_service,
)

__all__ = ["command"]

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


@click.command("doctor")
@click.argument("service", required=False)
def command(service: str | None) -> None:
    """Check the installation, the settings and the endpoints, and SERVICE, named as for `bentoml serve`.

    One line for each thing that was looked at; the exit status is 1 if there is a problem.
    """
    counted = dict.fromkeys(Level, 0)
    for finding in _findings(service):
        counted[finding.level] += 1
        level = click.style(f"{finding.level.value:<8}", fg=_COLOURS[finding.level], bold=finding.level != Level.OK)
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        click.echo(f"{level} {finding.subject}: {finding.text}{remedy}")
    click.echo(f"{counted[Level.PROBLEM]} problems, {counted[Level.WARNING]} warnings")
    sys.exit(1 if counted[Level.PROBLEM] else 0)


def _findings(service: str | None) -> Iterator[Finding]:
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # looking is no use
    found = settings.from_environment()
    yield from check_installation()
    yield from check_environment(found)
    yield from check_endpoints(found)
    yield from check_predictions(found)
    if service is not None:
        yield from check_service(service, found)
