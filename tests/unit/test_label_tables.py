"""Where the tables of labels lie, how long they are kept, and that a key can be replaced under them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from bento_observe._identity import identity
from bento_observe._label_keys import GENERATED, KEYS, Key, Keys, generate
from bento_observe._label_tables import directory, forget_generated, table_of
from bento_observe.feedback._feedback import Feedback
from bento_observe.feedback._predicted import Shape
from bento_observe.feedback._seen import Seen
from bento_observe.feedback._shared import SharedFile
from bento_observe.feedback._token import Context, Predictions, TokenMaker
from bento_observe.feedback._upkeep import Upkeep
from bento_observe.settings import from_environment
from bento_observe.telemetry import Health, Telemetry

DAY = 86_400.0
OLD, NEW = "the old key of ours", "the new key of ours"


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in (KEYS, GENERATED):
        monkeypatch.delenv(name, raising=False)


def feedback(owner: str = "service\0production") -> Feedback:
    """That of a worker with the environment at hand."""
    return Feedback(
        from_environment(), {}, Shape(), lambda _api, _labels: None, lambda *_judged: None, Health(), False, owner
    )


def token(secret: str, number: int = 1) -> str:
    maker = TokenMaker(Keys((Key.of(secret.encode()),)))
    (one,) = maker.tokens([Context("api")], Predictions(["a"]), number.to_bytes(8, "big"), time.time())
    return one


def tables() -> list[Path]:
    below = directory()
    assert below is not None
    return sorted(below.iterdir())


def test_a_label_counts_once_while_its_key_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the old one, in front of it, alone: each time, workers are started anew."""
    one, other = token(OLD), token(NEW, 2)
    for keys, label, matched in (
        (OLD, one, 1), (f"{OLD},{NEW}", one, 0), (f"{OLD},{NEW}", other, 1), (f"{NEW},{OLD}", one, 0),
        (f"{NEW},{OLD}", other, 0), (NEW, other, 0),
    ):  # fmt: skip
        monkeypatch.setenv(KEYS, keys)
        assert feedback().matcher.take([label], ["a"]).matched == matched, keys
    assert len(tables()) == 1


def test_services_and_environments_have_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the labels of one push none of another's out."""
    monkeypatch.setenv(KEYS, OLD)
    for owner in ("a\0production", "a\0test", "b\0production", "a\0production"):
        feedback(owner).matcher.take([token(OLD)], ["a"])
    assert len(tables()) == 3


def test_workers_with_the_supervisors_key_share_a_table_which_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other keys and of other supervisors stay."""
    monkeypatch.setenv(KEYS, OLD)
    feedback().matcher.take([token(OLD)], ["a"])
    monkeypatch.delenv(KEYS)
    generate(os.environ)
    ours = os.environ[GENERATED]
    for matched in (1, 0):
        assert feedback().matcher.take([token(ours)], ["a"]).matched == matched
    theirs = f"{os.getppid()}-{ours.partition('-')[2]}"
    monkeypatch.setenv(GENERATED, theirs)
    assert feedback().matcher.take([token(theirs)], ["a"]).matched == 1
    assert len(tables()) == 3
    forget_generated()
    assert len(tables()) == 3
    monkeypatch.setenv(GENERATED, ours)
    forget_generated()
    left = [path.name for path in tables()]
    assert len(left) == 2
    assert not any(Key.of(ours.encode()).name in name for name in left)


def test_the_process_that_made_a_key_up_leaves_nothing_behind() -> None:
    """A child of it, which ends before it, deletes nothing."""
    script = """
import os, subprocess, sys
from bento_observe._label_tables import directory, table_of
from bento_observe._observe import generate_key
from bento_observe.feedback._seen import Seen
from bento_observe._label_keys import keys_of
from bento_observe._environment import EnvironmentReader

generate_key()
if len(sys.argv) == 1:
    Seen(table_of("a", keys_of(EnvironmentReader.of_process()), False), 1000, sys.exit)
    subprocess.run([sys.executable, __file__, "child"], check=True)
    print(len(list(directory().iterdir())))
"""
    path = Path(tempfile.gettempdir()) / "supervisor.py"
    path.write_text(script)
    assert subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True).stdout == "1\n"
    assert tables() == []


def test_a_key_that_no_other_process_has_needs_no_file() -> None:
    """A table in memory does; duplicates are found all the same."""
    worker = feedback()
    one = worker._maker.tokens([Context("api")], Predictions(["a"]), bytes(8), time.time())
    assert [worker.matcher.take(one, ["a"]).matched for _ in range(2)] == [1, 0]
    assert tables() == []


def test_a_table_is_kept_for_as_long_as_its_own_ids_are_accepted() -> None:
    """From its last use on; whoever looks then deletes it, whatever their own time is."""
    given = Keys((Key.of(OLD.encode()),))
    for owner, keys, plain, wanted in (
        ("short", given, False, 2 * DAY), ("long", given, False, 300 * DAY),
        ("generated", Keys(given.all, generated=True), False, 300 * DAY),
        ("plain", Keys(given.all, generated=True), True, 300 * DAY),
    ):  # fmt: skip
        path = table_of(owner, keys, plain)
        assert path is not None
        seen = Seen(path, 1000, pytest.fail, wanted)
        (file,) = path.parent.glob(f"{path.name}-*.seen")
        os.utime(file, (0, time.time() + 1))
        began = time.time()
        seen.add(np.array([1], dtype=np.uint64))
        assert began - 1 <= file.stat().st_mtime - wanted <= time.time() + 1
    files = tables()
    assert len(files) == 4
    os.utime(files[0], (0, time.time() - 1))
    assert tables() == files[1:]


def generated_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """That which the supervisor leaves for its workers."""
    monkeypatch.delenv(GENERATED, raising=False)
    generate(os.environ)
    return os.environ[GENERATED]


def let_pass(file: Path, seconds: float) -> None:
    """As if the table had been used last so long ago."""
    found = file.stat()
    os.utime(file, (found.st_atime - seconds, found.st_mtime - seconds))


def test_days_without_labels_cost_no_worker_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key that the supervisor made up too, a weekend after the last label, before another worker's first one."""
    label = token(generated_key(monkeypatch))
    first, second = feedback(), feedback()
    assert first.matcher.take([label], ["a"]).matched == 1
    let_pass(tables()[0], 3 * DAY)
    assert second.matcher.take([label], ["a"]).matched == 0
    assert len(tables()) == 1


def test_a_table_that_is_deleted_under_its_workers_is_one_table_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time has come, or by somebody who clears up, with the directory or without: a label still counts once,
    of those that came before too, as soon as one worker has noticed."""
    secret = generated_key(monkeypatch)
    first, second = feedback(), feedback()
    number = 0
    for how in ("passed", "file", "directory"):
        before, new, newer = (token(secret, number + one) for one in range(3))
        number += 3
        assert first.matcher.take([before], ["a"]).matched == 1, how
        assert second.matcher.take([before], ["a"]).matched == 0, how
        (file,) = tables()
        if how == "passed":
            let_pass(file, from_environment().label_max_age + DAY)
        else:
            file.unlink()
        if how == "directory":
            file.parent.rmdir()
        third = feedback()
        order = (third, first, second) if how == "passed" else (first, third, second)
        assert [one.matcher.take([new], ["a"]).matched for one in order] == [1, 0, 0], how
        assert [one.matcher.take([newer], ["a"]).matched for one in reversed(order)] == [1, 0, 0], how
        if how != "passed":  # ids of before have not expired
            assert feedback().matcher.take([before], ["a"]).matched == 0, how
        assert len(tables()) == 1, how


def test_a_table_that_is_in_use_is_not_deleted() -> None:
    """Even if its time has come: who uses it says at the end that it is needed."""
    path = table_of("owner", Keys((Key.of(OLD.encode()),)), False)
    assert path is not None
    shared = SharedFile(path, 4096, DAY)
    with shared.held(1):
        let_pass(shared.path, 2 * DAY)
        assert tables() == [shared.path]
    assert tables() == [shared.path]
    assert not shared.gone()
    let_pass(shared.path, 2 * DAY)
    assert tables() == []
    assert shared.gone()


def test_a_worker_has_its_table_kept_while_no_labels_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that encodes says so, of a worker that has the table open."""
    monkeypatch.setenv(KEYS, OLD)
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    worker = feedback()
    worker.matcher.take([token(OLD)], ["a"])
    (file,) = tables()
    let_pass(file, 10 * DAY)
    old = file.stat().st_mtime
    telemetry = Telemetry(from_environment(), identity("service"))
    worker.serve(telemetry)
    telemetry.start(install=False)
    try:
        deadline = time.monotonic() + 30
        while file.stat().st_mtime < old + 9 * DAY:
            assert time.monotonic() < deadline, "not kept"
            time.sleep(0.01)
    finally:
        telemetry.shutdown()


def test_a_table_is_said_to_be_needed_once_an_hour() -> None:
    """From when it is opened."""
    now, opened = [0.0], list[Seen]()
    upkeep = Upkeep(lambda: opened[0] if opened else None, lambda: now[0])
    upkeep.step()
    path = table_of("owner", Keys((Key.of(OLD.encode()),)), False)
    opened.append(Seen(path, 1000, pytest.fail, DAY))
    (file,) = tables()
    renewed = []
    for now[0] in (1.0, 3000.0, 3602.0, 3700.0, 7300.0):
        os.utime(file, (0, 0))
        upkeep.step()
        renewed.append(file.stat().st_mtime > 0)
    assert renewed == [True, False, True, False, True]


def test_the_directory_is_this_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that somebody else made is not followed; a file that is being made is left alone for a day."""
    found = directory()
    assert found is not None
    assert found.stat().st_mode & 0o777 == 0o700
    for name, age in (("labels-a.new", 2 * DAY), ("labels-b.new", 60.0), ("labels-c.seen", 60.0), ("mine", 900 * DAY)):
        (found / name).write_bytes(b"x")
        os.utime(found / name, (time.time() - age,) * 2)
    assert directory() == found
    assert sorted(path.name for path in found.iterdir()) == ["labels-b.new", "mine"]
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))
    (other / found.name).symlink_to(found)
    assert directory() is None
