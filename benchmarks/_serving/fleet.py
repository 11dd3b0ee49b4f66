"""All compared servers, up at the same time, with the one sink that they send to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from _serving import client
from _serving.server import Server
from _serving.sink import Sink
from _serving.surfaces import Surface

__all__ = ["Fleet", "fleet"]


@dataclass(frozen=True)
class Fleet:
    """The servers by variant. `sent` is filled when they have stopped: what arrived from each, by unit."""

    servers: dict[str, Server]
    sink: Sink
    sent: dict[str, dict[str, int]] = field(default_factory=dict)


@contextmanager
def fleet(surface: Surface, variants: Sequence[str], profiles: Path | None = None) -> Iterator[Fleet]:
    """Start a server for each variant, all at once, and wait until all are ready; stop them whatever happens.

    With `profiles` each process can be told to sample itself, and leaves its samples in that directory.

    Raises:
        RuntimeError: if a server does not start, or gives a wrong answer.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bento-observe-benchmark-")))
        sink = stack.enter_context(Sink(len(variants)))
        servers: dict[str, Server] = {}
        stack.callback(_stop, servers)
        for variant, port in zip(variants, sink.ports, strict=True):
            servers[variant] = Server(surface, variant, port, directory / variant, profiles)
        for server in servers.values():
            server.wait_ready()
            _check_answer(surface, server)
        started = Fleet(servers, sink)
        yield started
        _stop(servers)
        started.sent.update(zip(variants, sink.counts(), strict=True))


def _check_answer(surface: Surface, server: Server) -> None:
    with client.connected(server.port, 1) as connections:
        answer = connections[0].exchange(surface.requests[0]).decode()
    if not surface.right(answer):
        raise RuntimeError(f"{server.variant} answers {answer}")


def _stop(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.terminate()
    for server in servers.values():
        server.stop()
