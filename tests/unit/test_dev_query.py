"""SQL from outside: read-only, shut off from files, for the owner of the database alone."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from _dev_messages import traces

from bento_observe.dev import DatabaseError, DevReceiver, QueryError, ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it's" / "dev.duckdb"


@pytest.fixture
def dev(path: Path) -> Iterator[DevReceiver]:
    path.parent.mkdir()
    with DevReceiver(path) as receiver:
        body = traces(3).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        assert urllib3.request("POST", f"{receiver.http_endpoint}/v1/traces", body=body, headers=headers).status == 200
        yield receiver


REFUSED = [
    "DELETE FROM spans",
    "DROP TABLE spans",
    "CREATE TABLE t (x INTEGER)",
    "INSERT INTO spans (name) VALUES ('x')",
    "WITH x AS (INSERT INTO spans (name) VALUES ('x') RETURNING name) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM spans",
    "SELECT 1; DELETE FROM spans",
    "COPY spans TO 'out.csv'",
    "ATTACH 'other.duckdb'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA enable_profiling",
    "SELECT * FROM read_csv('/etc/hostname')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM connection",
    "SELECT * FROM batch",
    "SELEC 1",
    "",
]


@pytest.mark.parametrize("sql", REFUSED)
@pytest.mark.parametrize("running", [True, False])
def test_only_what_reads_the_database_is_answered(dev, path, sql, running):
    """Writes, files, settings and Python's variables are out of reach, of a running receiver and of a file alike."""
    if not running:
        dev.close()
    with pytest.raises(QueryError):
        ask(path, sql)
    assert ask(path, "SELECT count(*) FROM spans").rows == [(3,)]
    assert list(path.parent.glob("*.csv")) == []


def test_a_running_receiver_and_its_file_give_the_same_answer(dev, path):
    """Another process asks over HTTP while the receiver has the file, and the file itself afterwards."""
    sql = "SELECT name, duration_ns, [1.5, 'nan'::DOUBLE] AS list, NULL AS nothing FROM spans LIMIT 2"
    program = f"from bento_observe.dev import ask; print(ask({str(path)!r}, {sql!r}, limit=1))"
    answers = []
    for close in (dev.close, lambda: None):
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        answers.append(run.stdout.replace("'nan'", "nan"))
        close()
    assert answers[0] == answers[1]
    assert "('POST /predict', 1000, [1.5, nan], None)" in answers[0]
    assert "truncated=True" in answers[0]


def test_an_answer_over_http_is_bounded(dev, path):
    """A query that would give a million rows gives ten thousand and says so."""
    answer = ask(path, "SELECT * FROM range(1000000)")
    assert (len(answer.rows), answer.truncated) == (10_000, True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 400),
        ({"Host": "localhost:4318"}, 200),
        ({"Authorization": "Bearer x"}, 401),
    ],
)
def test_queries_need_a_loopback_host_and_the_token(dev, path, change, status):
    """A page in a browser that rebinds its name to this address, or another user, learns nothing; no CORS either."""
    token = json.loads(Path(f"{path}.running").read_text())["token"]
    headers = {"Authorization": f"Bearer {token}", "Origin": "http://evil.example"} | change
    response = urllib3.request("POST", f"{dev.http_endpoint}/query", json={"sql": "SELECT 42"}, headers=headers)
    assert response.status == status
    assert (b"42" in response.data) == (status == 200)
    assert "Access-Control-Allow-Origin" not in response.headers


def test_only_the_owner_can_read_the_token(dev, path):
    """The note beside the database is for its owner and goes when the receiver does."""
    note = Path(f"{path}.running")
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    dev.close()
    assert not note.exists()


def test_a_note_left_by_a_killed_receiver_is_no_obstacle(dev, path):
    """The file is read where nobody answers any more."""
    note = Path(f"{path}.running").read_text()
    dev.close()
    Path(f"{path}.running").write_text(note)
    assert ask(path, "SELECT count(*) FROM spans").rows == [(3,)]


def test_a_note_left_by_a_killed_receiver_is_no_obstacle_when_another_has_its_port(dev, path):
    """The other one knows neither the token nor this database; the file is read."""
    note = json.loads(Path(f"{path}.running").read_text())
    dev.close()
    with DevReceiver() as other:
        Path(f"{path}.running").write_text(json.dumps(note | {"endpoint": other.http_endpoint}))
        assert ask(path, "SELECT count(*) FROM spans").rows == [(3,)]


@pytest.mark.parametrize("note", [b"", b"{", b"\xff", b"[1]", b"null", b"{}", b'{"endpoint": 1, "token": "x"}'])
def test_a_note_that_is_not_ours_is_no_obstacle(dev, path, note):
    """Cut off by a full disk, or another program's: the file is read."""
    dev.close()
    Path(f"{path}.running").write_bytes(note)
    assert ask(path, "SELECT count(*) FROM spans").rows == [(3,)]


def test_a_missing_database_is_told(tmp_path):
    """With the remedy."""
    with pytest.raises(DatabaseError, match=r"no database at .*bento-observe dev"):
        ask(tmp_path / "none.duckdb", "SELECT 1")
