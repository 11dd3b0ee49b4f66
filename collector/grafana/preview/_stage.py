"""A stack of its own with the orders service on it, in two versions, long enough for pictures of it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
import urllib3

from bento_observe.stack import Running, Stack
from collector.grafana.preview._rules import not_since
from collector.grafana.preview.orders import data, delivery, traffic

__all__ = ["EXPORT_SECONDS", "SERVICE", "stage"]

SERVICE: Final = "orders"
EXPORT_SECONDS: Final = 5
"""How often the service sends its metrics; Grafana would be told so (`timeInterval`)."""

_ROOT: Final = Path(__file__).resolve().parents[3]
_TARGET: Final = "collector.grafana.preview.orders.service:Orders"
_HOST: Final = "127.0.0.1"
_WORKERS: Final = 2
_RATE: Final = 20.0
_READY_S: Final = 90.0
_RULES_S: Final = 150.0


@contextmanager
def stage(minutes: float, say: Callable[[str], None]) -> Iterator[tuple[Running, float]]:
    """The stack after `minutes` of traffic, and when that began, seconds since the epoch.

    Half of it is normal; then comes version 2, first with broken and failing orders, then with orders that drift and
    have other outcomes, until the rules have seen them. Alerts are those of the demo, which fire within minutes.

    Raises:
        StackError: the servers cannot be run here.
        OSError: the service does not start, or answers otherwise than it has to.
    """
    with tempfile.TemporaryDirectory(prefix="bento-observe-preview-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        stack = Stack(data_dir=folder / "stack", ports="free", demo=True)
        running = stack.up(progress=say)
        try:
            began = time.time()
            data.reference(folder / "orders.json")
            delivery.reference(folder / "delivery.json")
            generator = np.random.default_rng(11)
            parts = (("1", (("normal", 0.5),)), ("2", (("broken", 0.2), ("drifted", 0.3))))
            for version, kinds in parts:
                with _serving(running, folder, version) as url:
                    for kind, share in kinds:
                        say(f"version {version}: {kind} orders for {60 * minutes * share:.0f} s")
                        _send(url, kind, 60 * minutes * share, generator)
                    if version == "2":
                        say("and until the rules have seen them")
                        _await_rules(running, url, generator)
            yield running, began
        finally:
            stack.down()


def _send(url: str, kind: str, seconds: float, generator: np.random.Generator) -> None:
    # Of eight requests to classify come seven to other APIs.
    count = int(seconds * _RATE * 8 / 15)
    wanted = traffic.requests(kind, count, generator)
    if kind == "broken":
        failing = traffic.trouble(max(1, count // 60))
        step = max(1, len(wanted) // len(failing))
        for number, request in enumerate(failing):
            wanted.insert(number * (step + 1), request)
    if wrong := traffic.send(url, wanted, _RATE):
        raise OSError(f"the service answered otherwise than it has to: {wrong[:3]}")


def _await_rules(running: Running, url: str, generator: np.random.Generator) -> None:
    """Send more, until Prometheus has evaluated all rules that look back an hour."""
    since, deadline = time.time(), time.monotonic() + _RULES_S
    while not_since(running.prometheus, since) and time.monotonic() < deadline:
        _send(url, "drifted", 2 * EXPORT_SECONDS, generator)


@contextmanager
def _serving(running: Running, folder: Path, version: str) -> Iterator[str]:
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BENTO"))}
    environment |= {
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(_ROOT),
        "ORDERS_REFERENCE": str(folder / "orders.json"),
        "DELIVERY_REFERENCE": str(folder / "delivery.json"),
        "ORDERS_WORKERS": str(_WORKERS),
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_RESOURCE_ATTRIBUTES": f"service.version={version},deployment.environment.name=shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "OTEL_METRIC_EXPORT_INTERVAL": str(1000 * EXPORT_SECONDS),
    }
    command = [sys.executable, "-m", "bentoml", "serve", _TARGET, "--host", _HOST, "--port", str(port)]
    log = folder / "service.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://{_HOST}:{port}"
        deadline = time.monotonic() + _READY_S
        while not _answers(f"{url}/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"the service does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    # Below those that outgoing connections are given, of which there are many here.
    for port in random.sample(range(10_000, 20_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_HOST, port))
            return port
    raise OSError("no port is free for the service")


def _answers(url: str) -> bool:
    try:
        return bool(urllib3.request("GET", url, retries=False, timeout=2.0).status == 200)
    except urllib3.exceptions.HTTPError:
        return False
