"""The bounded queue between encoding and sending: nothing is lost uncounted."""

from __future__ import annotations

import threading
import time

from bento_observe import semconv
from bento_observe.telemetry import Health, SignalQueue


def make_queue(limit: int = 1000) -> tuple[SignalQueue, Health]:
    health = Health()
    return SignalQueue("traces", limit, health), health


def dropped(health: Health) -> dict[tuple[str, ...], int]:
    return health.counts()[semconv.DROPPED]


def test_chunks_come_out_in_the_order_they_went_in() -> None:
    """Batches hold as many as fit; a chunk that is larger than a batch comes alone."""
    queue, _ = make_queue()
    for chunk in (b"a" * 40, b"b" * 40, b"c" * 200, b"d"):
        queue.put(chunk, 2)
    queue.close()

    batches = []
    while (batch := queue.take(100, 0.0)) is not None:
        batches.append(batch)
    assert [batch.chunks for batch in batches] == [(b"a" * 40, b"b" * 40), (b"c" * 200,), (b"d",)]
    assert [batch.items for batch in batches] == [4, 2, 2]
    assert [batch.size for batch in batches] == [80, 200, 1]
    assert queue.size == 0


def test_a_full_queue_drops_its_oldest_and_counts_them() -> None:
    """What is new is more use than what is old; the limit is never passed."""
    queue, health = make_queue(limit=100)
    for number in range(10):
        queue.put(bytes([number]) * 30, 5)
        assert queue.size <= 100
    queue.close()

    batch = queue.take(1000, 0.0)
    assert batch is not None
    assert [chunk[0] for chunk in batch.chunks] == [7, 8, 9]
    assert dropped(health) == {("traces", "queue_full"): 35}


def test_a_chunk_that_is_too_large_does_not_push_out_the_others() -> None:
    """It is dropped alone."""
    queue, health = make_queue(limit=100)
    queue.put(b"kept", 1)
    queue.put(b"x" * 101, 3)
    queue.close()

    batch = queue.take(1000, 0.0)
    assert batch is not None
    assert batch.chunks == (b"kept",)
    assert dropped(health) == {("traces", "too_large"): 3}


def test_taking_waits_for_more_but_not_for_ever() -> None:
    """A batch is given when it is full, or when its oldest chunk has waited long enough."""
    queue, _ = make_queue()
    queue.put(b"first", 1)
    threading.Timer(0.05, queue.put, (b"second", 1)).start()
    began = time.monotonic()
    batch = queue.take(1000, 0.2)

    assert batch is not None
    assert batch.chunks == (b"first", b"second")
    assert 0.15 < time.monotonic() - began < 1
    queue.put(b"x" * 50, 1)
    began = time.monotonic()
    assert queue.take(50, 60.0) is not None
    assert time.monotonic() - began < 1


def test_closing_wakes_whoever_waits() -> None:
    """An empty, closed queue gives None at once."""
    queue, _ = make_queue()
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(queue.take(10, 60.0)))
    thread.start()
    queue.close()
    thread.join(5)

    assert results == [None]


def test_what_comes_after_giving_up_is_counted_too() -> None:
    """`abandon` tells what was in the queue; later chunks are dropped one by one."""
    queue, health = make_queue()
    queue.put(b"one", 3)

    assert queue.abandon() == 3
    queue.put(b"two", 4)
    assert queue.size == 0
    assert dropped(health) == {("traces", "shutdown"): 4}


def test_with_many_threads_every_item_is_either_taken_or_counted() -> None:
    """Four writers, two readers, a queue that is often full."""
    queue, health = make_queue(limit=500)
    taken: list[int] = []

    def read() -> None:
        while (batch := queue.take(200, 0.0)) is not None:
            taken.append(batch.items)

    def write() -> None:
        for number in range(2000):
            queue.put(b"x" * (1 + number % 60), 1 + number % 3)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write) for _ in range(4)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    queue.close()
    for thread in readers:
        thread.join()

    sent = 4 * sum(1 + number % 3 for number in range(2000))
    assert sum(taken) + sum(dropped(health).values()) == sent
