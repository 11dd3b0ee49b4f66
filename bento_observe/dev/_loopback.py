"""Listening sockets on this machine's loopback interface."""

from __future__ import annotations

import socket
from typing import Final

from bento_observe.dev._errors import PortTakenError

__all__ = ["HOST", "listen"]

HOST: Final = "127.0.0.1"


def listen(port: int, *, otherwise_free: bool = False) -> socket.socket:
    """A listening TCP socket at `port` (0: any free one) of `HOST`.

    Where the port is taken: any free one with `otherwise_free`, else `PortTakenError`.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a port that was closed a minute ago counts as taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if otherwise_free and port:
            return listen(0)
        raise PortTakenError(port, getattr(error, "strerror", None) or str(error)) from error
    return listener
