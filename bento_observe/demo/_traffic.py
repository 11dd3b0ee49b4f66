"""Runs the example's traffic in a process of its own, which must not wait for the receiver in this one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bento_observe.demo._errors import DemoError
from bento_observe.demo._example import Example

__all__ = ["Sent", "send"]


@dataclass(frozen=True)
class Sent:
    """What the traffic sent: numbers of requests, of requests by status or API, of samples by API.

    `missing` is the number of nulls among the samples by "API/feature"; `unexpected` the number of requests that were
    answered with another status than they have to be, or not at all; `drifted_at_ns` (Unix) when the drift
    began, `labelled` how many labels the service has matched with its predictions.
    """

    sent: int
    answered: int
    unexpected: int
    continued: int
    statuses: Mapping[str, int]
    decoded: Mapping[str, int]
    rows: Mapping[str, int]
    values: Mapping[str, int]
    missing: Mapping[str, int]
    predicted: Mapping[str, int]
    drifted_at_ns: int | None
    labelled: int = 0


def send(
    example: Example, url: str, *, rate: float, duration: float, clients: int, progress: Callable[[int], None]
) -> Sent:
    """Send `rate` requests a second for `duration` seconds; `progress` gets the number answered so far.

    `DemoError` where the traffic ends without its summary.
    """
    command = [
        sys.executable, "-m", "service_example.traffic", "--url", url, "--rate", str(rate),
        "--duration", str(duration), "--clients", str(clients),
    ]  # fmt: skip
    complaints: list[str] = []
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=example.root, env=example.environment(), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            for line in process.stderr:
                done, _, rest = line.partition(" of ")
                if rest and done.isdigit():
                    progress(int(done))
                else:
                    complaints.append(line.rstrip())
            process.wait()
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        lines = output.read().splitlines()
    try:
        return Sent(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        raise DemoError("\n  ".join(["the traffic failed:", *complaints[-20:]])) from None
