"""A label counts once, whichever worker of a host its duplicate comes to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bento_observe.feedback._seen import Seen, directory

_CHILD = """
import sys
import numpy as np
from pathlib import Path
from bento_observe.feedback._seen import Seen
seen = Seen(Path(sys.argv[1]), 100_000, sys.exit)
print(sum(int(seen.add(np.arange(start, start + 100, dtype=np.uint64)).sum()) for start in range(1, 20_001, 100)))
"""


def numbers(first: int, last: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(2**20)[first:last].astype(np.uint64) << np.uint64(40)


def test_processes_that_add_the_same_at_once_count_it_once(tmp_path: Path) -> None:
    """Three of them, 20,000 each, in steps of a hundred."""
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "labels.seen")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 20_000


def test_what_is_twice_in_one_call_is_new_once(tmp_path: Path) -> None:
    """The first of them, and 0 is an identity as any."""
    seen = Seen(tmp_path / "x", 1000, pytest.fail)
    assert seen.add(np.array([5, 0, 5, 0, 6], dtype=np.uint64)).tolist() == [True, True, False, False, True]


def test_the_last_window_is_remembered_and_the_table_does_not_grow(tmp_path: Path) -> None:
    """Ten times as many pass through it; none of the last window is taken for new, by another worker either."""
    path = tmp_path / "labels.seen"
    seen = Seen(path, 10_000, pytest.fail)
    size = path.stat().st_size
    for start in range(0, 100_000, 5000):
        assert seen.add(numbers(start, start + 5000)).sum() == 5000
    assert Seen(path, 10_000, pytest.fail).add(numbers(90_000, 100_000)).sum() == 0
    assert path.stat().st_size == size < 64 * 10_000


def test_a_file_that_cannot_be_used_is_told_and_done_without(tmp_path: Path) -> None:
    """Each worker then has a table of its own."""
    told: list[str] = []
    seen = Seen(tmp_path / "missing" / "x", 1000, told.append)
    assert not seen.shared
    assert "counts twice" in told[0]
    assert seen.add(np.array([1], dtype=np.uint64)).tolist() == [True]
    assert seen.add(np.array([1], dtype=np.uint64)).tolist() == [False]


def test_the_directory_is_this_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that somebody else made is not followed; what is older than any id is deleted."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = directory()
    assert found is not None
    assert found.stat().st_mode & 0o777 == 0o700
    for name, age in (("labels-a.seen", 367 * 86400), ("labels-b.seen", 40 * 86400)):
        (found / name).write_bytes(b"x")
        os.utime(found / name, (time.time() - age,) * 2)
    assert directory() == found
    assert [path.name for path in found.iterdir()] == ["labels-b.seen"]
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))
    (other / found.name).symlink_to(found)
    assert directory() is None
