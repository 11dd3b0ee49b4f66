"""Ids that nothing a service does can make repeat."""

from __future__ import annotations

import os
import random
import threading

from bento_observe.telemetry import random_bytes
from bento_observe.telemetry._identifiers import OsIdGenerator


def test_seeding_random_does_not_repeat_ids() -> None:
    """Python's own generator does repeat."""
    draws = []
    for _ in range(2):
        random.seed(1)
        draws.append((random.random(), [random_bytes() for _ in range(100)], OsIdGenerator().generate_trace_id()))

    assert draws[0][0] == draws[1][0]
    assert draws[0][2] != draws[1][2]
    assert not set(draws[0][1]) & set(draws[1][1])


def test_threads_never_draw_the_same_id() -> None:
    """Eight of them, over many refills of the pool."""
    drawn: list[list[bytes]] = [[] for _ in range(8)]

    def draw(into: list[bytes]) -> None:
        into.extend(random_bytes() for _ in range(20_000))

    threads = [threading.Thread(target=draw, args=(into,)) for into in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    everything = [value for into in drawn for value in into]
    assert len(set(everything)) == len(everything) == 160_000
    assert {len(value) for value in everything} == {8}


def test_a_forked_process_draws_ids_of_its_own() -> None:
    """The child does not go on with what the parent had drawn ahead."""
    random_bytes()  # the pool is filled
    end, start = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(start, b"".join(random_bytes() for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(end, 800)
    os.close(end)
    os.close(start)

    ours = {random_bytes() for _ in range(2000)}
    assert len(theirs) == 800
    assert not ours & {theirs[index : index + 8] for index in range(0, 800, 8)}


def test_ids_are_valid_and_random_over_their_whole_width() -> None:
    """Not zero, and every one of the 128 bits is set in about half of a thousand ids."""
    ids = [OsIdGenerator().generate_trace_id() for _ in range(1000)]

    assert all(0 < value < 1 << 128 for value in ids)
    assert all(350 < sum(value >> bit & 1 for value in ids) < 650 for bit in range(128))
