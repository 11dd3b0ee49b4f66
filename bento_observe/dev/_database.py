"""Opening the DuckDB file, shut off from other files and the network, and reading it without being able to write."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bento_observe.dev._errors import DatabaseError, MissingExtraError, QueryError
from bento_observe.dev._schema import SCHEMA_VERSION, TABLES
from bento_observe.dev._views import VIEWS

if TYPE_CHECKING:
    import duckdb

__all__ = ["MEMORY", "Answer", "Parameters", "bytes_used", "open_for_reading", "open_for_writing", "select"]

MEMORY: Final = ":memory:"
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

# Deleted rows give their space back a whole row group at a time, so that pruning needs small ones.
_ROW_GROUP_ROWS: Final = 16_384
_QUERY_S: Final = 60.0
"""A query that takes longer is given up."""
# Nothing a query says may reach Python's variables, files, the network or these settings.
_LOCK_DOWN: Final = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True)
class Answer:
    """What a query found; `truncated` when there were more rows than were asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool = False


def open_for_writing(path: str | Path) -> duckdb.DuckDBPyConnection:
    """The database at `path` (or `MEMORY`) with its tables and views, made where there are none.

    Raises `MissingExtraError` without DuckDB, `DatabaseError` when another process has the file or it isn't ours.
    """
    connection = _connect(path, f"ROW_GROUP_SIZE {_ROW_GROUP_ROWS}")
    try:
        if connection.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = 'dev'").fetchone() is None:
            connection.execute("CREATE TABLE bento_observe_dev AS SELECT ?::INTEGER AS version", [SCHEMA_VERSION])
        _check_version(connection, path)
        for table in TABLES:
            connection.execute(table.create)
        for view in VIEWS:
            connection.execute(view)
        _lock_down(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: str | Path) -> duckdb.DuckDBPyConnection:
    """The database at `path`, which no process may have open for writing; raises as `open_for_writing` does."""
    if not Path(path).exists():
        raise DatabaseError(
            f"there is no database at {path} yet: start `bento-observe dev` first, or name another with --db"
        )
    connection = _connect(path, "READ_ONLY")
    try:
        _check_version(connection, path)
        _lock_down(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def select(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters = None, *, limit: int | None = None
) -> Answer:
    """The rows of one SELECT (or SHOW, DESCRIBE, EXPLAIN), at most `limit` of them, in a transaction that can't write.

    Raises `QueryError` with DuckDB's own words where it refuses the statement.
    """
    driver = _driver()
    cursor = connection.cursor()
    limiter = threading.Timer(_QUERY_S, cursor.interrupt)
    limiter.start()
    try:
        statements = cursor.extract_statements(sql)
        allowed = (driver.StatementType.SELECT, driver.StatementType.EXPLAIN)
        if len(statements) != 1 or statements[0].type not in allowed:
            raise QueryError("only one SELECT statement at a time: the database is read-only here")
        cursor.execute("USE dev")
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        cursor.execute(statements[0], parameters)
        columns = tuple(str(column[0]) for column in cursor.description or ())
        rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
    except driver.Error as error:
        raise QueryError(str(error)) from error
    finally:
        limiter.cancel()
        cursor.close()
    truncated = limit is not None and len(rows) > limit
    return Answer(columns, rows[:limit], truncated)


def bytes_used(connection: duckdb.DuckDBPyConnection, path: str | Path) -> int:
    """Bytes that the rows take: blocks in use and the write-ahead log of a file, the tables' memory without one."""
    if str(path) == MEMORY:
        row = connection.execute("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()").fetchone()
        return int(row[0]) if row else 0
    row = connection.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = 'dev'"
    ).fetchone()
    log = 0
    with suppress(FileNotFoundError):
        log = Path(f"{path}.wal").stat().st_size
    return (int(row[0]) if row else 0) + log


def _connect(path: str | Path, *options: str) -> duckdb.DuckDBPyConnection:
    driver = _driver()
    # One thread of DuckDB's own: what is measured runs next to this.
    connection: duckdb.DuckDBPyConnection = driver.connect(config={"threads": 1})
    quoted = str(path).replace("'", "''")
    try:
        # A sample of 0 rows: text columns are text, DuckDB needn't guess what is in them.
        connection.execute("SET pandas_analyze_sample = 0")
        connection.execute(f"ATTACH '{quoted}' AS dev ({', '.join(options)})")
        connection.execute("USE dev")
    except driver.Error as error:
        connection.close()
        raise _explained(error, path) from error
    return connection


def _explained(error: Exception, path: str | Path) -> DatabaseError:
    first = str(error).splitlines()[0]
    if "lock" in first:
        return DatabaseError(
            f"{path} is in use by another `bento-observe dev`: stop that one, or name another file with --db"
        )
    return DatabaseError(f"{path} can't be opened ({first}): remove it, or name another file with --db")


def _check_version(connection: duckdb.DuckDBPyConnection, path: str | Path) -> None:
    driver = _driver()
    try:
        row = connection.execute("SELECT version FROM bento_observe_dev").fetchone()
    except driver.Error:
        row = None
    if row != (SCHEMA_VERSION,):
        raise DatabaseError(
            f"{path} was not made by this version of bento-observe: remove it, or name another file with --db"
        )


def _lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in _LOCK_DOWN:
        connection.execute(statement)


def _driver() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            "`bento-observe dev` keeps what it receives in DuckDB, which is not installed: "
            "pip install 'bento-observe[dev]'"
        ) from error
    return duckdb
