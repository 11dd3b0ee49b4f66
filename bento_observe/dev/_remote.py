"""SQL from another process: DuckDB gives a file to one process at a time, so a running receiver is asked over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import urllib3

from bento_observe.dev._database import Answer, Parameters, open_for_reading, select
from bento_observe.dev._errors import QueryError

__all__ = ["announce", "ask"]


@contextmanager
def announce(path: str | Path, endpoint: str, token: str) -> Iterator[None]:
    """Leaves word next to the database, readable by its owner only, where its receiver is and what it wants to hear."""
    note = _note(path)
    note.unlink(missing_ok=True)
    with open(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"endpoint": endpoint, "token": token, "pid": os.getpid()}, file)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def ask(path: str | Path, sql: str, parameters: Parameters = None, *, limit: int | None = None) -> Answer:
    """The answer of the receiver that has the database at `path` open, or of the file itself when none has.

    Raises `QueryError` when the statement is refused, `DatabaseError` when there is no such database.
    """
    with suppress(FileNotFoundError, urllib3.exceptions.HTTPError):
        return _ask_receiver(json.loads(_note(path).read_text(encoding="utf-8")), sql, parameters, limit)
    connection = open_for_reading(path)
    try:
        return select(connection, sql, parameters, limit=limit)
    finally:
        connection.close()


def _note(path: str | Path) -> Path:
    return Path(f"{path}.running")


def _ask_receiver(note: dict[str, Any], sql: str, parameters: Parameters, limit: int | None) -> Answer:
    with urllib3.PoolManager(retries=False) as pool:
        response = pool.request(
            "POST",
            note["endpoint"] + "/query",
            json={"sql": sql, "parameters": parameters},
            headers={"Authorization": f"Bearer {note['token']}", "Content-Type": "application/json"},
            timeout=urllib3.Timeout(connect=2, read=120),
        )
    document = response.json()
    if response.status != 200:
        raise QueryError(document["error"])
    rows = [tuple(row) for row in document["rows"]]
    truncated = document["truncated"] or (limit is not None and len(rows) > limit)
    return Answer(tuple(document["columns"]), rows[:limit], truncated)
