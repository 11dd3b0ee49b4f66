"""The choice of ports."""

from __future__ import annotations

import socket

from bento_observe.stack._ports import LOOPBACK, Ports, choose_ports, is_free


def test_a_taken_default_port_is_replaced_and_told() -> None:
    """With somebody on 4317 the OTLP port is another free one, and it is listed as moved."""
    default = Ports().otlp_grpc
    with socket.socket() as taken:
        if is_free(default):  # else somebody else has it, which is as good
            taken.bind((LOOPBACK, default))
            taken.listen()
        ports = choose_ports()
    assert ports.otlp_grpc != default
    assert ports.moved()["otlp_grpc"] == (default, ports.otlp_grpc)


def test_free_ports_are_never_the_usual_ones_and_all_different() -> None:
    """A test's stack cannot get in the way of a person's."""
    chosen = choose_ports("free").to_json().values()
    assert len(set(chosen)) == len(Ports().to_json())
    assert not set(chosen) & set(Ports().to_json().values())
    assert all(is_free(port) for port in chosen)


def test_a_port_in_use_is_not_free() -> None:
    """What somebody listens on is taken, and free again when they stop."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_default_ports_have_not_moved() -> None:
    """Nothing is told where nothing is unusual."""
    assert Ports().moved() == {}


def test_ports_that_were_saved_before_a_server_was_added_are_still_known() -> None:
    """A stack that runs while the program is updated can be stopped."""
    before = {name: port for name, port in Ports(otlp_grpc=5317).to_json().items() if name != "alertmanager"}
    assert Ports.from_json(before) == Ports(otlp_grpc=5317)
