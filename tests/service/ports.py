"""Loopback ports: a free one, and one that takes connections and nothing else."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NO_CLIENTS: Final = range(10_000, 20_000)
"""Below the ports that Linux gives to outgoing connections, and below those of the stack of the tests."""


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of a listener that accepts connections and never reads nor answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


def free_port() -> int:
    """A loopback port that nobody listens on, nor any client's connection will be given before a server does."""
    for port in random.sample(_NO_CLIENTS, len(_NO_CLIENTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
