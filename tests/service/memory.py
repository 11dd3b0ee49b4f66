"""The scenario "memory stays flat": the worker's resident memory while a Collector is of no use.

    python tests/service/memory.py [--requests 50000]

prints MiB after every tenth of the requests, for plain BentoML and for each kind of useless Collector, and exits with
1 if the second half adds more than 8 MiB to what plain BentoML gains in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
from ports import black_hole, free_port
from server import BentoServer
from sink import Sink
from traffic import PREDICT, send_all

KINDS = ("absent", "silent", "hang", "reject")
_MEBIBYTE = 1 << 20


@contextmanager
def useless_collector(kind: str, protocol: str = "grpc") -> Iterator[dict[str, str]]:
    """The environment for a Collector that is of no use in one way or another.

    absent: nobody listens; silent: connections are accepted and never read; hang: requests are taken and never
    answered; reject: requests are refused for good.
    """
    if kind == "absent":
        yield _environment(free_port(), protocol)
    elif kind == "silent":
        with black_hole() as port:
            yield _environment(port, protocol)
    else:
        with Sink() as sink:
            sink.behaviour = kind
            yield sink.environment(protocol)


def _environment(port: int, protocol: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}


# The worker's timeout: longer ones only make plain BentoML's own memory level off later (see services/switch.py).
SETTINGS = {"TEST_TIMEOUT": "5", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}


def resident(env: Mapping[str, str], requests: int, parts: int, observed: bool = True) -> list[float]:
    """MiB of the one worker's resident memory after each of `parts` equal parts of the requests."""
    found = []
    with BentoServer("simple:Simple", {**SETTINGS, **env}, observed=observed) as server:
        worker = psutil.Process(server.workers[0])
        for _ in range(parts):
            answers = send_all(server.port, [PREDICT] * (requests // parts))
            assert {answer.status for answer in answers} == {200}
            found.append(worker.memory_info().rss / _MEBIBYTE)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    options = parser.parse_args()

    plain = _told("plain", resident({}, options.requests, 10, observed=False))
    good = True
    for kind in KINDS:
        with useless_collector(kind) as env:
            gained = _told(kind, resident(env, options.requests, 10))
        good = good and gained - plain <= 8
    return 0 if good else 1


def _told(name: str, series: list[float]) -> float:
    gained = series[-1] - series[len(series) // 2 - 1]
    print(f"{name:8}", " ".join(f"{value:6.1f}" for value in series), f" second half {gained:+.1f} MiB", flush=True)
    return gained


if __name__ == "__main__":
    sys.exit(main())
