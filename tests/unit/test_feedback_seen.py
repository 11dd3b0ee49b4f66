"""A label counts once, whichever worker of a host its duplicate comes to."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shared import BusyError, SharedFile

_CHILD = """
import sys
import numpy as np
from pathlib import Path
from bento_observe.feedback._seen import Seen
seen = Seen(Path(sys.argv[1]), 100_000, sys.exit)
if len(sys.argv) > 2:  # all have it open before any begins
    print("ready", flush=True)
    sys.stdin.readline()
print(sum(int(seen.add(np.arange(start, start + 100, dtype=np.uint64)).sum()) for start in range(1, 20_001, 100)))
"""

_HOLDER = """
import sys
from pathlib import Path
from bento_observe.feedback._shared import SharedFile
with SharedFile(Path(sys.argv[1]), int(sys.argv[2]), 60).held(10):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    """While another process, which could as well have been stopped, has the table for itself."""
    (file,) = path.parent.glob(f"{path.name}-*.seen")
    command = [sys.executable, "-c", _HOLDER, str(path), str(file.stat().st_size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def numbers(first: int, last: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(2**20)[first:last].astype(np.uint64) << np.uint64(40)


def test_processes_that_add_the_same_at_once_count_it_once(tmp_path: Path) -> None:
    """Three of them, 20,000 each, in steps of a hundred."""
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "labels.seen")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 20_000


def test_processes_whose_table_is_deleted_meanwhile_count_each_once(tmp_path: Path) -> None:
    """Who notices first makes it again, with what was known; the others take that."""
    path = tmp_path / "labels"
    Seen(path, 100_000, pytest.fail)
    (file,) = tmp_path.iterdir()
    table = np.memmap(file, dtype=np.uint64, mode="r", shape=file.stat().st_size // 8)
    command = [sys.executable, "-c", _CHILD, str(path), "wait"]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    deadline = time.monotonic() + 60
    while not table.any():
        assert time.monotonic() < deadline
    file.unlink()
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 20_000
    assert file.exists()
    assert not Seen(path, 100_000, pytest.fail).add(np.arange(1, 20_001, dtype=np.uint64)).any()


def test_what_is_twice_in_one_call_is_new_once(tmp_path: Path) -> None:
    """The first of them, and 0 is an identity as any."""
    seen = Seen(tmp_path / "x", 1000, pytest.fail)
    assert seen.add(np.array([5, 0, 5, 0, 6], dtype=np.uint64)).tolist() == [True, True, False, False, True]


def test_the_last_window_is_remembered_and_the_table_does_not_grow(tmp_path: Path) -> None:
    """Ten times as many pass through it; none of the last window is taken for new, by another worker either."""
    path = tmp_path / "labels.seen"
    seen = Seen(path, 10_000, pytest.fail)
    (file,) = tmp_path.iterdir()
    size = file.stat().st_size
    for start in range(0, 100_000, 5000):
        assert seen.add(numbers(start, start + 5000)).sum() == 5000
    assert Seen(path, 10_000, pytest.fail).add(numbers(90_000, 100_000)).sum() == 0
    assert file.stat().st_size == size < 64 * 10_000


def test_a_table_that_another_process_does_not_let_go_of_is_not_waited_for(tmp_path: Path) -> None:
    """Beyond a second, and then less; nothing is remembered that was not told, and then all goes on."""
    seen = Seen(tmp_path / "x", 1000, pytest.fail)
    some = np.arange(1, 6, dtype=np.uint64)
    with held_by_another(tmp_path / "x") as other:
        for most in (5.0, 0.9):
            began = time.monotonic()
            with pytest.raises(BusyError, match=r"x-\d+\.seen"):
                seen.add(some)
            assert time.monotonic() - began < most
        other.kill()
        other.wait(20)
        assert seen.add(some).all()
    assert not seen.add(some).any()


def test_another_size_is_another_file_and_a_mapped_one_never_shrinks(tmp_path: Path) -> None:
    """A process that has mapped a file that is cut off ends with a bus error, at the next label."""
    small, large = (Seen(tmp_path / "x", window, pytest.fail) for window in (1000, 100_000))
    again = Seen(tmp_path / "x", 1000, pytest.fail)
    assert len(list(tmp_path.iterdir())) == 2
    some = np.arange(1, 500, dtype=np.uint64)
    assert large.add(some).all()
    assert small.add(some).all()
    assert not again.add(some).any()


def test_a_file_that_is_not_as_long_as_its_name_says_is_left_alone_and_told(tmp_path: Path) -> None:
    """Somebody else may have it mapped."""
    Seen(tmp_path / "x", 1000, pytest.fail)
    (file,) = tmp_path.iterdir()
    os.truncate(file, 512)
    told: list[str] = []
    assert not Seen(tmp_path / "x", 1000, told.append).shared
    assert f"{file}: has 512 bytes, not" in told[0]
    assert file.stat().st_size == 512


def test_who_makes_the_file_at_the_same_time_has_the_same_one(tmp_path: Path) -> None:
    """It is never there before it is whole, and nothing else is left behind."""
    start = threading.Barrier(8)

    def made(_number: int) -> int:
        start.wait(20)
        shared = SharedFile(tmp_path / "x", 1 << 20, 60)
        return os.fstat(shared.fileno()).st_ino

    with ThreadPoolExecutor(8) as pool:
        inodes = set(pool.map(made, range(8)))
    (file,) = tmp_path.iterdir()
    assert inodes == {file.stat().st_ino}


def test_a_file_that_cannot_be_used_is_told_and_done_without(tmp_path: Path) -> None:
    """Each worker then has a table of its own."""
    told: list[str] = []
    seen = Seen(tmp_path / "missing" / "x", 1000, told.append)
    assert not seen.shared
    assert "counts twice" in told[0]
    assert seen.add(np.array([1], dtype=np.uint64)).tolist() == [True]
    assert seen.add(np.array([1], dtype=np.uint64)).tolist() == [False]


def test_a_directory_that_cannot_be_trusted_any_more_is_not_gone_back_to(tmp_path: Path) -> None:
    """What is known stays known, by all who have the old file; it is told, and tried again a minute later."""
    below, told, asked = tmp_path / "ours", list[str](), list[int]()
    below.mkdir()

    def ready() -> bool:
        asked.append(1)
        return False

    one, other = (Seen(below / "x", 1000, told.append, ready=ready) for _ in range(2))
    some = np.arange(1, 6, dtype=np.uint64)
    assert one.add(some).all()
    (file,) = below.iterdir()
    file.unlink()
    assert one.add(some + np.uint64(5)).all()
    assert not other.add(np.arange(1, 11, dtype=np.uint64)).any()
    assert not one.add(some).any()
    assert len(told) == len(asked) == 2  # once each
    assert f"{below}: is no directory of this user's own; a label that comes twice" in told[0]
    assert not list(below.iterdir())
