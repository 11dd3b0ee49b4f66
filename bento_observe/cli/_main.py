"""The `bento-observe` group: names its commands without importing what they need."""

from __future__ import annotations

import importlib

import click

from bento_observe._version import __version__

# command -> module that defines it as `command`
_COMMANDS = {
    "demo": "bento_observe.cli.demo",
    "dev": "bento_observe.cli.dev",
    "doctor": "bento_observe.cli.doctor",
    "labels": "bento_observe.cli.labels",
    "logs": "bento_observe.cli.logs",
    "profile": "bento_observe.cli.profile",
    "run": "bento_observe.cli.run",
    "stack": "bento_observe.cli.stack",
}


class _LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bento-observe")
def main() -> None:
    """OpenTelemetry traces, metrics, logs and feature statistics for BentoML services."""
