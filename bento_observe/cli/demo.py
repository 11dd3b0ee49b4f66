"""`bento-observe demo`: the example service under traffic, and what of it has arrived."""

from __future__ import annotations

import signal

import click

from bento_observe.demo import DemoError, Plan, Screen, demonstrate
from bento_observe.dev import DevError

__all__ = ["command"]

_INTERRUPTED = 130


@click.command("demo")
@click.option("--stack", is_flag=True, help="On the real servers (Collector, Jaeger, Prometheus, Elasticsearch).")
@click.option("--exit", "leave", is_flag=True, help="Stop everything after the pictures instead of staying up.")
@click.option("--rate", default=100.0, show_default=True, type=click.FloatRange(1, 10_000), help="Requests a second.")
@click.option("--duration", default=15.0, show_default=True, type=click.FloatRange(1, 86_400), help="Seconds.")
@click.option("--clients", default=8, show_default=True, type=click.IntRange(1, 256), help="Connections at once.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="The service's port.  [default: any free one]")
@click.pass_context
def command(
    ctx: click.Context, stack: bool, leave: bool, rate: float, duration: float, clients: int, port: int
) -> None:
    """Serve the example with two workers, send it traffic, and compare what was sent with what has arrived.

    Exit status: 0 if every count is equal, 1 if one differs or something failed, 130 if interrupted before the end.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts what is in its background deaf to it
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # the terminal is closed; not under nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    plan = Plan(real_servers=stack, stay=not leave, rate=rate, duration=duration, clients=clients, port=port)
    try:
        equal = demonstrate(plan, Screen())
    except (DemoError, DevError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted; everything is stopped.", err=True)
        ctx.exit(_INTERRUPTED)
    ctx.exit(0 if equal else 1)
