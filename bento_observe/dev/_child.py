"""Running a command next to the receiver: pointed at it by environment, with signals and exit status passed through."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

from bento_observe.settings import SIGNALS

__all__ = ["otlp_elsewhere", "otlp_environment", "run_command"]

_PREFIX: Final = "OTEL_EXPORTER_OTLP"
_ENDPOINT: Final = f"{_PREFIX}_ENDPOINT"
_PROTOCOL: Final = f"{_PREFIX}_PROTOCOL"
_METRIC_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
_METRIC_INTERVAL_MS: Final = 1000
"""Metrics are looked at right away here; the default of a minute is for servers."""


def otlp_environment(given: Mapping[str, str], grpc_endpoint: str, http_endpoint: str) -> dict[str, str]:
    """The variables to add to the environment `given`: nothing for a signal that it already sends somewhere."""
    elsewhere = otlp_elsewhere(given)
    ours = [name for name in SIGNALS if _of_signal(name, "ENDPOINT") not in elsewhere]
    if _ENDPOINT in elsewhere or not ours:
        return {}
    general = _protocol(given, _PROTOCOL) or "grpc"
    added = {_PROTOCOL: general, _ENDPOINT: grpc_endpoint if general == "grpc" else http_endpoint}
    for name in ours:
        protocol = _protocol(given, _of_signal(name, "PROTOCOL")) or general
        if protocol != general:
            # A signal's own endpoint is taken as it is, where the general one gets the path added.
            endpoint = grpc_endpoint if protocol == "grpc" else f"{http_endpoint}/v1/{name}"
            added[_of_signal(name, "ENDPOINT")] = endpoint
    if "metrics" in ours and not given.get(_METRIC_INTERVAL):
        added[_METRIC_INTERVAL] = str(_METRIC_INTERVAL_MS)
    return added


def otlp_elsewhere(given: Mapping[str, str]) -> list[str]:
    """The variables of the environment `given` that already say where telemetry goes."""
    names = [_ENDPOINT, *(_of_signal(name, "ENDPOINT") for name in SIGNALS)]
    return [name for name in names if given.get(name, "").strip()]


def _of_signal(name: str, what: str) -> str:
    return f"{_PREFIX}_{name.upper()}_{what}"


def _protocol(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").strip().lower()


def run_command(command: Sequence[str], environment: Mapping[str, str], *, umask: int = -1) -> int:
    """Runs `command` to its end and returns its exit status, 128 + n when signal n ended it.

    `environment` is added to this process's; a `umask` of -1 is this process's too.

    SIGINT, SIGTERM and SIGHUP to this process are passed on, once each: the command has a session of its own, else
    Ctrl-C would reach it twice, which servers take for "stop at once". `OSError` when it can't be started.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    # nohup's command isn't told of the end of the terminal either: it has SIGHUP ignored, as this process has.
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        child = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, umask=umask)  # noqa: S603
        for number in early:
            child.send_signal(number)
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
