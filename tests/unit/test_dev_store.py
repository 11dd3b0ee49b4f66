"""The receiver's database: bounded, durable, one process at a time."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3
from _dev_messages import traces

from bento_observe.dev import DatabaseError, DevReceiver, PortTakenError

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def _send(dev: DevReceiver, body: bytes) -> None:
    assert urllib3.request("POST", f"{dev.http_endpoint}/v1/traces", body=body, headers=PROTOBUF).status == 200


@pytest.mark.parametrize("in_memory", [False, True])
def test_the_oldest_rows_go_when_the_database_is_full(tmp_path, caplog, in_memory):
    """Five times the limit is sent; what is kept is bounded, newest, and the loss is counted and told."""
    path = ":memory:" if in_memory else tmp_path / "dev.duckdb"
    limit, sent, largest = 8_000_000, 0, 0
    with caplog.at_level(logging.WARNING, "bento_observe.dev"), DevReceiver(path, max_bytes=limit) as dev:
        while sent < 40_000:
            # Random ids don't compress, so that sizes are what they seem.
            _send(dev, traces(500, service=f"s{sent}", payload="").SerializeToString())
            for _ in range(3):
                _send(dev, traces(500, service=f"s{sent}").SerializeToString())
            sent += 2000
            dev.flush()
            if not in_memory:
                largest = max(largest, sum(file.stat().st_size for file in tmp_path.glob("dev.duckdb*")))
        while dev.counts().pruned == 0:
            _send(dev, traces(2000, service=f"s{sent}").SerializeToString())
            sent += 2000
        counts = dev.counts()
        kept = dev.query("SELECT count(*) FROM spans")[0][0]
        assert counts.spans == sent
        assert kept == sent - counts.pruned
        assert dev.query("SELECT count(*) FROM spans WHERE service_name = 's0'") == [(0,)]
        assert dev.query(f"SELECT count(*) > 0 FROM spans WHERE service_name = 's{sent - 2000}'") == [(True,)]
    assert "oldest rows were removed" in caplog.text
    # A checkpoint writes the new blocks before it frees the old ones.
    assert largest < 2 * limit


def test_data_survives_a_restart(tmp_path):
    """A file that is opened again has what was received before, and takes more."""
    path = tmp_path / "dev.duckdb"
    for expected in (5, 10):
        with DevReceiver(path) as dev:
            _send(dev, traces(5).SerializeToString())
            assert dev.query("SELECT count(*) FROM spans") == [(expected,)]
    assert [file.name for file in tmp_path.iterdir()] == ["dev.duckdb"]


def test_closing_writes_what_was_accepted(tmp_path):
    """An answer of 200 is a promise, whether or not anyone asked for a flush."""
    path = tmp_path / "dev.duckdb"
    with DevReceiver(path) as dev:
        for _ in range(20):
            _send(dev, traces(100).SerializeToString())
        dev.close()
    with DevReceiver(path) as dev:
        assert dev.query("SELECT count(*) FROM spans") == [(2000,)]


def test_a_file_that_is_no_database_is_told_with_the_remedy(tmp_path):
    """One line that names the file."""
    path = tmp_path / "dev.duckdb"
    path.write_text("not a database\n" * 1000)
    with pytest.raises(DatabaseError, match=r"dev\.duckdb can't be opened .*--db"):
        DevReceiver(path)


def test_a_database_of_something_else_is_left_alone(tmp_path):
    """A DuckDB file that this package didn't make gets no tables of ours."""
    duckdb = pytest.importorskip("duckdb")
    path: Path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE mine AS SELECT 1 AS x")
    with pytest.raises(DatabaseError, match="not made by this version"):
        DevReceiver(path)
    with duckdb.connect(str(path)) as other:
        assert other.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("mine",)]


def test_a_taken_port_is_an_error_or_replaced_when_asked_for():
    """Nothing listens twice at one port; `otherwise_free` takes another."""
    with DevReceiver() as first:
        ports = [int(endpoint.rpartition(":")[2]) for endpoint in (first.grpc_endpoint, first.http_endpoint)]
        for option, port in zip(("grpc_port", "http_port"), ports, strict=True):
            with pytest.raises(PortTakenError, match=f"port {port} "):
                DevReceiver(**{option: port})
        with DevReceiver(grpc_port=ports[0], http_port=ports[1], otherwise_free=True) as second:
            _send(second, traces(1).SerializeToString())
            assert second.query("SELECT count(*) FROM spans") == [(1,)]
        assert first.query("SELECT count(*) FROM spans") == [(0,)]


def test_a_query_that_runs_while_the_database_is_full_costs_no_rows(tmp_path):
    """Rows that a running query sees give no space back: removing more and more of them would leave nothing."""
    slow = "SELECT sum(sqrt(range)), max(n) FROM range(600000000), (SELECT count(*) AS n FROM spans)"
    with DevReceiver(tmp_path / "dev.duckdb", max_bytes=2_000_000) as dev, ThreadPoolExecutor(1) as threads:
        for _ in range(4):
            _send(dev, traces(4000).SerializeToString())
            dev.flush()
        running = threads.submit(dev.query, slow)
        fewest, sent = 16_000, 16_000
        while sent < 80_000:
            _send(dev, traces(4000).SerializeToString())
            sent += 4000
            fewest = min(fewest, sent - dev.counts().pruned)
        assert not running.done()
        running.result()
        while dev.counts().pruned == 0:
            _send(dev, traces(4000).SerializeToString())
            sent += 4000
        kept = dev.query("SELECT count(*) FROM spans")[0][0]
        assert kept == sent - dev.counts().pruned
        assert min(fewest, kept) > 10_000
