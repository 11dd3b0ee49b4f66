"""The ports of the stack: the well-known ones where they are free."""

from __future__ import annotations

import random
import socket
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

LOOPBACK = "127.0.0.1"

PortChoice = Literal["default", "free"]

# Below the range from which Linux gives ports to outgoing connections, so that a server that is stopped and started
# again finds its port unused.
_FREE_RANGE = range(20000, 32000)


@dataclass(frozen=True)
class Ports:
    """One port per listener, all on loopback; the defaults are each server's usual ones."""

    otlp_grpc: int = 4317
    otlp_http: int = 4318
    otelcol_health: int = 13133
    jaeger: int = 16686
    jaeger_grpc: int = 16685
    jaeger_otlp: int = 14317
    jaeger_health: int = 13134
    prometheus: int = 9090
    alertmanager: int = 9093
    elasticsearch: int = 9200

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ports:
        """What `to_json` gave, before a server was added too: that one is where it usually is."""
        return cls(**{field.name: int(data.get(field.name, field.default)) for field in fields(cls)})

    def moved(self) -> dict[str, tuple[int, int]]:
        """The listeners that are not on their default port: name -> (default, actual)."""
        defaults = Ports().to_json()
        return {name: (defaults[name], port) for name, port in self.to_json().items() if port != defaults[name]}


def choose_ports(choice: PortChoice = "default") -> Ports:
    """The default ports where they are free, or for `"free"` none of them; a free one otherwise."""
    chosen: dict[str, int] = {}
    for name, default in Ports().to_json().items():
        if choice == "default" and is_free(default):
            chosen[name] = default
        else:
            chosen[name] = _free_port(avoid={*chosen.values(), *Ports().to_json().values()})
    return Ports(**chosen)


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of the loopback interface."""
    with socket.socket() as probe:
        # As the servers do: a port with nothing but closing connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _free_port(avoid: set[int]) -> int:
    candidates = (port for port in random.sample(_FREE_RANGE, len(_FREE_RANGE)) if port not in avoid)
    return next(port for port in candidates if is_free(port))
