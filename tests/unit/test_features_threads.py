"""Many threads append while one flushes: nothing is lost, nothing waits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from bento_observe.features import FeatureStatistics
from bento_observe.features._losses import Losses

pytestmark = pytest.mark.usefixtures("kernel")

THREADS, UPDATES = 6, 4000


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that change over as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_nothing_is_lost_between_appending_flushing_and_snapshots() -> None:
    """Six threads append rows, lists and mappings; two flush and take deltas until all is there."""
    stats = FeatureStatistics()
    done = threading.Event()
    deltas: list[int] = []

    def append(thread: int) -> None:
        row = np.full((1, 2), float(thread))
        for i in range(UPDATES):
            kind = i % 3
            stats.update(row if kind == 0 else [[thread, thread]] if kind == 1 else {"0": thread, "1": thread})

    def flush() -> None:
        while not done.is_set():
            stats.flush()

    def collect() -> None:
        while not done.is_set():
            deltas.append(stats.delta().features["0"].count if stats.snapshot().features else 0)

    workers = [threading.Thread(target=append, args=(thread,)) for thread in range(THREADS)]
    readers = [threading.Thread(target=flush), threading.Thread(target=collect)]
    for thread in (*workers, *readers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()

    feature = stats.snapshot().features["0"]
    assert stats.dropped == {}
    assert feature.count == THREADS * UPDATES == feature.counts.sum()
    assert feature.sum == pytest.approx(UPDATES * sum(range(THREADS)))
    assert sum(deltas) + stats.delta().features["0"].count == THREADS * UPDATES
    assert stats._intake._cost == 0


def test_an_update_does_not_wait_for_a_flush_in_progress() -> None:
    """The lock is held as long as we like; updates return all the same."""
    stats = FeatureStatistics()
    returned = threading.Event()

    def append() -> None:
        for _ in range(100):
            stats.update([[1.0, 2.0]])
        returned.set()

    with stats._lock:
        threading.Thread(target=append).start()
        assert returned.wait(timeout=10)
    assert stats.snapshot().features["0"].count == 100


def test_snapshots_from_several_threads_merge_into_one() -> None:
    """A private aggregator for each thread, merged into a shared one."""
    total = FeatureStatistics()

    def count(thread: int) -> None:
        mine = FeatureStatistics()
        mine.update(np.full((1000, 1), float(thread)))
        total.merge(mine)

    threads = [threading.Thread(target=count, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    feature = total.snapshot().features["0"]
    assert (feature.count, feature.min, feature.max) == (8000, 0.0, 7.0)
    assert feature.sum == pytest.approx(28_000)


@pytest.mark.usefixtures("hasty")
def test_no_loss_is_forgotten_between_threads() -> None:
    """Four threads count what they lose at once."""
    losses = Losses()

    def lose() -> None:
        for _ in range(50_000):
            losses.add("buffer_full", 1)

    threads = [threading.Thread(target=lose) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert losses.counts == {"buffer_full": 200_000}
