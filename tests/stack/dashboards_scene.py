"""Three services under traffic on the real servers, for the test of the dashboards: what was sent, and when."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import stack_signals as otlp
from ports import free_port
from server import SERVICES, BentoServer

from bento_observe import semconv
from bento_observe.demo import _example, _service, _traffic
from bento_observe.prometheus_names import label_name, metric_name
from bento_observe.stack import Running
from bento_observe.stack.query import prometheus_value

__all__ = ["ODD", "PHASES", "PLAIN", "SHOP", "STEP", "WINE", "Scene", "play"]

ODD: Final = "we\"ird {näme} 100%\\ x'"
"""A feature's name with all that means something in PromQL, in a regular expression or in a URL."""

# Before the first import of what reads it, in this process and in the servers.
os.environ["ORDERS_WEIGHT"] = ODD

from collector.grafana.preview.orders import data, delivery, traffic  # noqa: E402

ROOT: Final = Path(__file__).resolve().parents[2]
SHOP, PLAIN, WINE = "dashboards-shop", "dashboards-plain", "dashboards-wine"
PHASES: Final = ("normal", "drifted", "broken", "trouble")
"""In this order, each on top of those before it; with `drifted` comes the traffic to version 2 of the service."""

STEP: Final = 5
"""Seconds. Phases end at multiples of it, and nothing is sent before that."""

_SERVICE: Final = "collector.grafana.preview.orders.service:Orders"
_REQUESTS: Final = 60
_RATE: Final = 16.0
"""A second: slow enough that each phase is seen in several exports, since a counter counts from its second one on."""

_FAILED: Final = 6
_WITHIN: Final = "/days|/arrived"
"""Where the shop sends requests of its own."""

_PLACE: Final = "deployment.environment.name=test"
_EXPORT: Final = {"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_RESOURCE_ATTRIBUTES": ""}


@dataclass(frozen=True)
class Scene:
    """What happened, seconds since the epoch by Prometheus' clock.

    `ends` are the moments by which all metrics of a phase of the shop had arrived, and all of the plain one; `start`
    is before the first.
    """

    running: Running
    start: float
    ends: Mapping[str, float]


def play(running: Running, folder: Path) -> Scene:
    """Serve the shop through its phases, in two versions, a shop without a reference, and the example with its own
    traffic, which drifts half way; all at once. AssertionError if a request is not answered as it has to be.
    """
    start = prometheus_value(running.prometheus, "time()")
    ends: dict[str, float] = {}
    acts: list[Callable[[], None]] = [
        lambda: _shop(running, folder, ends),
        lambda: _plain(running, ends),
        lambda: _wine(running, folder),
    ]
    with ThreadPoolExecutor(len(acts)) as pool:
        for act in [pool.submit(act) for act in acts]:
            act.result()
    return Scene(running, start, ends)


def _shop(running: Running, folder: Path, ends: dict[str, float]) -> None:
    path, of_delivery = folder / "shop.json", folder / "delivery.json"
    data.reference(path)
    delivery.reference(of_delivery)
    random = np.random.default_rng(5)
    sent = 0
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        first, second = (
            _serving(
                running,
                SHOP,
                {
                    "ORDERS_REFERENCE": str(path),
                    "DELIVERY_REFERENCE": str(of_delivery),
                    "OTEL_RESOURCE_ATTRIBUTES": f"service.version={version},{_PLACE}",
                },
            )
            for version in ("1", "2")
        )
        stack.enter_context(first)
        following = pool.submit(stack.enter_context, second)  # meanwhile
        for phase in PHASES:
            server = first if phase == PHASES[0] else following.result()
            kind = traffic.KINDS.get(phase)
            wanted = traffic.requests(phase, _REQUESTS, random) if kind else traffic.trouble(_FAILED)
            assert traffic.send(server.url, wanted, _RATE if kind else _RATE / 3) == []
            sent += len(wanted)
            _arrived(running, SHOP, sent)
            ends[phase] = _next_step(running)
            if server is first:
                pool.submit(first.stop)
        second.stop()


def _plain(running: Running, ends: dict[str, float]) -> None:
    """No reference, so exponential buckets; one worker, no GPU, no labels."""
    every = traffic.requests("normal", 40, np.random.default_rng(6))
    wanted = [replace(each, truth=()) for each in every if each.api == "classify"]
    with _serving(running, PLAIN, {"PYTHONPATH": str(ROOT)}) as server:
        assert traffic.send(server.url, wanted, _RATE / 3) == []
        _arrived(running, PLAIN, len(wanted))
        ends[PLAIN] = _next_step(running)
        server.stop()


def _wine(running: Running, folder: Path) -> None:
    example = _example.Example()
    environment = {**_EXPORT, "OTEL_SERVICE_NAME": WINE, "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc}
    with example.alone():
        example.train()
        with _service.serving(
            "service_example.service:WineCultivar", directory=example.root, port=free_port(),
            environment=example.environment(environment), log=folder / "wine.log",
        ) as url:  # fmt: skip
            sent = _traffic.send(example, url, rate=30, duration=8, clients=4, progress=lambda _: None)
            assert sent.unexpected == 0
            _arrived(running, WINE, sent.sent)


def _serving(running: Running, name: str, more: Mapping[str, str]) -> BentoServer:
    # With a stand-in for NVML's module, unless told otherwise: there is no GPU here.
    path = os.pathsep.join([str(ROOT), str(SERVICES.parent / "stand_ins")])
    environment = {
        **_EXPORT,
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_grpc,
        "ORDERS_WEIGHT": ODD,
        "PYTHONPATH": path,
        **more,
    }
    return BentoServer(_SERVICE, environment, directory=ROOT)


def _arrived(running: Running, service: str, requests: int) -> None:
    """Wait until Prometheus has counted so many requests, those of the shop to its other service left out."""
    name = f"{metric_name(semconv.REQUEST_DURATION)}_count"
    asked = f'{label_name(semconv.SERVICE_NAME)}="{service}", {label_name(semconv.HTTP_ROUTE)}!~"/.+z|{_WITHIN}"'
    query = f"sum({name}{{{asked}}})"
    otlp.eventually(lambda: prometheus_value(running.prometheus, query), requests)


def _next_step(running: Running) -> float:
    """The next moment that a range query of `STEP` has a point at, once it has come."""
    moment = math.ceil(prometheus_value(running.prometheus, "time()") / STEP) * STEP
    otlp.eventually(lambda: prometheus_value(running.prometheus, "time()") >= moment, True)
    return float(moment)
