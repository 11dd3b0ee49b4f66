"""Running a command next to the receiver: pointed at it by environment, with signals and exit status passed through."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

__all__ = ["otlp_environment", "run"]

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def otlp_environment(given: Mapping[str, str], grpc_endpoint: str, http_endpoint: str) -> dict[str, str]:
    """The variables to add to the environment `given`: none when it already says where telemetry goes."""
    if given.get(_ENDPOINT):
        return {}
    protocol = given.get(_PROTOCOL) or "grpc"
    return {_PROTOCOL: protocol, _ENDPOINT: grpc_endpoint if protocol == "grpc" else http_endpoint}


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs `command` to its end and returns its exit status, 128 + n when signal n ended it.

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

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        child = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)  # noqa: S603
        for number in early:
            child.send_signal(number)
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
