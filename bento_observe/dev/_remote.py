"""SQL from another process: DuckDB gives a file to one process at a time, so a running receiver is asked over HTTP."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import urllib3

from bento_observe.dev._database import Answer, Parameters, open_for_reading, select
from bento_observe.dev._errors import QueryError

__all__ = ["announce", "ask"]


@contextmanager
def announce(path: str | Path, endpoint: str, token: str) -> Iterator[None]:
    """Leaves word next to the database, readable by its owner only, where its receiver is and what it wants to hear."""
    note = _note(path)
    # A reader finds all of it or none, and nobody else can read it at any moment.
    draft = note.with_name(f"{note.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"endpoint": endpoint, "token": token, "pid": os.getpid()}, file)
    draft.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def ask(path: str | Path, sql: str, parameters: Parameters = None, *, limit: int | None = None) -> Answer:
    """The answer of the receiver that has the database at `path` open, or of the file itself when none has.

    Raises `QueryError` when the statement is refused, `DatabaseError` when there is no such database.
    """
    with suppress(_NoReceiverError):
        return _ask_receiver(path, sql, parameters, limit)
    connection = open_for_reading(path)
    try:
        return select(connection, sql, parameters, limit=limit)
    finally:
        connection.close()


def _note(path: str | Path) -> Path:
    return Path(f"{path}.running")


class _NoReceiverError(Exception):
    """There is no note, it isn't ours, or who answers there is not the receiver that left it."""


def _ask_receiver(path: str | Path, sql: str, parameters: Parameters, limit: int | None) -> Answer:
    try:
        note = json.loads(_note(path).read_text(encoding="utf-8"))
        with urllib3.PoolManager(retries=False) as pool:
            response = pool.request(
                "POST",
                note["endpoint"] + "/query",
                json={"sql": sql, "parameters": parameters},
                headers={"Authorization": f"Bearer {note['token']}", "Content-Type": "application/json"},
                timeout=urllib3.Timeout(connect=2, read=120),
            )
        document = response.json()
        if response.status == HTTPStatus.OK:
            rows = [tuple(row) for row in document["rows"]]
            truncated = document["truncated"] or (limit is not None and len(rows) > limit)
            return Answer(tuple(document["columns"]), rows[:limit], truncated)
        refused = str(document["error"])
    except (OSError, ValueError, LookupError, TypeError, urllib3.exceptions.HTTPError) as error:
        raise _NoReceiverError from error
    if response.status == HTTPStatus.UNAUTHORIZED:
        raise _NoReceiverError
    raise QueryError(refused)
