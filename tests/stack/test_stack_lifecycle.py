"""Starting, describing and stopping the real servers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from bento_observe.cli import main
from bento_observe.stack import Stack, StackError
from bento_observe.stack._recipes import recipes

pytestmark = pytest.mark.stack


def test_a_second_up_is_refused_and_tells_where_the_first_is(stack: Stack) -> None:
    """Nothing is started twice on the same data; the message has the addresses of what runs."""
    running = stack.running()
    assert running is not None
    with pytest.raises(StackError, match="running already") as refused:
        stack.up()
    assert running.otlp_grpc in str(refused.value)
    assert running.elasticsearch in str(refused.value)


def test_status_asks_each_server_for_its_version_and_health(stack: Stack) -> None:
    """The versions told by the servers themselves are those that were built, and all are healthy."""
    result = CliRunner().invoke(main, ["stack", "status", "--json", "--data-dir", str(stack.data_dir)])
    assert result.exit_code == 0, result.output
    servers = json.loads(result.output)
    assert {server["name"]: server["version"] for server in servers} == {r.name: r.version for r in recipes()}
    for server in servers:
        assert server["healthy"]
        assert psutil.Process(server["pid"]).is_running()
        assert 10 * 2**20 < server["memory"] < 2 * 2**30


def test_status_shows_a_dead_server(stack: Stack) -> None:
    """With one server killed, the table names it as stopped and the exit status is 1."""
    stack.crash("jaeger")
    try:
        result = CliRunner().invoke(main, ["stack", "status", "--data-dir", str(stack.data_dir)])
        assert result.exit_code == 1
        (line,) = (line for line in result.output.splitlines() if "jaeger" in line)
        assert "stopped" in line
    finally:
        stack.up()


def test_status_does_not_wait_long_for_servers_that_hang(stack: Stack) -> None:
    """Two that take connections and never answer: seconds, not minutes, until they are told as unhealthy."""
    hanging = [psutil.Process(s.pid) for s in stack.status() if s.name in ("elasticsearch", "prometheus")]
    assert len(hanging) == 2
    try:
        for process in hanging:
            process.suspend()
        began = time.monotonic()
        servers = stack.status()
        assert time.monotonic() - began < 15
        assert {s.name for s in servers if not s.healthy} == {"elasticsearch", "prometheus"}
    finally:
        for process in hanging:
            process.resume()


def test_servers_listen_on_loopback_only(stack: Stack) -> None:
    """Without passwords nothing may be reachable from another machine."""
    for server in stack.status():
        listening = [c for c in psutil.Process(server.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_server_that_dies_at_start_is_shown_and_the_others_are_stopped(stack: Stack, tmp_path: Path) -> None:
    """One broken server: its last log lines are in the error, and nothing is left running or recorded."""
    (tmp_path / "jaeger").mkdir()
    (tmp_path / "jaeger" / "keys").write_text("not a directory")
    broken = Stack(cache_dir=stack.cache_dir, data_dir=tmp_path, ports="free")
    with pytest.raises(StackError, match=r"(?s)jaeger ended right after its start; .*Cannot write pid file"):
        broken.up()
    assert broken.status() == []
    mine = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert mine == []
