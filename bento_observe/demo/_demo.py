"""The demonstration from beginning to end."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.text import Text

from bento_observe.demo._backend import Backend
from bento_observe.demo._comparison import Line, await_arrival, compare
from bento_observe.demo._drift import drift_lines
from bento_observe.demo._example import SERVICE, Example
from bento_observe.demo._paths import shown
from bento_observe.demo._screen import Screen
from bento_observe.demo._service import free_port, serving
from bento_observe.demo._traffic import Sent, send
from bento_observe.dev.pictures import histogram_bars, waterfall

__all__ = ["Plan", "demonstrate"]

_TARGET: Final = f"service_example.service:{SERVICE}"
_DRIFTED: Final = "alcohol"
_ARRIVAL_TIMEOUT_SECONDS: Final = 30.0
_METRIC_INTERVAL_SECONDS: Final = 0.5
"""Short, so that little of what was counted before the drift is only told after it."""


@dataclass(frozen=True)
class Plan:
    """What to show: on the real servers or the embedded receiver, under how much traffic, and whether to stay.

    `rate` is in requests a second, `duration` in seconds, `clients` the number of connections; a `port` of 0 is any
    free one.
    """

    real_servers: bool = False
    stay: bool = True
    rate: float = 100.0
    duration: float = 15.0
    clients: int = 8
    port: int = 0


def demonstrate(plan: Plan, screen: Screen) -> bool:
    """Train, serve, send, read back, show; with `plan.stay` until interrupted. Returns whether every count is equal.

    Whatever was started is stopped at the end, also when it is interrupted before.

    Raises:
        DemoError: if a part of it cannot be had or fails.
        DevError: if the embedded receiver can't run.
    """
    example = Example()
    screen.title("A wine classifier under traffic, observed by one decorator.")
    with ExitStack() as until_the_end:
        until_the_end.enter_context(example.alone())
        port = free_port(plan.port)
        with screen.step("servers" if plan.real_servers else "receiver") as step:
            environment = f"demo-{secrets.token_hex(4)}"
            backend: Backend
            if plan.real_servers:
                from bento_observe.demo._servers import Servers

                backend = until_the_end.enter_context(Servers.running(environment, step.note))
            else:
                from bento_observe.demo._embedded import Embedded  # needs the extra [dev]

                backend = until_the_end.enter_context(Embedded.running(example.home / "telemetry.duckdb"))
            step.result = backend.description
        with screen.step("model") as step:
            step.now("is trained unless it is there already")
            step.result = example.train()
        log = example.home / "service.log"
        with screen.step("service") as step:
            variables = example.environment(_otlp(backend.endpoint, environment))
            step.now("bentoml serve")
            url = until_the_end.enter_context(
                serving(_TARGET, directory=example.root, environment=variables, port=port, log=log)
            )
            step.result = f"{SERVICE}, 2 workers, at {url}"
        sent = _send(plan, example, url, screen)
        lines = _read_back(backend, sent, screen)
        _show(backend, sent, lines, screen)
        if plan.stay:
            _stay(backend, url, log, screen)
    return all(line.equal for line in lines)


def _otlp(endpoint: str, environment: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": f"{_METRIC_INTERVAL_SECONDS * 1000:.0f}",
        # Tells this run from others in servers that keep their data.
        "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name={environment}",
    }


def _send(plan: Plan, example: Example, url: str, screen: Screen) -> Sent:
    with screen.step("traffic") as step:
        step.now("starts")
        sent = send(
            example, url, rate=plan.rate, duration=plan.duration, clients=plan.clients,
            progress=lambda done: step.now(f"{done:,} requests answered"),
        )  # fmt: skip
        step.result = (
            f"{sent.sent:,} requests from {plan.clients} clients, {sent.statuses.get('400', 0):,} refused (400), "
            f"{sent.statuses.get('500', 0):,} failed (500), {sent.labelled:,} labels"
        )
        return sent


def _read_back(backend: Backend, sent: Sent, screen: Screen) -> list[Line]:
    with screen.step("arrival") as step:
        step.now("waits for the counts")
        await_arrival(
            backend, sent, timeout=_ARRIVAL_TIMEOUT_SECONDS, settle=2 * _METRIC_INTERVAL_SECONDS,
            progress=lambda complete, of: step.now(f"{complete} of {of} counts are complete"),
        )  # fmt: skip
        step.result = "read back while the service is still running"
        return compare(backend, sent)


def _show(backend: Backend, sent: Sent, lines: Sequence[Line], screen: Screen) -> None:
    screen.comparison(lines)
    try:
        trace_id, bars = backend.typical_trace()
        screen.picture("One request of many", waterfall(bars, title=f"trace {trace_id}"))
        if sent.drifted_at_ns is not None:
            before, after = backend.histograms(_DRIFTED, sent.drifted_at_ns)
            screen.picture("One feature, before and after the drift", histogram_bars(_DRIFTED, before, after))
            screen.drift(drift_lines(backend, sent.drifted_at_ns))
    except LookupError as error:
        screen.console.print(Text(f"No picture: {error}", style="red"))
    screen.verdict(lines)


def _stay(backend: Backend, url: str, log: Path, screen: Screen) -> None:
    """Until Ctrl-C."""
    screen.places(
        "Still running; Ctrl-C stops it",
        (("the service", f"{url} (in a browser: its APIs, to try)"), *backend.places, ("its log", shown(log))),
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        screen.console.print("Stopping.")
