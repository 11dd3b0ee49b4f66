"""The ways of serving that are measured: what is served, how it is asked, and what the right answer is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from _serving import client, model

__all__ = ["BATCH", "DEPENDENCY", "MAIN", "REQUEST", "RUNNER", "STREAM", "SURFACES", "Surface"]

_DIFFERENT = 64
_WORDS = 100


@dataclass(frozen=True)
class Surface:
    """One way of serving. `processes` are those that answer: workers, of dependencies too, and runners."""

    name: str
    title: str
    service: str
    processes: int
    connections: int
    """At the same time, each with its next request as soon as the last one is answered."""
    path: str
    bodies: Callable[[], Iterable[Any]]
    right: Callable[[str], bool]
    """Whether this is the answer to the first of `bodies`."""
    options: tuple[str, ...] = ()
    """Of `bentoml serve`."""

    @cached_property
    def requests(self) -> list[bytes]:
        """What clients send, one after the other."""
        return client.write_requests(self.path, self.bodies())


def _features() -> Iterable[Any]:
    return ({"features": row.tolist()} for row in model.rows(_DIFFERENT))


def _arrays() -> Iterable[Any]:
    return (row.tolist() for row in model.rows(_DIFFERENT))


def _prompts() -> Iterable[Any]:
    return ({"prompt": f"word of {number}", "words": _WORDS} for number in range(_DIFFERENT))


def _score(answer: str) -> bool:
    return np.allclose(json.loads(answer), model.score(model.rows(1)[0]))


def _words(answer: str) -> bool:
    return answer == "".join(f"word of 0 {number}\n" for number in range(_WORDS))


_SERVICES = "_serving.services."

REQUEST: Final = Surface(
    "request", "a request, answered by one worker",
    f"{_SERVICES}request:Service", 1, 8, "/predict", _features, _score,
)  # fmt: skip
BATCH: Final = Surface(
    "batch", "a request of a batch, which BentoML makes of 32 at most",
    f"{_SERVICES}batch:Service", 1, 64, "/predict", _features, _score,
)  # fmt: skip
STREAM: Final = Surface(
    "stream", f"a stream of {_WORDS} items from an asynchronous generator",
    f"{_SERVICES}stream:Service", 1, 8, "/say", _prompts, _words,
)  # fmt: skip
DEPENDENCY: Final = Surface(
    "dependency", "a request that calls another service, a process of its own",
    f"{_SERVICES}dependency:Service", 2, 8, "/predict", _features, _score,
)  # fmt: skip
RUNNER: Final = Surface(
    "runner", "a request to a legacy service that runs a runner, a process of its own",
    f"{_SERVICES}runner:service", 2, 8, "/predict", _arrays, _score, ("--api-workers", "1"),
)  # fmt: skip

_THREADED_STREAM = Surface(
    "stream_threaded", f"a stream of {_WORDS} items from a generator that is not asynchronous",
    STREAM.service, 1, 8, "/say_in_threads", _prompts, _words,
)  # fmt: skip
_THREADED_DEPENDENCY = Surface(
    "dependency_threaded", "a request that calls another service from a handler that is not asynchronous",
    DEPENDENCY.service, 2, 8, "/predict_in_thread", _features, _score,
)  # fmt: skip
_BATCHED_RUNNER = Surface(
    "runner_batch", "a request to a legacy service whose runner makes batches, of 32 at most",
    RUNNER.service, 2, 64, "/predict_batch", _arrays, _score, RUNNER.options,
)  # fmt: skip

MAIN: Final = (BATCH, STREAM, DEPENDENCY, RUNNER)
SURFACES: Final = {
    surface.name: surface for surface in (*MAIN, _THREADED_STREAM, _THREADED_DEPENDENCY, _BATCHED_RUNNER)
}
"""Those that `request_overhead.py --surfaces` chooses from; `MAIN` are those it measures when told `all`."""
