"""What is remembered of a running stack, and what is not touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bento_observe.stack import Stack, StackError
from bento_observe.stack._ports import Ports
from bento_observe.stack._processes import Handle, spawn, stop
from bento_observe.stack._servers import Server, prepare
from bento_observe.stack._state import State, StateFile


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Handle]:
    """A process started as the servers are."""
    handle = spawn(["sleep", "600"], {}, tmp_path, tmp_path / "log")
    yield handle
    handle.kill()


def test_state_is_read_back_as_saved(tmp_path: Path, sleeper: Handle) -> None:
    """Ports and processes survive the way through the file."""
    state = State(Ports(jaeger=20001), {"jaeger": sleeper})
    StateFile(tmp_path).save(state)
    assert StateFile(tmp_path).load() == state


def test_down_stops_what_was_started(tmp_path: Path, sleeper: Handle) -> None:
    """A process that the state file names, pid and start time, is ended, and the state is gone."""
    StateFile(tmp_path).save(State(Ports(), {"jaeger": sleeper}))
    lines: list[str] = []
    assert Stack(data_dir=tmp_path).down(lines.append)
    assert lines == ["jaeger: stopped"]
    assert not psutil.pid_exists(sleeper.pid)
    assert StateFile(tmp_path).load() is None


def test_down_leaves_a_stranger_with_a_recycled_pid_alone(tmp_path: Path, sleeper: Handle) -> None:
    """After a reboot a pid may be anybody's: with another start time it is not ours to stop."""
    StateFile(tmp_path).save(State(Ports(), {"jaeger": Handle(sleeper.pid, sleeper.created - 3600)}))
    stack = Stack(data_dir=tmp_path)
    assert stack.status() == []
    assert not stack.down()
    assert sleeper.alive()


def test_a_dead_child_does_not_count_as_alive(tmp_path: Path) -> None:
    """A server that ended is seen as ended even while its parent has not collected it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    handle = Handle(process.pid, psutil.Process(process.pid).create_time())
    assert handle.alive()
    process.kill()
    psutil.wait_procs([psutil.Process(process.pid)], 5)
    assert not handle.alive()
    process.communicate()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Stopping ends, whatever the server does with the signal."""
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"
    handle = spawn(["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, tmp_path, tmp_path / "log")
    while not ready.exists():
        assert handle.alive()
    stop([handle], timeout=0.5)
    assert not handle.alive()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}', json.dumps({"format": 1, "ports": {}})])
def test_a_state_file_that_makes_no_sense_is_no_state(tmp_path: Path, content: str) -> None:
    """A torn or foreign file neither crashes nor stops anything."""
    (tmp_path / "state.json").write_text(content)
    assert StateFile(tmp_path).load() is None
    assert not Stack(data_dir=tmp_path).down()


def test_a_second_up_or_down_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """While one command works on a stack, another one says so instead of waiting or interfering."""
    with StateFile(tmp_path).exclusive(), pytest.raises(StackError, match="another `bento-observe stack`"):
        Stack(data_dir=tmp_path).down()
    assert not Stack(data_dir=tmp_path).down()


def test_what_is_kept_is_for_its_owner_only(tmp_path: Path) -> None:
    """Logs and spans hold what the users of a service sent: other users of the machine can't read them."""
    with StateFile(tmp_path / "deep" / "data").exclusive():
        prepare(tmp_path / "deep" / "data")
    made = [tmp_path / "deep" / "data", *(tmp_path / "deep" / "data").rglob("*/")]
    assert len([directory for directory in made if directory.is_dir()]) > 5
    assert {directory.stat().st_mode & 0o777 for directory in made if directory.is_dir()} == {0o700}


def test_an_interrupt_at_any_moment_leaves_no_process_that_is_not_saved(tmp_path: Path) -> None:
    """Ctrl-C between a server's start and the note of it would make an orphan that `down` can't find."""
    stack, file = Stack(data_dir=tmp_path), StateFile(tmp_path)
    prepare(tmp_path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = 0
    try:
        for attempt in range(40):
            argv = ("sleep", f"{600 + attempt}")
            server = Server("jaeger", argv, {"PATH": "/usr/bin:/bin"}, "", "", str)
            ctrl_c = threading.Timer(attempt * 1e-4, os.kill, (os.getpid(), signal.SIGINT))
            try:
                ctrl_c.start()
                stack._spawn(server, State(Ports()))
                ctrl_c.join()
            except KeyboardInterrupt:
                interrupted += 1
            ctrl_c.join()
            running = {child.pid for child in psutil.Process().children() if child.cmdline() == list(argv)}
            saved = file.load()
            known = {handle.pid for handle in saved.servers.values()} if saved else set()
            stop([Handle(pid, psutil.Process(pid).create_time()) for pid in running], timeout=5)
            assert running <= known
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted == 40


def test_a_restart_begins_a_new_log_and_keeps_the_last(tmp_path: Path) -> None:
    """Logs don't grow with every start, and what a crashed server said last is still there."""
    log = tmp_path / "log"
    for line in ("first", "second", "third"):
        handle = spawn(["sh", "-c", f"echo {line}"], {"PATH": "/usr/bin:/bin"}, tmp_path, log)
        process = handle.process()
        if process:
            process.wait(10)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log", "log.1"]
    assert (log.with_name("log.1").read_text(), log.read_text()) == ("second\n", "third\n")
